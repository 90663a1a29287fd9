"""One sweep of alternating least squares for two factors."""

from .rebasing import least_penalised, orthonormal_first
from .row_solvers import Lines, choose_solver


class Factors:
    """``A ≈ U Vᴴ`` with penalties or without.

    Attributes
    ----------
    problem : Problem
    solver : str
        How lines are solved.
    norm : float
        What residuals are relative to.
    floor : float
        Relative rounding of the objective.
    """

    floor = 0.0

    def __init__(self, problem, solver):
        self.problem, self.norm = problem, problem.norm
        self.solver = choose_solver(problem) if solver == "auto" else solver
        self.rows, self.columns = Lines.of(problem, self.solver)

    def sweep(self, U, V, relax, effort):
        """``(U, V, square, objective)`` after least squares for the columns and for the rows."""
        problem, regularized = self.problem, self.problem.regularized
        U, V = least_penalised(problem, U, V) if regularized else orthonormal_first(U, V)
        V, _, _ = self.columns.solve(U, V, relax, effort)
        if not regularized:
            V, U = orthonormal_first(V, U)
        U, _, after = self.rows.solve(V, U, relax, effort)
        return U, V, after, problem.penalised(after, U, V) if regularized else None
