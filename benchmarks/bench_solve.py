"""Least squares beside its peers: ``python -m benchmarks.bench_solve [--problems a,b] [--rows 400000] [--quick]``.

A contender counts when the backward error of its solution, by the formula of Karlson and Waldén with the singular
values of a Householder factorisation of `A`, is at most ten units of roundoff (1e-10 for the sparse problem).
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

import lowrank_la as lr
from benchmarks import harness, report
from lowrank_la import testing

UNIT = 2.0**-53
ROWS = 1_000_000


@dataclass
class Problem:
    """``A x ≈ b`` with what judges a solution."""

    name: str
    title: str
    A: object
    b: object
    target: float = 10 * UNIT
    condition: float = math.nan

    def __post_init__(self):
        wide = self.A.shape[0] < self.A.shape[1]
        A = self.A.toarray() if scipy.sparse.issparse(self.A) else self.A
        M = A.T if wide else A
        R = np.linalg.qr(M, mode="r")
        U, s, Vt = np.linalg.svd(R)
        self._s, self._Vt = s, U.T @ np.linalg.solve(R.T, M.T) if wide else Vt
        self._norm = float(np.linalg.norm(s))

    def error(self, x):
        """Largest backward error over the columns of `b`, relative to ‖A‖_F."""
        x, b = (v[:, None] if v.ndim == 1 else v for v in (np.asarray(x), self.b))
        if x.shape != (self.A.shape[1], b.shape[1]) or not np.all(np.isfinite(x)):
            return math.inf
        r = b - self.A @ x
        parts = self._Vt @ (self.A.T @ r)
        weight = 1.0 / np.hypot(np.linalg.norm(b, axis=0) / self._norm, np.linalg.norm(x, axis=0))
        shift = weight * np.linalg.norm(r, axis=0)
        found = weight * np.sqrt(np.sum(parts**2 / (self._s[:, None] ** 2 + shift**2), axis=0)) / self._norm
        return float(np.max(found))


def conditioned(name, rows, exponent, columns=1):
    """A tall matrix of condition 10^exponent, singular values spread geometrically, residual 1e-3 of the data."""
    n = 100
    A = testing.matrix(rows, n, np.logspace(0, -exponent, n), rng=exponent)
    generator = np.random.default_rng(exponent)
    b = A @ generator.standard_normal((n, columns)) / n**0.5
    noise = generator.standard_normal((rows, columns))
    b += 1e-3 * noise * (np.linalg.norm(b) / np.linalg.norm(noise))
    title = f"{rows}x{n}, condition 1e{exponent}" + (f", {columns} right-hand sides" if columns > 1 else "")
    return Problem(name, title, A, b[:, 0] if columns == 1 else b, condition=10.0**exponent)


def sparse_problem(name, rows):
    """A sparse tall matrix with badly scaled columns."""
    n, generator = 400, np.random.default_rng(3)
    A = scipy.sparse.random_array((rows, n), density=0.01, rng=generator, format="csr")
    A = (A @ scipy.sparse.diags_array(np.logspace(0, -6, n))).tocsr()
    b = A @ generator.standard_normal(n) + 1e-3 * generator.standard_normal(rows)
    return Problem(name, f"sparse {rows}x{n}, 1 % full, column norms over six decades", A, b, target=1e-10)


def wide_problem(name, columns):
    """A wide matrix, of which the solution of least norm is wanted."""
    A = testing.matrix(100, columns, np.logspace(0, -6, 100), rng=5)
    return Problem(name, f"100x{columns}, condition 1e6, least norm", A, A @ np.ones(columns), condition=1e6)


PROBLEMS = {
    "a": lambda rows: conditioned("a", rows, 0),
    "b": lambda rows: conditioned("b", rows, 4),
    "c": lambda rows: conditioned("c", rows, 8),
    "d": lambda rows: conditioned("d", rows, 12),
    "e": lambda rows: conditioned("e", rows, 16),
    "f": lambda rows: conditioned("f", rows // 5, 6, 20),
    "g": lambda rows: sparse_problem("g", rows // 10),
    "h": lambda rows: wide_problem("h", rows // 5),
}


def ours(problem):
    """The library's own methods."""
    A, b = problem.A, problem.b
    settings = [("default", lambda: lr.lstsq(A, b, rng=0).x)]
    if not scipy.sparse.issparse(A) and A.shape[0] > A.shape[1]:
        settings.append(("sketched", lambda: lr.lstsq(A, b, method="sketched", rng=0).x))
    return harness.Contender("lowrank_la lstsq", settings, "default", ours=True)


