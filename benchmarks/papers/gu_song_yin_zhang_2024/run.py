"""Alternating minimisation with inexact rows: ``python -m benchmarks.papers.gu_song_yin_zhang_2024.run``.

What Gu, Song, Yin and Zhang (2024) prove: alternating minimisation converges linearly when every row and column is
solved only approximately, as long as what is missed is a part of the error that is left. Matrices 2000 x 2000 of
rank 10 with entries at uniform places; the relative error of the whole matrix after every sweep.
"""

import numpy as np

from benchmarks.papers.study import Study
from lowrank_la import _backend as be
from lowrank_la.completion.problem import Problem
from lowrank_la.completion.row_solvers import Effort, Lines
from lowrank_la.completion.start import spectral_start
from lowrank_la.operators.observed import Observed

RANK, SWEEPS = 10, 40
SETTINGS = ((1.0, 3.0), (1.0, 5.0), (1.0, 10.0), (10.0, 5.0))
SOLVERS = {
    "exact": ("cholesky", 0.0, True),
    "cg to 0.01": ("cg", 0.01, True),
    "cg to 0.1": ("cg", 0.1, True),
    "cg to 0.5": ("cg", 0.5, True),
    "sketch to 0.1": ("sketch", 0.1, True),
    "cg to 0.01, from zero": ("cg", 0.01, False),
}
STEPS = 200
LINEAR = (1e-1, 1e-11)  # the errors between which the rate is read
GOAL = 1e-6
STRAIGHT = 0.6  # digits by which the logarithm of the error may stray from a line
FLOOR = 1e-3  # rows solved from zero must not get below it
STYLES = ("-", "--", ":", "-.")


def matrix(kappa, rho, seed, size):
    """Entries, and the factors of the matrix that they come from; its singular values fall linearly to 1/κ."""
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((size, RANK)))[0] for _ in range(2))
    A = U * np.linspace(1.0, 1.0 / kappa, RANK)
    count = round(rho * RANK * (2 * size - RANK))
    rows, columns = np.divmod(generator.choice(size**2, count, replace=False), size)
    values = np.sum(A[rows] * V[columns], axis=1)
    return Observed.from_entries(rows, columns, values, (size, size)), A, V


def error(U, V, A, B):
    """``‖U Vᵀ - A Bᵀ‖ / ‖A Bᵀ‖`` from triangles of the factors."""
    left, right = np.linalg.qr(np.hstack([U, -A]))[1], np.linalg.qr(np.hstack([V, B]))[1]
    return float(np.linalg.norm(left @ right.T) / np.linalg.norm(A))


def course(observed, A, B, solver, tol, warm, seed):
    """Errors after each sweep: QR of one factor, then least squares for the other, columns first.

    Rows and columns are solved until the residual of their normal equations has fallen by `tol`, from where they are
    or from zero.
    """
    problem, effort = Problem(observed, RANK), Effort(tol, STEPS)
    rows, columns = Lines.of(problem, solver)
    U, V = spectral_start(problem, be.resolve_rng(seed))
    errors = [error(U, V, A, B)]
    for _ in range(SWEEPS):
        U, V = half_sweep(columns, U, V, effort, warm)
        V, U = half_sweep(rows, V, U, effort, warm)
        errors.append(error(U, V, A, B))
    return errors


def half_sweep(lines, fixed, moved, effort, warm):
    """The orthonormal factor that stays, and the other one solved for."""
    Q, R = np.linalg.qr(fixed)
    start = moved @ R.T if warm else np.zeros_like(moved)
    return Q, lines.solve(Q, start, 1.0, effort)[0]


def rate(errors):
    """Factor by which a sweep reduces the error, and how far its logarithm strays from a line, in digits.

    None for both where the error does not get below the goal.
    """
    found = np.log10(errors)
    inside = np.flatnonzero((found < np.log10(LINEAR[0])) & (found > np.log10(LINEAR[1])))
    if min(errors) >= GOAL or inside.size < 3:
        return None, None
    inside = np.arange(inside[0], inside[-1] + 1)
    line = np.polyfit(inside, found[inside], 1)
    return float(10 ** line[0]), float(np.max(np.abs(np.polyval(line, inside) - found[inside])))


