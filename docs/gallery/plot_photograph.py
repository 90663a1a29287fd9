"""
A photograph and what a rank leaves of it
=========================================

A truncated SVD to a relative error, and its error against the rank. Nothing has to be guessed: the error of
every smaller rank follows from the singular values that were found and the error that the result carries.
"""

import matplotlib.pyplot as plt

import lowrank_la as lr

A = lr.datasets.photograph()
results = {tol: lr.svd(A, tol=tol, rng=0) for tol in (0.2, 0.1, 0.05)}
figure, panels = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained", width_ratios=(1.3, 1.3, 1.3, 1))
for axes, (tol, result) in zip(panels, results.items(), strict=False):
    axes.imshow(result.full(), cmap="gray", vmin=0, vmax=1)
    axes.set(title=f"tol={tol}: rank {result.s.size}", xticks=[], yticks=[])
lr.plot.error_against_rank(results[0.05], panels[3])
panels[3].set_title("of every smaller rank")
for tol, result in results.items():
    print(f"tol={tol}: rank {result.s.size}, error {result.info.error:.4f} ({result.info.error_kind})")