def peers(problem):
    """NumPy's and SciPy's drivers without truncation, and LSQR."""
    A, b = problem.A, problem.b
    found = []
    if not scipy.sparse.issparse(A):
        found += [harness.Contender(f"scipy {name}", [("", _scipy(A, b, name))]) for name in ("gelsd", "gelsy")]
        found.append(harness.Contender("numpy lstsq", [("", lambda: np.linalg.lstsq(A, b, rcond=1e-300)[0])]))
        if A.shape[0] > A.shape[1]:
            found.append(harness.Contender("Gram + Cholesky", [("", lambda: _normal_equations(A, b))]))
    if b.ndim == 1:
        limits = (1e-6, 1e-10, 1e-14, 0.0)
        sweep = [(f"tol={tol:g}", lambda tol=tol: _lsqr(A, b, tol)) for tol in limits]
        found.append(harness.Contender("scipy LSQR", sweep))
    return found


def _scipy(A, b, driver):
    return lambda: scipy.linalg.lstsq(A, b, cond=1e-300, lapack_driver=driver, check_finite=False)[0]


def _normal_equations(A, b):
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(A.T @ A), A.T @ b)


def _lsqr(A, b, tol):
    return scipy.sparse.linalg.lsqr(A, b, atol=tol, btol=tol, conlim=0, iter_lim=400)[0]


def run_problem(problem, *, repeats, budget, wait):
    """Time every contender on one problem; return a summary with all rows."""
    rows, bystanders = [], harness.Bystanders(wait)
    for contender in [ours(problem), *peers(problem)]:
        bystanders.rest()
        rows += harness.gate(contender, problem.name, problem.error, problem.target, patience=2 * budget)
    timed = {f"{row.name} {row.setting}": row for row in rows if row.timing and row.passes}
    colds = {name: row.timing.cold for name, row in timed.items()}
    runs = {name: row.run for name, row in timed.items()}
    for name, timing in harness.alternate(runs, repeats, budget=budget, colds=colds, bystanders=bystanders).items():
        timed[name].timing = timing
        timed[name].memory = harness.peak_extra_memory(timed[name].run)
    best = harness.rank_rows(rows)
    print(f"\n({problem.name}) {problem.title}", flush=True)
    print(report.table(rows), flush=True)
    return {"title": problem.title, "rows": [row.record() for row in rows]} | _compare(problem, rows, best)


def _compare(problem, rows, best):
    mine = next((row for row in rows if row.ours and row.default and row.passes), None)
    info = lr.lstsq(problem.A, problem.b, rng=0).info
    found = {"method": info.method, "passes": info.passes, "backward_error": info.backward_error}
    gelsd = next((row for row in rows if row.name == "scipy gelsd" and row.timing), None)
    if mine and best:
        found |= {"ratio": mine.ratio, "best_peer": best.name}
    if mine and gelsd:
        found["times_gelsd"] = gelsd.timing.median / mine.timing.median
    listing = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items())
    print(f"  ours (default): {listing}", flush=True)
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_solve", description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="letters of the problems, separated by commas")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the tall problems")
    parser.add_argument("--quick", action="store_true", help="three runs instead of seven")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    repeats, budget = (3, 8.0) if options.quick else (7, 30.0)
    payload = {"target": 10 * UNIT, "problems": {}}
    with harness.threads():
        payload["rates"] = rates = harness.machine_rates(bystanders=harness.Bystanders(options.wait / 2))
        print(f"product {rates['gemm_flops'] / 1e9:.0f} Gflop/s, memory read {rates['read_bytes'] / 1e9:.1f} GB/s")
        for letter in filter(None, options.problems.split(",")):
            problem = PROBLEMS[letter](options.rows)
            payload["problems"][letter] = run_problem(problem, repeats=repeats, budget=budget, wait=options.wait)
            del problem
    whole = set(payload["problems"]) == set(PROBLEMS) and not options.quick and options.rows == ROWS
    print("wrote", report.write_json("solve" if whole else "solve_partial", payload).name)


if __name__ == "__main__":
    main()
