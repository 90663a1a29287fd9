"""
Where completion succeeds
=========================

Matrices of rank k, 40 × 40, from a share of their entries: all of a matrix comes back above a line that
follows the number of its parameters.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

ranks, shares, trials = np.arange(1, 8), np.linspace(0.1, 0.7, 7), 2
won = np.zeros((shares.size, ranks.size))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", lr.ConvergenceWarning)
    for j, rank in enumerate(ranks):
        for i, share in enumerate(shares):
            for seed in range(trials):
                generator = np.random.default_rng(seed)
                A = generator.standard_normal((40, rank)) @ generator.standard_normal((rank, 40))
                seen = generator.random(A.shape) < share
                result = lr.complete((A, seen), int(rank), method="altmin", maxiter=60, holdout=0.0, rng=seed)
                won[i, j] += np.linalg.norm(result.U @ result.V.T - A) < 1e-3 * np.linalg.norm(A)
ax = lr.plot.phase_diagram(ranks, shares, won / trials, plt.figure(figsize=(7, 4), layout="constrained").subplots())
ax.plot(
    ranks, ranks * (80 - ranks) / 1600, ":", color="deepskyblue", linewidth=2, label="as many entries as parameters"
)
ax.set(xlabel="rank", ylabel="share of entries observed", ylim=(0.05, 0.75))
ax.legend(loc="upper left")
