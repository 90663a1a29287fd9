"""Sets of blocks that lie side by side, and the true error of their best approximation."""

import numpy as np


def random_blocks(seed, dtype="float64"):
    """One to six blocks of random shapes, spectra and sizes, some in a common span; and a rank."""
    generator = np.random.default_rng(seed)
    m, count = int(generator.integers(2, 25)), int(generator.integers(1, 7))
    shared = generator.standard_normal((m, min(m, 4)))
    blocks = []
    for _ in range(count):
        columns = int(generator.integers(1, 20))
        block = generator.standard_normal((m, columns)) * np.logspace(0, -generator.uniform(0, 8), columns)
        if generator.random() < 0.3:
            block = shared @ generator.standard_normal((shared.shape[1], columns))
        if np.dtype(dtype).kind == "c":
            block = block * np.exp(1j * generator.random((m, columns)))
        blocks.append((block * 10.0 ** generator.uniform(-2, 1)).astype(dtype))
    return blocks, int(generator.integers(1, m + 1))


def families(*, m=60, kinds=4, members=8, columns=12, rank=5, noise=0.02, rng=0):
    """Blocks of families that each have a common column space of dimension `rank`, and noise; the family of each."""
    generator = np.random.default_rng(rng)
    spans = [np.linalg.qr(generator.standard_normal((m, rank)))[0] for _ in range(kinds)]
    kind = generator.permutation(np.repeat(np.arange(kinds), members))
    blocks = [
        spans[k] @ generator.standard_normal((rank, columns)) * generator.uniform(0.5, 2.0)
        + noise * generator.standard_normal((m, columns)) / np.sqrt(m)
        for k in kind
    ]
    return blocks, kind


def optimal_error(blocks, rank):
    """Relative Frobenius error of the best approximation of that rank of the blocks side by side."""
    M = np.hstack([block.astype("complex128") for block in blocks])
    size = np.max(np.abs(M))
    s = np.linalg.svd(M / (size if size > 0 else 1.0), compute_uv=False)
    total = np.sum(s**2)
    return float(np.sqrt(np.sum(s[rank:] ** 2) / total)) if total > 0 else 0.0


def projection_error(blocks, basis):
    """Relative Frobenius error of projecting the blocks onto the basis."""
    M = np.hstack([block.astype("complex128") for block in blocks])
    size = np.max(np.abs(M))
    M, Q = M / (size if size > 0 else 1.0), basis.astype("complex128")
    norm = np.linalg.norm(M)
    return float(np.linalg.norm(M - Q @ (Q.conj().T @ M)) / (norm if norm > 0 else 1.0))
