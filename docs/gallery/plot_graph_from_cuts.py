"""
A graph from the weights of its cuts
====================================

Of a network only the weight of cuts can be asked for: split the nodes into two sides, get the sum over the edges
between them. As a function of the sides it has one Walsh-Hadamard coefficient an edge, and the sparse transform
reads every edge and its weight from a few thousand of 2⁴⁰ splits, with a certificate. A landscape in which every
site interacts with two others comes back in the same way, with coefficients of up to three sites.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

nodes, generator = 40, np.random.default_rng(0)
places = generator.random((nodes, 2))
distances = np.linalg.norm(places[:, None] - places[None], axis=2)
edges = np.argwhere(np.triu(distances < 0.22, 1))
weights = generator.random(len(edges)) + 0.2


def cut(sides):
    return (sides[:, edges[:, 0]] != sides[:, edges[:, 1]]) @ weights


graph = lr.sparse_wht(cut, nodes, degree=2, rng=0)
found = [(row.nonzero()[0], -2 * c) for row, c in zip(*graph, strict=True) if row.any()]
print(f"{len(found)} of {len(edges)} edges from {graph.info.samples} cuts, certificate: {graph.info.certificate}")

tables = generator.standard_normal((nodes, 8))
sites = np.stack([np.arange(nodes), *generator.integers(0, nodes, (2, nodes))], axis=1)


def fitness(bits):
    return tables[np.arange(nodes), bits[:, sites] @ np.array([1, 2, 4])].mean(axis=1)


landscape = lr.sparse_wht(fitness, nodes, degree=3, rng=0)
bits = generator.integers(0, 2, (300, nodes), dtype=np.uint8)
print(f"{landscape.coefficients.size} coefficients of the landscape from {landscape.info.samples} values")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for pair, weight in found:
    left.plot(*places[pair].T, color="tab:blue", linewidth=3 * weight)
left.plot(*places.T, "o", color="black", markersize=4)
left.set(title="edges read from cuts, as wide as their weight", xticks=[], yticks=[], aspect="equal")
right.plot(fitness(bits), landscape(bits), ".")
right.axline((0, 0), slope=1, color="black", linewidth=0.5)
right.set(title="landscape at 300 other points", xlabel="value", ylabel="value of the expansion")
