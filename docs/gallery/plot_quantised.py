"""
Rotations before rounding
=========================

A few channels with large numbers spoil the rounding of all others to four bits. A Hadamard rotation in blocks
spreads them, and is undone exactly afterwards.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

generator = np.random.default_rng(0)
A = generator.standard_normal((512, 256))
large = generator.choice(256, 4, replace=False)
A[:, large] *= generator.uniform(20, 60, 4)
ordinary = np.setdiff1d(np.arange(256), large)


def rounded(M):
    step = np.abs(M).max(axis=1, keepdims=True) / 7
    return step * np.round(M / step)


errors = {}
for width in (1, 16, 32, 64, 128, 256):
    back = lr.fwht(rounded(lr.fwht(A, block=width, norm="ortho")), block=width, norm="ortho")
    errors[width] = np.linalg.norm((back - A)[:, ordinary]) / np.linalg.norm(A[:, ordinary])
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for axes, title, M in ((left, "as it is", A), (middle, "rotated", lr.fwht(A, block=128, norm="ortho"))):
    axes.imshow(np.abs(M[:128]), vmin=0, vmax=60, aspect="auto")
    axes.set(title=title, xlabel="channel", ylabel="row")
right.plot(list(errors), list(errors.values()), "o-")
right.set(xlabel="width of a block (1: no rotation)", ylabel="relative error, ordinary channels", ylim=(0, None))
