"""What every iterative function shares: the limit, the callback, the progress bar and what a failure does."""

import warnings
from types import SimpleNamespace

from ..exceptions import ConvergenceError, ConvergenceWarning


class Watch:
    """Counts iterations, calls the user's callback and moves the progress bar, which shows inside a ``with`` block."""

    def __init__(self, maxiter, callback=None, progress=False, label=""):
        self.maxiter, self.callback = maxiter, callback
        self.count = 0
        self.stopped = False
        self._label = label if progress else None
        self._bar = None

    def __enter__(self):
        self._bar = None if self._label is None else _progress_bar(self._label)
        return self

    def __exit__(self, *failure):
        if self._bar is not None:
            self._bar.close()

    @property
    def last(self):
        """Whether the iteration under way is the last one allowed."""
        return self.count + 1 >= self.maxiter

    def tick(self, **state):
        """Report one iteration, exactly once for each; True when no other may follow."""
        self.count += 1
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.2e}" for name, value in state.items() if isinstance(value, float)})
            self._bar.update()
        if self.callback is not None and self.callback(SimpleNamespace(iteration=self.count, **state)):
            self.stopped = True
        return self.over

    @property
    def over(self):
        """Whether no further iteration is allowed."""
        return self.stopped or self.count >= self.maxiter

    @property
    def reason(self):
        """Why an iteration that did not converge ended."""
        return "stopped by callback" if self.stopped else f"maxiter={self.maxiter} reached"


def settle(info, on_failure, advice):
    """Warn or raise when `info` says that the answer falls short."""
    if info.converged is not False:
        return
    text = f"{info.method}: {info.reason}; {advice}"
    if on_failure == "raise":
        raise ConvergenceError(text)
    warnings.warn(text, ConvergenceWarning, stacklevel=3)


def _progress_bar(label):
    from tqdm.auto import tqdm

    return tqdm(desc=label, unit="step", leave=False)
