"""Randomized, seeded campaign: errors, residuals, tolerances and claims of convergence hold over all spectra."""

from functools import lru_cache

import numpy as np
import pytest
from factor import oracles
from factor.campaign import (
    ROUNDING,
    SHAPES,
    SIDES,
    SMALL,
    TOLERANCES,
    Tally,
    cases,
    check_svd_to_rank,
    check_svd_to_tolerance,
    real_name,
    run,
)

import lowrank_la as lr
from lowrank_la import testing

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning")]


def svd_by_rank():
    """Every method at a rank and an accuracy; the last two turns hide the array behind its products."""
    tally = Tally()
    methods = ("auto", "krylov", "fused", "subspace", "gram", "dense", "krylov", "auto")
    for seed, spectrum, dtype, turn, pick in cases(len(methods)):
        m, n = pick(SHAPES)
        values = testing.spectra[spectrum](min(m, n))
        A = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed)
        rank = pick((1, 5, 10, 20, 40))
        double = real_name(dtype) == "float64"
        accuracy = pick((1e-6, 1e-3, 1e-9)) if double else pick((1e-4, 1e-3))
        method, given = methods[turn], A if turn < 6 else oracles.Counted(A)
        label = f"svd {spectrum} {dtype} {m}x{n} rank={rank} accuracy={accuracy} {method} turn={turn} rng={seed}"
        r = run(lr.svd, given, rank, accuracy=accuracy, method=method, rng=seed)
        tally.runs += 1
        tally.error(label, r.info, oracles.true_error(A, r), oracles.eps(A.dtype))
        check_svd_to_rank(tally, label, A, values, r, rank, accuracy)
        if method in ("auto", "krylov", "gram", "dense"):
            tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
    return tally


def svd_of_hermitian():
    """Square matrices that equal their adjoint, of both signs: "auto" may take their eigenpairs, the last turn does."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(3):
        n = pick(SIDES)
        values = testing.spectra[spectrum](n)
        signs = np.where(np.random.default_rng(seed).random(n) < 0.5, -1.0, 1.0)
        A = testing.hermitian(n, values * signs, dtype=dtype, rng=seed)
        rank, accuracy = pick((2, 12, 35)), 1e-6 if real_name(dtype) == "float64" else 1e-4
        label = f"svd of Hermitian {spectrum} {dtype} {n} rank={rank} turn={turn} rng={seed}"
        given, method = oracles.Counted(A) if turn == 1 else A, "hermitian" if turn == 2 else "auto"
        r = run(lr.svd, given, rank, accuracy=accuracy, method=method, rng=seed)
        tally.runs += 1
        tally.error(label, r.info, oracles.true_error(A, r), oracles.eps(A.dtype))
        check_svd_to_rank(tally, label, A, values, r, rank, accuracy)
        tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
    return tally


def svd_by_tolerance():
    """Tolerances down to the floor of the dtype; one turn in six hides the array."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(6):
        m, n = pick(SHAPES)
        values = testing.spectra[spectrum](min(m, n))
        A = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed)
        choices = TOLERANCES[real_name(dtype)]
        tol, method = pick(choices), pick(("krylov", "auto", "gram", "krylov"))
        hidden = turn == 5 and method != "gram"
        label = f"svd {spectrum} {dtype} {m}x{n} tol={tol} {method} hidden={hidden} rng={seed}"
        r = run(lr.svd, oracles.Counted(A) if hidden else A, tol=tol, method=method, rng=seed)
        true = oracles.true_error(A, r)
        tally.runs += 1
        tally.error(label, r.info, true, oracles.eps(A.dtype))
        check_svd_to_tolerance(tally, label, A, values, r, tol, true, hidden)
        if method != "gram" or tol > 10 * oracles.eps(A.dtype) ** 0.5:
            tally.require(label, r.info.converged, f"not converged: {r.info.reason}, true error {true:.1e}")
    return tally


