"""What `regularization` may be."""

from .. import _backend as be


def checked_penalties(regularization, entries):
    """λ of the rows and of the columns, floats or arrays."""
    pair = regularization if isinstance(regularization, tuple | list) else (regularization, regularization)
    if len(pair) != 2:
        raise ValueError(f"regularization must be a number or a pair for rows and columns, got {len(pair)} parts")
    return tuple(_penalty(part, size, entries) for part, size in zip(pair, entries.shape, strict=True))


def _penalty(part, size, entries):
    if not getattr(part, "ndim", 0):
        return be.check_positive("regularization", part, zero=True)
    if tuple(part.shape) != (size,):
        raise ValueError(f"regularization of one side must be a number or of shape ({size},), got {tuple(part.shape)}")
    xp = entries.xp
    part = part if be.namespace(part) is xp else be.from_numpy(be.to_numpy(part), xp, entries.device)
    part = xp.astype(part, be.real_dtype(xp, entries.dtype))
    be.require_finite(part, "regularization")
    if float(xp.min(part)) < 0.0:
        raise ValueError(f"regularization must not be negative, got {float(xp.min(part))!r}")
    return part
