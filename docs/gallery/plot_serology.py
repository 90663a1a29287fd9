"""
Antibodies of patients: a serology tensor
=========================================

Measurements of 438 samples, 6 antigens and 11 antibody receptors (Zohar et al. 2020). A canonical polyadic
decomposition splits them into patterns, each with a weight for every sample, antigen and receptor. How many patterns
the data carry is the first question: at rank three two terms grow and cancel, which the result says of itself.
"""

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_covid19_serology

import lowrank_la as lr

data = load_covid19_serology()
X = np.asarray(data.tensor, dtype=float)
for rank in (1, 2, 3):
    found = lr.cp(X, rank, rng=0)
    print(
        f"rank {rank}: error {found.info.error:.3f}, core consistency {lr.core_consistency(X, found):.0f}, "
        f"degenerate: {found.info.degenerate}"
    )

# %%
# Rank two it is.

result = lr.cp(X, 2, rng=0)
weights, (samples, antigens, receptors) = result

figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", width_ratios=(1.2, 1, 1.4))
order = np.argsort(samples[:, 0])
panels[0].plot(samples[order, 1], ".", color="C1", markersize=3, label="second pattern")
panels[0].plot(samples[order, 0], color="C0", linewidth=2, label="first pattern")
panels[0].legend(loc="upper center", ncols=2, fontsize=9)
panels[0].set(title="samples, ordered by the first pattern", xlabel="sample", ylim=(-0.09, 0.11))
for axes, factor, names, title in (
    (panels[1], antigens, data.ticks[1], "antigens"),
    (panels[2], receptors, data.ticks[2], "receptors"),
):
    picture = axes.imshow(factor.T, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set(title=title, yticks=range(2), yticklabels=["1", "2"], ylabel="pattern")
figure.colorbar(picture, ax=panels[2])
