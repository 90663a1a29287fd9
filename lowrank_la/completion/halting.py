"""When an iteration on the residual ends."""

_WINDOW = 15
_STALLED = 1e-4


class Halting:
    """Stop at `tol`, or when the residual has hardly fallen over the last fifteen iterations.

    Attributes
    ----------
    history : list of float
    reason : str
        Empty while the iteration goes on.
    """

    def __init__(self, tol):
        self.tol, self.history, self.reason = tol, [], ""

    def after(self, residual):
        """Take in a residual; whether to stop."""
        self.history.append(residual)
        if residual <= self.tol:
            self.reason = "tolerance met"
        elif len(self.history) > _WINDOW and residual > (1.0 - _STALLED) ** _WINDOW * self.history[-1 - _WINDOW]:
            self.reason = "the residual no longer falls"
        return bool(self.reason)