def courses(size, settings, seeds):
    """For every setting and solver the median course of the errors, its rate and how straight it is."""
    found = []
    for kappa, rho in settings:
        problems = [matrix(kappa, rho, seed, size) for seed in range(seeds)]
        for name, (solver, tol, warm) in SOLVERS.items():
            runs = [course(*problem, solver, tol, warm, seed) for seed, problem in enumerate(problems)]
            errors = np.median(runs, axis=0)
            factor, bend = rate(errors)
            found.append(
                {
                    "kappa": kappa,
                    "rho": rho,
                    "solver": name,
                    "seeds": seeds,
                    "rate": factor,
                    "bend": bend,
                    "sweeps": first_below(errors, GOAL),
                    "last": float(errors[-1]),
                    "errors": [float(f"{x:.3e}") for x in errors],
                }
            )
            row = found[-1]
            print(
                f"| {kappa:g} | {rho:g} | {name} | {text(factor, '.3f')} | {text(bend, '.2f')} | "
                f"{text(row['sweeps'], 'd')} | {row['last']:.1e} |",
                flush=True,
            )
    return found


def first_below(errors, goal):
    """The number of sweeps after which the error is below `goal`, None if it never is."""
    below = np.flatnonzero(np.asarray(errors) < goal)
    return int(below[0]) if below.size else None


def text(value, form):
    return "-" if value is None else format(value, form)


def problems(found):
    """What in the measured courses contradicts the claims."""
    wrong = []
    for row in found:
        _, tol, warm = SOLVERS[row["solver"]]
        where, same = f"κ={row['kappa']:g}, ρ={row['rho']:g}, {row['solver']}", (row["kappa"], row["rho"], "exact")
        (exact,) = [r["sweeps"] for r in found if (r["kappa"], r["rho"], r["solver"]) == same]
        if not warm:
            if row["last"] < FLOOR:
                wrong.append(f"{where}: no floor, error {row['last']:.1e}")
        elif tol * row["kappa"] <= 1.0:
            close = tol * row["kappa"] <= 0.1 or row["solver"].startswith("sketch")
            if row["sweeps"] is None or row["sweeps"] > (1.1 if close else 2.0) * exact + 1:
                wrong.append(f"{where}: {row['sweeps']} sweeps to {GOAL:g}, exact rows take {exact}")
            elif close and row["bend"] > STRAIGHT:
                wrong.append(f"{where}: the logarithm of the error strays {row['bend']:.2f} digits from a line")
    return wrong


def differences(found, expected):
    """Courses whose rate or number of sweeps differs from the expected one."""
    return [
        f"κ={a['kappa']:g}, ρ={a['rho']:g}, {a['solver']}: {a['sweeps']} sweeps, expected {b['sweeps']}"
        for a, b in zip(found, expected, strict=True)
        if (a["sweeps"] is None) != (b["sweeps"] is None)
        or (a["sweeps"] is not None and abs(a["sweeps"] - b["sweeps"]) > 2)
        or (a["rate"] is not None and abs(a["rate"] - b["rate"]) > 0.05)
    ]


def figure(found):
    """One panel a setting: error against sweeps."""
    import matplotlib.pyplot as plt

    settings = sorted({(row["kappa"], row["rho"]) for row in found})
    drawn, axes = plt.subplots(1, len(settings), figsize=(3.2 * len(settings), 3.2), sharey=True, layout="constrained")
    for ax, (kappa, rho) in zip(axes, settings, strict=True):
        for place, name in enumerate(SOLVERS):
            (row,) = [r for r in found if (r["kappa"], r["rho"], r["solver"]) == (kappa, rho, name)]
            ax.semilogy(row["errors"], color=f"C{place}", linestyle=STYLES[place % len(STYLES)], label=name)
        ax.set(title=f"κ = {kappa:g}, ρ = {rho:g}", xlabel="sweeps")
    axes[0].set_ylabel("relative error")
    axes[0].legend(fontsize=8)
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"size": 600, "settings": ((1.0, 5.0), (10.0, 5.0)), "seeds": 1},
        "medium": {"size": 2000, "settings": SETTINGS, "seeds": 5},
    },
    courses,
    problems,
    differences,
    figure,
    head="κ | ρ | rows | rate | strays, digits | sweeps to 1e-6 | last error",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