def qb_both_ways():
    """To a rank and to a tolerance, with every power."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(5):
        m, n = pick(SHAPES)
        A = testing.matrix(m, n, spectrum, dtype=dtype, rng=seed)
        eps, power = oracles.eps(A.dtype), pick((0, 1, 2))
        choices = TOLERANCES[real_name(dtype)]
        tol = None if turn == 0 else pick(choices)
        rank = pick((3, 12, 25)) if turn == 0 else None
        block = pick((None, 7))
        label = f"qb {spectrum} {dtype} {m}x{n} rank={rank} tol={tol} power={power} block={block} rng={seed}"
        r = run(lr.qb, A, rank, tol=tol, power=power, block=block, rng=seed)
        true = oracles.true_error(A, r)
        tally.runs += 1
        tally.error(label, r.info, true, eps)
        tally.require(label, oracles.departure(r.Q) <= ROUNDING * eps * min(m, n) ** 0.5 * 2, "Q is not orthonormal")
        tally.require(label, r.Q.shape[1] <= (rank or min(m, n)), "more columns than asked")
        if tol is not None:
            held = true <= 1.02 * tol + SMALL * eps if r.info.error_kind == "exact" else true <= 2 * tol + SMALL * eps
            tally.require(label, r.info.converged, f"not converged: {r.info.reason}, true error {true:.1e}")
            tally.require(label, held or not r.info.converged, f"converged at true error {true:.3e}")
    return tally


def nystrom_both_ways():
    """To a rank and to a tolerance, the whole space and the Krylov variant included."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(5):
        n = pick(SIDES)
        values = testing.spectra[spectrum](n)
        A = testing.hermitian(n, values, dtype=dtype, rng=seed)
        eps = oracles.eps(A.dtype)
        tol = (None, 3e-1, 1e-2, 1e-4, None)[turn]
        rank, method = (pick((5, 20, 40)), "krylov") if turn == 4 else (pick((5, 20, n)), "auto")
        label = f"nystrom {spectrum} {dtype} {n} rank={rank} tol={tol} {method} rng={seed}"
        r = run(lr.nystrom, A, rank, tol=tol, method=method, rng=seed, accuracy=1e-4)
        true = oracles.true_error(A, r)
        tally.runs += 1
        tally.error(label, r.info, true, eps)
        tally.require(label, oracles.departure(r.V) <= ROUNDING * eps * n**0.5, "V is not orthonormal")
        tally.require(label, bool((oracles.wide(r.w) >= 0).all()), "a negative eigenvalue")
        if tol is not None and r.info.converged:
            tally.require(label, true <= tol + SMALL * eps, f"converged at true error {true:.3e}")
    return tally


def eigh_everywhere():
    """Every end of the spectrum of indefinite matrices."""
    tally = Tally()
    for seed, spectrum, dtype, turn, pick in cases(4):
        n = pick(SIDES)
        signs = np.where(np.random.default_rng(seed).random(n) < 0.3, -1.0, 1.0)
        eigenvalues = testing.spectra[spectrum](n) * signs
        A = testing.hermitian(n, eigenvalues, dtype=dtype, rng=seed)
        eps, rank = oracles.eps(A.dtype), pick((1, 6, 15, 36))
        accuracy = 1e-6 if real_name(dtype) == "float64" else 1e-4
        which, method = ("LM", "LA", "SA", "LM")[turn], ("krylov", "krylov", "auto", "dense")[turn]
        label = f"eigh {spectrum} {dtype} {n} rank={rank} {which} {method} rng={seed}"
        r = run(lr.eigh, A, rank, which=which, method=method, accuracy=accuracy, rng=seed)
        tally.runs += 1
        tally.error(label, r.info, oracles.true_error(A, r), eps)
        top = np.abs(eigenvalues).max()
        order = {"LM": -np.abs(eigenvalues), "LA": -eigenvalues, "SA": eigenvalues}[which]
        expected = eigenvalues[np.argsort(order, kind="stable")][:rank]
        allowed = 1.1 * accuracy * top + ROUNDING * eps * top
        got = oracles.wide(r.w)
        off = np.abs(np.abs(got) - np.abs(expected)).max() if which == "LM" else np.abs(got - expected).max()
        worst = oracles.pair_residuals(A, *r).max()
        tally.require(label, oracles.departure(r.V) <= ROUNDING * eps * rank, "V is not orthonormal")
        tally.require(label, r.info.converged, f"not converged: {r.info.reason}")
        tally.require(label, worst <= allowed, f"residual {worst / top:.1e}")
        tally.require(label, off <= allowed, f"eigenvalues off by {off / top:.1e}")
    return tally


def half_precision():
    """float16 in: the errors are those of the factors before they are rounded to half."""
    tally = Tally()
    for seed, spectrum in enumerate(sorted(testing.spectra)):
        A = testing.matrix(90, 70, spectrum, dtype="float16", rng=seed)
        r = run(lr.svd, A, 8, accuracy=1e-3, rng=seed)
        eps, label = oracles.eps("float16"), f"svd {spectrum} float16 rng={seed}"
        true = oracles.true_error(A, r)
        tally.runs += 1
        tally.require(label, abs(r.info.error**2 - true**2) <= 4 * eps, f"error {r.info.error:.3e}, true {true:.3e}")
        expected = np.linalg.svd(oracles.wide(A), compute_uv=False)
        off = np.abs(oracles.wide(r.s) - expected[:8]).max() / expected[0]
        tally.require(label, r.s.dtype == np.float32, f"s has dtype {r.s.dtype}")
        tally.require(label, off <= 1.1e-3, f"singular values off by {off:.1e}")
    return tally


PARTS = {
    "svd to a rank": svd_by_rank,
    "svd of Hermitian": svd_of_hermitian,
    "svd to a tolerance": svd_by_tolerance,
    "qb": qb_both_ways,
    "nystrom": nystrom_both_ways,
    "eigh": eigh_everywhere,
    "half precision": half_precision,
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
