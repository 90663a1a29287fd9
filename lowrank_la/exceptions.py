"""Exceptions and warnings that the library raises, in one place so that callers can catch them by name."""


class ConvergenceError(RuntimeError):
    """An iteration ended short of the requested accuracy and ``on_failure="raise"`` was asked for."""


class ConvergenceWarning(UserWarning):
    """A result is returned although the requested accuracy was not met; ``info.reason`` says why."""


class RankWarning(UserWarning):
    """The data have a lower numerical rank than was asked for: the result is that much smaller, or rounding decides."""


class CapabilityError(TypeError):
    """An algorithm needs something that the given operator cannot do, such as reading single rows."""


class ReadError(ValueError):
    """A file cannot be read as a matrix."""


class MissingReaderError(ReadError, ImportError):
    """A file format needs a package that is not installed."""
