"""What the randomized campaigns share: the grid of cases, the tally of broken promises, and what is promised."""

import itertools
import warnings

import numpy as np
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing

DTYPES = ("float32", "float64", "complex64", "complex128")
SHAPES = ((60, 40), (40, 60), (120, 120), (300, 60), (150, 220), (300, 200))
SIDES = (60, 120, 150, 300)
ROUNDING = 60
SMALL = 30
TOLERANCES = {"float32": (3e-1, 1e-2, 1e-3, 1e-4, 5e-6), "float64": (3e-1, 1e-2, 1e-5, 1e-8, 1e-11, 1e-13)}


class Tally:
    """Ratios of estimated to true errors, and every promise that was broken."""

    def __init__(self):
        self.runs = 0
        self.estimates = []
        self.violations = []

    def error(self, label, info, true, eps):
        """Compare ``info.error`` with the truth."""
        agree = max(info.error, true) <= SMALL * eps
        if info.error_kind == "exact":
            if abs(info.error**2 - true**2) > ROUNDING * eps * max(1.0, true) and not agree:
                self.violations.append(f"{label}: exact error {info.error:.3e}, true {true:.3e}")
        else:
            self.estimates.append(agree or 0.5 <= info.error / max(true, 1e-300) <= 2.0)

    def require(self, label, holds, text):
        """Note a broken promise."""
        if not holds:
            self.violations.append(f"{label}: {text}")

    @property
    def broken(self):
        """The broken promises as a text, empty when all were kept."""
        found = self.violations
        return "\n".join([f"{len(found)} of {self.runs} runs:", *found[:40]]) if found else ""

    @property
    def share(self):
        """Part of the estimates within a factor of two."""
        return float(np.mean(self.estimates)) if self.estimates else 1.0


def real_name(dtype):
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def cases(count_of):
    """Spectra and dtypes in turn, with a seed and a function that picks from options by it."""
    grid = itertools.product(sorted(testing.spectra), DTYPES, range(count_of))
    for seed, (spectrum, dtype, turn) in enumerate(grid):
        generator = np.random.default_rng(seed)
        yield seed, spectrum, dtype, turn, lambda options: options[generator.integers(len(options))]


def check_svd_to_rank(tally, label, A, values, r, rank, accuracy):
    eps = oracles.eps(A.dtype)
    top = values[0]
    tally.require(label, oracles.departure(r.U) <= ROUNDING * eps * rank, f"U off by {oracles.departure(r.U):.1e}")
    tally.require(label, oracles.departure(r.Vh.conj().T) <= ROUNDING * eps * rank, "Vh is not orthonormal")
    tally.require(label, r.s.shape == (rank,), f"{r.s.shape} values for rank {rank}")
    if r.info.converged:
        worst = oracles.residuals(A, *r).max()
        allowed = 1.1 * accuracy * top + ROUNDING * eps * top
        tally.require(label, worst <= allowed, f"converged with residual {worst / top:.1e}")
        off = np.abs(oracles.wide(r.s) - values[:rank]).max()
        tally.require(label, off <= allowed, f"converged with singular values off by {off / top:.1e}")


def check_svd_to_tolerance(tally, label, A, values, r, tol, true, hidden):
    """Where the array hides behind products ‖A‖ is an estimate too, and the tolerance as good as that."""
    eps, slack = oracles.eps(A.dtype), 1.25 if hidden else 1.02
    if r.info.converged:
        tally.require(label, true <= slack * tol + SMALL * eps, f"converged at true error {true:.3e}")
    if r.info.converged and tol > SMALL * eps:
        best = oracles.optimal_rank(values, tol / 2 if hidden else tol)
        tally.require(label, len(r.s) <= best + 2, f"rank {len(r.s)}, optimal {best}")


def run(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        warnings.simplefilter("ignore", lr.RankWarning)
        return function(*arguments, **options)
