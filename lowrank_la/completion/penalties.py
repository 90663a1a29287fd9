"""What `regularization` may be."""

from dataclasses import replace

from .. import _backend as be

_FIRST = 0.01  # the first λ of a path, in units of the leading singular value of the entries
_STEP = 0.1  # each λ of a path over the one before
_LARGEST = 1e200


def checked_penalties(regularization, entries, form="factors"):
    """λ of the rows and of the columns, floats or arrays; floats alone where squares are summed over all places."""
    pair = regularization if isinstance(regularization, tuple | list) else (regularization, regularization)
    if len(pair) != 2:
        raise ValueError(f"regularization must be a number or a pair for rows and columns, got {len(pair)} parts")
    if form == "implicit" and any(getattr(part, "ndim", 0) for part in pair):
        raise ValueError("regularization must be a number or a pair of numbers with confidence, got an array")
    pair = tuple(_penalty(part, size, entries) for part, size in zip(pair, entries.shape, strict=True))
    if any_positive(pair[:1]) != any_positive(pair[1:]):
        raise ValueError(
            "regularization must be positive on both sides, or 0 on both: with one of them 0 the penalty can be made "
            f"as small as one likes, by larger factors there, got {regularization!r}"
        )
    return pair


def any_positive(penalties):
    """Whether any λ of checked penalties is positive."""
    return any(
        part > 0.0 if isinstance(part, float) else float(be.namespace(part).max(part)) > 0.0 for part in penalties
    )


def shared_number(part):
    """The λ of all lines of a side as a float; None where they differ."""
    if isinstance(part, float):
        return part
    xp = be.namespace(part)
    low, high = float(xp.min(part)), float(xp.max(part))
    return low if low == high else None


def scaled_penalties(penalties, factors, entries):
    """λ for values and weights that were divided by factors."""
    if all(factor == 1.0 for factor in factors):
        return penalties
    largest = _LARGEST if be.is_double(entries.dtype) else _LARGEST**0.15
    scaled = []
    for part in penalties:
        for factor in factors:
            part = part / factor
        size = part if isinstance(part, float) else float(entries.xp.max(part))
        if not size <= largest:
            raise ValueError(
                f"regularization is {size:.1e} for values and weights of size 1, above {largest:.0e}: nothing but "
                "zeros would be left; lower it, or scale values and weights"
            )
        scaled.append(part)
    return tuple(scaled)


def _penalty(part, size, entries):
    if not getattr(part, "ndim", 0):
        return be.check_positive("regularization", part, zero=True)
    if tuple(part.shape) != (size,):
        raise ValueError(f"regularization of one side must be a number or of shape ({size},), got {tuple(part.shape)}")
    xp = entries.xp
    be.require_untracked(part, "complete")
    part = part if be.namespace(part) is xp else be.from_numpy(be.to_numpy(part), xp, entries.device)
    part = xp.astype(part, be.real_dtype(xp, entries.dtype))
    be.require_finite(part, "regularization")
    if float(xp.min(part)) < 0.0:
        raise ValueError(f"regularization must not be negative, got {float(xp.min(part))!r}")
    return part


def path_to(problem, V):
    """Problems with larger λ, falling to that of `problem`; none where it is not small, or there is none.

    With few entries and a small λ alternating minimisation runs into factors whose lines with few entries are far too
    large, and takes ever so many sweeps to come back; from the solution of a larger λ it does not.

    Parameters
    ----------
    problem : Problem
    V : array (n, k)
        The right factor of the spectral start, which has the scale of the values.
    """
    sizes = [part if isinstance(part, float) else float(problem.xp.mean(part)) for part in problem.regularization]
    target = (sizes[0] * sizes[1]) ** 0.5
    if target == 0.0 or problem.form not in ("factors", "biases"):
        return
    m, n = problem.shape
    times = _FIRST * be.fro_norm(V) * problem.observed.count / (m * n) / target
    while times * _STEP > 1.0:
        yield replace(problem, regularization=tuple(times * part for part in problem.regularization))
        times *= _STEP
