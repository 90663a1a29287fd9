"""Which tasks of a graph serve one slab alone, so that they can run inside of its task."""

from dataclasses import dataclass

from .dask_adapter import is_task, needs

_SHARED = -1


@dataclass(frozen=True)
class Embedded:
    """Tasks that serve the chunks of one slab and nothing else.

    Attributes
    ----------
    common : dict
        Tasks that several of its chunks need.
    parts : list of dict
        For each chunk the tasks that it needs alone.
    outside : list
        Keys of the surrounding graph that they ask for: data, futures, what other slabs need too.
    wanted : list
        Keys of `common` that the parts ask for, or that are chunks themselves.
    """

    common: dict
    parts: list
    outside: list
    wanted: list


def embedded(graph, slabs):
    """`Embedded` of each slab, given as the list of the keys of its chunks."""
    owners = _owners(graph, slabs)
    own = [{} for _ in slabs]
    for key, i in owners.items():
        if i != _SHARED and is_task(graph, key):
            own[i][key] = graph[key]
    return [_split(graph, chunks, mine) for chunks, mine in zip(slabs, own, strict=True)]


def _owners(graph, units, within=None):
    """For each key below the units the number of the unit that needs it, `_SHARED` where several do.

    A key becomes shared once, and everything below it with it, so that no key is looked at more than twice.
    """
    owners = {}
    for i, keys in enumerate(units):
        stack = list(keys)
        while stack:
            key = stack.pop()
            held = owners.get(key)
            if held in (i, _SHARED) or (within is not None and key not in within):
                continue
            owners[key] = i if held is None else _SHARED
            stack.extend(needs(graph, key))
    return owners


def _split(graph, chunks, mine):
    parts, common = [{} for _ in chunks], {}
    for key, j in _owners(graph, [[chunk] for chunk in chunks], mine).items():
        (common if j == _SHARED else parts[j])[key] = mine[key]
    asked = {need for key in mine for need in needs(graph, key)} | set(chunks)
    from_parts = {need for part in parts for key in part for need in needs(graph, key)} | set(chunks)
    return Embedded(common, parts, sorted(asked - set(mine), key=str), sorted(from_parts & set(common), key=str))
