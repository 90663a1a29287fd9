"""Coordinates of all rows so far in a basis that changes with every block, brought up to date only when asked for."""

from .. import _backend as be

_LEAST = 64  # blocks that wait before any are brought up to date


def empty(layout):
    """No rows yet: coordinates (0, 0), and no blocks that wait."""
    return {"coordinates": layout.zeros(0, 0), "changes": ()}


def extended(state, change, offset, coordinates):
    """One more block: older coordinates y become ``y @ change + offset``, and new ones follow.

    The work of bringing older rows up to date doubles before it is done again, so that each row is touched a number of
    times that grows like the logarithm of the stream.
    """
    changes = (*state["changes"], change, offset, coordinates)
    waiting = sum(part.shape[0] for part in changes[2::3])
    if len(changes) >= 3 * _LEAST and waiting >= state["coordinates"].shape[0]:
        return {"coordinates": current(state | {"changes": changes}), "changes": ()}
    return {"coordinates": state["coordinates"], "changes": changes}


def current(state):
    """Coordinates (rows, k) of all rows in the basis of now."""
    parts, change, offset = [], None, None
    steps = state["changes"]
    for i in range(len(steps) - 3, -1, -3):
        parts.append(_moved(steps[i + 2], change, offset))
        change, offset = _chained(steps[i], steps[i + 1], change, offset)
    parts.append(_moved(state["coordinates"], change, offset))
    parts = [part for part in reversed(parts) if part.shape[0]]
    xp = be.namespace(state["coordinates"])
    return xp.concat(parts, axis=0) if parts else state["coordinates"]


def _moved(y, change, offset):
    if change is None or y.shape[0] == 0:
        return y
    return be.matmul(y, change) + offset[None, :]


def _chained(first, shift, change, offset):
    """The change and offset of one step followed by all later ones."""
    if change is None:
        return first, shift
    return be.matmul(first, change), (shift[None, :] @ change)[0, :] + offset
