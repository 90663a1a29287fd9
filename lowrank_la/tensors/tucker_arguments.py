"""Ranks and modes of a Tucker decomposition, checked; and the scale that squares are safe at."""

from .. import _backend as be


def checked_modes(modes, order):
    """`modes` as an ascending tuple of mode numbers; all of them for None."""
    if modes is None:
        return tuple(range(order))
    if not isinstance(modes, tuple | list | range):
        raise TypeError(f"modes must be a tuple of mode numbers, got {modes!r}")
    found = tuple(sorted(be.check_count("modes", k, -order, order - 1) % order for k in modes))
    if not found or len(set(found)) < len(found):
        raise ValueError(f"modes must name one mode or more, each once, got {modes!r}")
    return found


def checked_ranks(rank, shape, modes, name="rank"):
    """One rank a mode, None for modes that are left alone; an integer stands for itself or the length of the mode.

    `modes` is ascending, and a tuple of ranks is in that order; messages call them `name`.
    """
    ranks = [None] * len(shape)
    if rank is None:
        return [n if k in modes else None for k, n in enumerate(shape)]
    if isinstance(rank, tuple | list):
        if len(rank) != len(modes):
            raise ValueError(f"{name} must have one entry for each of the {len(modes)} modes {modes}, got {rank!r}")
        for k, r in zip(modes, rank, strict=True):
            ranks[k] = be.check_count(name, r)
            if ranks[k] > shape[k]:
                raise ValueError(f"{name} must be at most {shape[k]} in mode {k} of a tensor of shape {shape}, got {r}")
        return ranks
    rank, longest = be.check_count(name, rank), max(shape[k] for k in modes)
    if rank > longest:
        raise ValueError(f"{name} must be at most {longest}, the longest mode of a tensor of shape {shape}, got {rank}")
    return [min(rank, n) if k in modes else None for k, n in enumerate(shape)]
