"""The tangent space of matrices of one rank, and the solvers on it."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places
from factor import oracles

from lowrank_la import _backend as be
from lowrank_la.completion import line_grams as grams
from lowrank_la.completion.leading import leading_triplets
from lowrank_la.completion.tangent import Tangent, real_inner, truncated
from lowrank_la.completion.tangent_solver import conjugate_gradients, preconditioner
from lowrank_la.operators import as_operator
from lowrank_la.operators.observed import Observed

DTYPES = ("float32", "float64", "complex64", "complex128")


def tangent_of(backend, dtype, m=30, n=25, k=3, count=400, seed=0):
    """A tangent space and the host copies of what makes it."""
    U, V = factors(m, n, k, dtype, seed)
    rows, columns = places(m, n, count, seed)
    values = entries(U, V, rows, columns).astype(dtype)
    given = (backend.asarray(rows), backend.asarray(columns), backend.asarray(values))
    observed = Observed.from_entries(*given, (m, n))
    left, right = np.linalg.qr(U)[0].astype(dtype), np.linalg.qr(V)[0].astype(dtype)
    return Tangent(observed, backend.asarray(left), backend.asarray(right))


def random(backend, shape, dtype, seed=1):
    generator = np.random.default_rng(seed)
    X = generator.standard_normal(shape)
    return backend.asarray(
        (X + 1j * generator.standard_normal(shape) if np.dtype(dtype).kind == "c" else X).astype(dtype)
    )


def member(backend, tangent, dtype, seed=1):
    """Coordinates of a random matrix of the space."""
    (m, R), n = tangent.U.shape, tangent.V.shape[0]
    core, right, left = tangent.split(random(backend, (R + n + m, R), dtype, seed))
    return tangent.joined(core, right, left)


def test_entries_and_adjoint_are_adjoint(backend):
    for dtype in backend.dtypes:
        tangent = tangent_of(backend, dtype)
        g = member(backend, tangent, dtype)
        z = random(backend, (tangent.observed.count,), dtype, 2)
        one = real_inner(backend.xp, tangent.entries(g), z)
        other = real_inner(backend.xp, g, tangent.adjoint(z))
        assert abs(one - other) <= 200 * oracles.eps(dtype) * be.fro_norm(g) * be.fro_norm(z)


def test_coordinates_have_the_norm_of_the_matrix(backend):
    for dtype in backend.dtypes:
        tangent = tangent_of(backend, dtype)
        g = member(backend, tangent, dtype)
        left, right = (oracles.wide(x) for x in tangent.factors(g))
        assert abs(np.linalg.norm(left @ right.conj().T) / be.fro_norm(g) - 1) <= 50 * oracles.eps(dtype)


def test_coordinates_of_a_tangent_matrix_are_its_own(backend):
    for dtype in backend.dtypes:
        tangent = tangent_of(backend, dtype)
        g = member(backend, tangent, dtype)
        left, right = tangent.factors(g)
        again = tangent.coordinates(
            be.matmul(left, be.adjoint_matmul(right, tangent.V)), be.matmul(right, be.adjoint_matmul(left, tangent.U))
        )
        assert be.fro_norm(again - g) <= 50 * oracles.eps(dtype) * be.fro_norm(g)


def test_truncation_is_the_leading_part_of_the_svd(backend):
    for dtype in backend.dtypes:
        left, right = random(backend, (20, 6), dtype, 3), random(backend, (17, 6), dtype, 4)
        U, s, V = truncated(left, right, 4)
        u, t, vh = np.linalg.svd(oracles.wide(left) @ oracles.wide(right).conj().T)
        assert np.allclose(np.real(oracles.wide(s)), t[:4], rtol=100 * oracles.eps(dtype))
        best = (u[:, :4] * t[:4]) @ vh[:4]
        missed = (oracles.wide(U) * oracles.wide(s)) @ oracles.wide(V).conj().T - best
        assert np.linalg.norm(missed) <= 200 * oracles.eps(dtype) * t[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_gram_matrices_equal_their_portable_twins(dtype, monkeypatch):
    generator = np.random.default_rng(0)
    rows, columns = places(40, 30, 500)
    observed = Observed.from_entries(rows, columns, generator.standard_normal(500).astype(dtype), (40, 30))
    for side, size in ((observed.row_side, 30), (observed.column_side, 40)):
        B = generator.standard_normal((size, 5)).astype(dtype)
        monkeypatch.setattr(grams, "_KERNEL_FROM", 0)
        compiled = grams.line_grams(side, B, np)
        twin = grams.line_grams_twin(side, B, np)
        assert np.max(np.abs(compiled - twin)) <= 50 * oracles.eps(dtype) * np.max(np.abs(twin))
        X = generator.standard_normal((side.size, 5)).astype(dtype)
        assert np.allclose(
            grams.line_products(X, twin), np.einsum("ia,iab->ib", X, twin), atol=100 * oracles.eps(dtype) * 50
        )


def test_gram_matrices_are_those_of_the_rows_at_the_entries(backend):
    for dtype in backend.dtypes:
        tangent = tangent_of(backend, dtype)
        B = oracles.wide(tangent.V)
        found = oracles.wide(grams.line_grams(tangent.observed.row_side, tangent.V, backend.xp))
        pointers, columns = (be.to_numpy(x) for x in (tangent.observed.row_pointers, tangent.observed.columns))
        for i, gram in enumerate(found):
            chosen = B[columns[pointers[i] : pointers[i + 1]]]
            assert np.allclose(gram, chosen.conj().T @ chosen, atol=50 * oracles.eps(dtype))


@pytest.mark.parametrize("blocks", [8, 0])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_conjugate_gradients_end_at_the_dense_solution(dtype, blocks, monkeypatch):
    from backends import make_backend

    backend = make_backend("numpy", "cpu")
    monkeypatch.setattr("lowrank_la.completion.tangent_solver._BLOCK_NUMBERS", blocks)
    tangent = tangent_of(backend, dtype)
    R = tangent.U.shape[1]
    pairs, singles = np.full((R, R), 0.3).astype(dtype), np.asarray([0.1, 0.2, 0.5], dtype)
    weights = np.concatenate([pairs, np.broadcast_to(singles, (55, R))])
    target = tangent.adjoint(tangent.observed.values)

    def normal(g):
        return tangent.adjoint(tangent.entries(g)) + weights * g

    start = member(backend, tangent, dtype)
    g, steps = conjugate_gradients(normal, preconditioner(tangent, pairs, singles), target, start, 1e-13)
    assert 0 < steps < 100
    assert np.linalg.norm(normal(g) - target) <= 1e-12 * np.linalg.norm(target)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (9, 30), (30, 9), (12, 12), (3, 2)])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_leading_triplets_are_those_of_the_svd(shape, dtype):
    generator = np.random.default_rng(0)
    A = generator.standard_normal(shape) * 0.9 ** np.arange(shape[1])
    A = (A + 1j * generator.standard_normal(shape) if np.dtype(dtype).kind == "c" else A).astype(dtype)
    count = min(4, *shape)
    start = generator.standard_normal((shape[1], min(min(shape), count + 4))).astype(dtype)
    accuracy = 50 * oracles.eps(dtype)
    U, s, V, block = leading_triplets(as_operator(A), start, count, lambda s: accuracy * s[0])
    exact = np.linalg.svd(A.astype("complex128"))[1][:count]
    assert np.max(np.abs(s - exact)) <= 4 * accuracy * exact[0]
    assert np.linalg.norm(A @ V - U * s) <= 4 * accuracy * exact[0]
    assert block.shape == start.shape


def test_leading_triplets_of_a_matrix_of_less_rank_are_orthonormal():
    A = np.outer(np.arange(1.0, 31.0), np.ones(20))
    start = np.random.default_rng(0).standard_normal((20, 6))
    U, s, V, _ = leading_triplets(as_operator(A), start, 3, lambda s: 1e-13 * s[0])
    assert s[1] <= 1e-13 * s[0]
    assert oracles.departure(U) <= 1e-13
    assert oracles.departure(V) <= 1e-13
