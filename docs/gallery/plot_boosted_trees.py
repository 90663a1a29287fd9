"""
What boosted trees have learnt
==============================

An ensemble of trees of depth two on 24 binary features is a sum of few characters. The sparse Walsh-Hadamard
transform finds all of them from some thousand predictions of 16 million possible ones, with a certificate,
and the Shapley values follow. What is read off is the model, not the truth behind the data: the exclusive or
of two features, which greedy trees overlook, is missing.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

import lowrank_la as lr

generator = np.random.default_rng(0)
n = 24
X = generator.integers(0, 2, (600, n))
y = 2.0 * X[:, 3] - X[:, 7] * X[:, 11] + (X[:, 5] ^ X[:, 19]) + 0.3 * generator.standard_normal(600)
model = GradientBoostingRegressor(n_estimators=30, max_depth=2, random_state=0).fit(X, y)
result = lr.sparse_wht(lambda bits: model.predict(bits.astype(float)), n, degree=2, rng=0)
indices, coefficients = result
print(f"{coefficients.size} coefficients from {result.info.samples} of {2**n} predictions")
print(f"certificate: {result.info.certificate}")

sizes = indices.sum(axis=1)
odd = sizes % 2 == 1
shapley = -2.0 * (coefficients[odd] / sizes[odd]) @ indices[odd]
pairs = np.zeros((n, n))
for row, value in zip(indices[sizes == 2], coefficients[sizes == 2], strict=True):
    i, j = row.nonzero()[0]
    pairs[i, j] = pairs[j, i] = value
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained", width_ratios=(1.3, 1))
left.bar(range(n), shapley)
left.set(xlabel="feature", ylabel="Shapley value of all features on")
limit = np.abs(pairs).max()
picture = right.imshow(pairs, cmap="RdBu", vmin=-limit, vmax=limit)
right.set(title="interactions of pairs")
figure.colorbar(picture, ax=right)
