"""Randomized, seeded campaign over what is handed in: warm starts, extreme scales, sparse matrices, torch tensors."""

import importlib.util
from functools import lru_cache

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from factor.campaign import (
    ROUNDING,
    SHAPES,
    SIDES,
    Tally,
    cases,
    check_svd_to_rank,
    check_svd_to_tolerance,
    real_name,
    run,
)

import lowrank_la as lr
from lowrank_la import testing

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta")]

SCALES = {"float32": (1e-19, 1e-12, 1e12, 1e18), "float64": (1e-150, 1e-100, 1e100, 1e150)}


def accuracy_of(dtype):
    return 1e-6 if real_name(dtype) == "float64" else 1e-4


def torch():
    return pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread_in_torch():
    """Small products wait for its idle threads wherever something else runs beside the tests."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    threads = torch().get_num_threads()
    torch().set_num_threads(1)
    yield
    torch().set_num_threads(threads)


def starts(A, generator, rank):
    """Right vectors of a changed matrix, of the matrix itself, random ones, coordinates, and copies of one."""
    n = A.shape[1]
    other = A + 0.1 * np.linalg.norm(A) / A.size**0.5 * generator.standard_normal(A.shape).astype(A.dtype)
    yield "changed", run(lr.svd, other, rank, rng=1)
    yield "own", run(lr.svd, A, rank, rng=1).Vh.conj().T
    yield "random", generator.standard_normal((n, rank + 5))
    yield "coordinates", np.eye(n, dtype=A.dtype)[:, n // 2 : n // 2 + rank]
    yield "copies", np.ones((n, 3), dtype=A.dtype)


def warm_starts():
    """Good, bad and misleading starts, on the array and on its products."""
    tally = Tally()
    methods = ("krylov", "fused", "subspace", "auto")
    for seed, spectrum, dtype, turn, pick in cases(len(methods)):
        m, n = pick(SHAPES)
        values = testing.spectra[spectrum](min(m, n))
        A = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed)
        rank, accuracy, method = pick((1, 5, 12)), accuracy_of(dtype), methods[turn]
        hidden = pick((False, True)) and method != "auto"
        for kind, init in starts(A, np.random.default_rng(seed), rank):
            label = f"svd {spectrum} {dtype} {m}x{n} rank={rank} {method} hidden={hidden} init={kind} rng={seed}"
            given = oracles.Counted(A) if hidden else A
            r = run(lr.svd, given, rank, accuracy=accuracy, method=method, init=init, rng=seed)
            tally.runs += 1
            tally.error(label, r.info, oracles.true_error(A, r), oracles.eps(A.dtype))
            check_svd_to_rank(tally, label, A, values, r, rank, accuracy)
            tally.require(label, r.info.converged or method == "subspace", f"not converged: {r.info.reason}")
    return tally


def warm_starts_of_pairs():
    """The same for eigenpairs at every end."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(3):
        n, rank, which = pick(SIDES), pick((1, 6, 15)), ("LM", "LA", "SA")[turn]
        signs = np.where(np.random.default_rng(seed).random(n) < 0.4, -1.0, 1.0)
        eigenvalues = testing.spectra[spectrum](n) * signs
        A = testing.hermitian(n, eigenvalues, dtype=dtype, rng=seed)
        eps, accuracy, top = oracles.eps(A.dtype), accuracy_of(dtype), np.abs(eigenvalues).max()
        order = {"LM": -np.abs(eigenvalues), "LA": -eigenvalues, "SA": eigenvalues}[which]
        expected = np.abs(eigenvalues[np.argsort(order, kind="stable")][:rank])
        init = np.eye(n)[:, n // 2 : n // 2 + rank] if pick((False, True)) else np.ones((n, 2))
        label = f"eigh {spectrum} {dtype} {n} rank={rank} {which} rng={seed}"
        r = run(lr.eigh, A, rank, which=which, method="krylov", init=init, accuracy=accuracy, rng=seed)
        tally.runs += 1
        tally.error(label, r.info, oracles.true_error(A, r), eps)
        allowed = 1.1 * accuracy * top + ROUNDING * eps * top
        off = np.abs(np.abs(oracles.wide(r.w)) - expected).max()
        tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
        tally.require(label, oracles.pair_residuals(A, *r).max() <= allowed, "a residual above the accuracy")
        tally.require(label, off <= allowed, f"eigenvalues off by {off / top:.1e}")
    return tally


def extreme_scales():
    """Near both ends of the range of the dtype; every other run hides the array behind its products."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(6):
        m, n = pick(SHAPES)
        scale = pick(SCALES[real_name(dtype)])
        values = testing.spectra[spectrum](min(m, n)) * scale
        A = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed) * np.asarray(scale, real_name(dtype))
        hidden = turn % 2 == 1
        given, eps = oracles.Counted(A) if hidden else A, oracles.eps(A.dtype)
        small = oracles.wide(A) / scale
        label = f"{spectrum} {dtype} {m}x{n} scale={scale:.0e} hidden={hidden} turn={turn} rng={seed}"
        tally.runs += 1
        if turn < 2:
            rank, method = pick((1, 6, 20)), pick(("auto", "krylov", "fused", "gram" if not hidden else "krylov"))
            r = run(lr.svd, given, rank, accuracy=accuracy_of(dtype), method=method, rng=seed)
            check_svd_to_rank(tally, label, A, values, r, rank, accuracy_of(dtype))
            tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
            true = oracles.relative_error(small, (oracles.wide(r.U) * (oracles.wide(r.s) / scale)) @ oracles.wide(r.Vh))
        elif turn < 4:
            tol = pick((3e-1, 1e-2, 1e-4))
            r = run(lr.svd, given, tol=tol, rng=seed)
            true = oracles.relative_error(small, (oracles.wide(r.U) * (oracles.wide(r.s) / scale)) @ oracles.wide(r.Vh))
            check_svd_to_tolerance(tally, label, A, values, r, tol, true, hidden)
            tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
        else:
            r = run(lr.qb, given, pick((3, 12)), rng=seed)
            true = oracles.relative_error(small, oracles.wide(r.Q) @ (oracles.wide(r.B) / scale))
        tally.error(label, r.info, true, eps)
    return tally


def extreme_scales_of_pairs():
    """Positive semidefinite matrices near both ends of the range."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(2):
        n, rank = pick(SIDES), pick((1, 6, 20))
        scale = pick(SCALES[real_name(dtype)])
        values = testing.spectra[spectrum](n)
        A = testing.hermitian(n, values, dtype=dtype, rng=seed) * np.asarray(scale, real_name(dtype))
        function = (lr.eigh, lr.nystrom)[turn]
        given = oracles.Counted(A) if pick((False, True)) else A
        label = f"{function.__name__} {spectrum} {dtype} {n} rank={rank} scale={scale:.0e} rng={seed}"
        r = run(function, given, rank, accuracy=accuracy_of(dtype), rng=seed)
        w, V = oracles.wide(r.w) / scale, oracles.wide(r.V)
        true = oracles.relative_error(oracles.wide(A) / scale, (V * w) @ V.conj().T)
        tally.runs += 1
        tally.error(label, r.info, true, oracles.eps(dtype))
        tally.require(label, oracles.departure(V) <= ROUNDING * oracles.eps(dtype) * n**0.5, "V is not orthonormal")
        if function is lr.eigh:
            off = np.abs(w - values[:rank]).max()
            tally.require(label, off <= 1.1 * accuracy_of(dtype) * values[0], f"eigenvalues off by {off:.1e}")
    return tally


def check_both_ways(tally, label, A, values, given, dtype, pick):
    """`svd` of `given` to a rank and to a tolerance; `A` is the same matrix as a host array."""
    eps, accuracy, rank, tol = oracles.eps(dtype), accuracy_of(dtype), pick((1, 6, 20)), pick((3e-1, 1e-2, 1e-4))
    r = run(lr.svd, given, rank, accuracy=accuracy, rng=tally.runs)
    tally.runs += 1
    tally.error(f"{label} rank={rank}", r.info, oracles.true_error(A, r), eps)
    check_svd_to_rank(tally, f"{label} rank={rank}", A, values, r, rank, accuracy)
    tally.require(f"{label} rank={rank}", r.info.converged, f"not converged: {r.info.reason}")
    r = run(lr.svd, given, tol=tol, rng=tally.runs)
    true = oracles.true_error(A, r)
    tally.runs += 1
    tally.error(f"{label} tol={tol}", r.info, true, eps)
    check_svd_to_tolerance(tally, f"{label} tol={tol}", A, values, r, tol, true, hidden=False)
    tally.require(f"{label} tol={tol}", r.info.converged, f"not converged: {r.info.reason}, true error {true:.1e}")


def sparse_matrices():
    """Known spectra in each layout, and matrices with few entries in them, whose values LAPACK tells."""
    tally = Tally()
    layouts = ("csr_array", "csc_array", "coo_array")
    for seed, spectrum, dtype, turn, pick in cases(len(layouts)):
        m, n = pick(SHAPES)
        if pick((True, False)):
            A, values = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed), testing.spectra[spectrum](min(m, n))
        else:
            A = testing.sparse_tfidf(m, n, m * n // 8, rng=seed).toarray().astype(dtype)
            values = np.linalg.svd(oracles.wide(A), compute_uv=False)
        label = f"svd {spectrum} {dtype} {m}x{n} {layouts[turn]} rng={seed}"
        check_both_ways(tally, label, A, values, getattr(scipy.sparse, layouts[turn])(A), dtype, pick)
    return tally


def torch_tensors():
    """Dense and sparse tensors of every layout."""
    tally = Tally()
    layouts = {"strided": lambda x: x, "coo": lambda x: x.to_sparse_coo(), "csr": lambda x: x.to_sparse_csr()}
    for seed, spectrum, dtype, turn, pick in cases(3):
        m, n = pick(SHAPES)
        A, layout = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed), list(layouts)[turn]
        label = f"svd {spectrum} {dtype} {m}x{n} torch {layout} rng={seed}"
        given = layouts[layout](torch().asarray(A.copy()))
        check_both_ways(tally, label, A, testing.spectra[spectrum](min(m, n)), given, dtype, pick)
    return tally


PARTS = {
    "warm starts": warm_starts,
    "warm starts of pairs": warm_starts_of_pairs,
    "extreme scales": extreme_scales,
    "extreme scales of pairs": extreme_scales_of_pairs,
    "sparse matrices": sparse_matrices,
    "torch tensors": torch_tensors,
}


@lru_cache
def campaign(part):
    return PARTS[part]()


@pytest.mark.parametrize("part", PARTS)
def test_no_promise_is_broken(part):
    assert campaign(part).broken == ""


@pytest.mark.parametrize("part", PARTS)
def test_95_of_100_estimates_are_within_a_factor_of_two(part):
    assert campaign(part).share >= 0.95


def test_the_campaign_has_more_than_a_thousand_runs():
    assert sum(campaign(part).runs for part in PARTS) >= 1000
