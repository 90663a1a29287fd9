"""
Topics of the standard library
==============================

A document is a function or class of Python's standard library, a column a word. The matrix is sparse and
stays so: the leading singular vectors say which words go together.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

X, words = lr.datasets.stdlib_terms(max_docs=3000)
U, s, Vh = result = lr.svd(X, 12, rng=0)
print(f"{X.shape[0]} documents, {X.shape[1]} words, {X.nnz} nonzeros")
print(f"{result.info.method}: {result.info.products} products")

# %%
# The first vector is what all documents share. For the others, the words with the largest positive and negative
# entries:

for k in range(1, 6):
    order = np.argsort(Vh[k])
    print(f"{k}: {' '.join(words[j] for j in order[-6:][::-1])}   against   {' '.join(words[j] for j in order[:6])}")

# %%
# Documents in the plane of two of these directions, and the singular values.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
left.scatter(U[:, 1] * s[1], U[:, 2] * s[2], s=3, alpha=0.4)
written = []
for j in np.argsort(-np.hypot(Vh[1], Vh[2]))[:20]:
    place = 1.5 * Vh[1:3, j]
    if all(abs(place[0] - x) > 0.25 or abs(place[1] - y) > 0.06 for x, y in written):
        left.annotate(words[j], place, color="tab:red")
        written.append(place)
left.set(
    xlabel="second vector", ylabel="third vector", title="documents, and the words that place them", xlim=(None, 0.95)
)
lr.plot.spectrum(result, right)
