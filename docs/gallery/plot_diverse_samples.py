"""
Diverse samples
===============

A determinantal point process draws sets whose members differ: 25 of 900 points in three clusters, beside as
many independent ones. The law is exact, and the seed repeats the draw.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

generator = np.random.default_rng(0)
points = np.concatenate([generator.normal(centre, 0.12, (300, 2)) for centre in ([0, 0], [1, 0.2], [0.4, 1])])
squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
L = np.exp(-squares / (2 * 0.12**2))
diverse = lr.KDPP(25, L).sample(rng=0)
independent = generator.choice(len(points), 25, replace=False)


def closest(chosen):
    return np.sqrt(squares[np.ix_(chosen, chosen)] + 9.0 * np.eye(len(chosen))).min(axis=1).mean()


figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axes, title, chosen in zip(panels, ("independent", "determinantal"), (independent, diverse), strict=True):
    axes.scatter(*points.T, s=4, color="lightgray")
    axes.scatter(*points[chosen].T, s=30)
    axes.set(title=f"{title}: nearest neighbour {closest(chosen):.2f} away", xticks=[], yticks=[], aspect="equal")
