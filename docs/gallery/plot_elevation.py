"""
An elevation model from some of its rows and columns
====================================================

A CUR approximation of the elevation model that ships with matplotlib (a part of Tennessee): the answer is
spanned by profiles of the terrain itself, drawn on the map. The SVD of the same rank is the best there is.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import cbook

import lowrank_la as lr

with np.load(cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as archive:
    A = archive["elevation"].astype(float)
rank = 30
cur, best = lr.cur(A, rank, rng=0), lr.svd(A, rank, rng=0)
approximation = cur.C @ cur.U @ cur.R
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for axes, picture in ((left, A), (middle, approximation)):
    axes.imshow(picture, cmap="terrain", vmin=A.min(), vmax=A.max())
    axes.set(xticks=[], yticks=[])
left.hlines(cur.rows, 0, A.shape[1] - 1, color="black", linewidth=0.5)
left.vlines(cur.cols, 0, A.shape[0] - 1, color="black", linewidth=0.5)
left.set_title(f"{A.shape[0]} × {A.shape[1]} heights, {rank} rows and columns")
middle.set_title(f"spanned by them: error {cur.info.error:.3f}")
ranks = [5, 10, 20, 30, 40, 60]
right.plot(ranks, [lr.cur(A, k, rng=0).info.error for k in ranks], "o-", label="cur")
right.plot(ranks, [lr.svd(A, k, rng=0).info.error for k in ranks], "o-", label="svd, the least error")
right.set(xlabel="rank", ylabel="relative error", yscale="log")
right.legend()
print(f"cur {cur.info.error:.4f}, svd {best.info.error:.4f}")
