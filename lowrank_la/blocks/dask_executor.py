"""One pass as one Dask graph of pure tasks, each of which may run again anywhere."""

import uuid
from itertools import pairwise

from .. import _backend as be
from .dask_adapter import array_of, evaluate, run
from .source import uniform
from .tree import fold


def dask_map_reduce(source, kernel, merge, broadcast, split_every):
    """`map_reduce` by the scheduler in use: a distributed client where there is one, else threads.

    A task reads one slab and runs the kernel on it, so no slab outlives its task and at most one a thread is alive.
    States are merged by tasks in the fixed tree; only the root comes back.
    """
    token = uuid.uuid4().hex
    name = f"lowrank-slab-{token}"
    layer, dependencies = slab_layer(source, kernel, broadcast, name)
    nodes, level = [(name, i) for i in range(len(source))], 0
    while len(nodes) > 1:
        level += 1
        groups = [nodes[k : k + split_every] for k in range(0, len(nodes), split_every)]
        nodes = [(f"lowrank-merge-{token}", level, k) if len(group) > 1 else group[0] for k, group in enumerate(groups)]
        layer |= {key: (_merge, merge, group) for key, group in zip(nodes, groups, strict=True) if len(group) > 1}
    return run(name, layer, nodes[0], dependencies)


def dask_rows(rows):
    """The Dask array of a `RowBlocks`: one task a slab reads it and runs the kernel."""
    if not rows.source.travels:
        raise ValueError(
            f"a {type(rows.source).__name__} can't become a Dask array, since workers can't open it for themselves; "
            "use slabs(), gather() or write(folder)"
        )
    name = f"lowrank-rows-{uuid.uuid4().hex}"
    tail = rows.shape[1:]
    source, kernel, broadcast = rows.source.fused(rows.kernel, rows.broadcast)
    layer, dependencies = slab_layer(source, kernel, broadcast, name, (0,) * len(tail))
    sizes = tuple(b - a for a, b in pairwise(rows.boundaries))
    return array_of(name, layer, (sizes, *((side,) for side in tail)), rows.empty, dependencies)


def slab_layer(source, kernel, broadcast, name, tail=()):
    """``(layer, dependencies)``: a graph whose key ``(name, i, *tail)`` is the kernel's answer for slab `i`.

    The kernel and what it is broadcast are data of one key, held by the scheduler: any worker can ask for them again.
    """
    given = f"{name}-given"
    layer = {given: _Held((kernel, broadcast))}
    if not hasattr(source, "recipes"):
        held = f"{name}-source"
        layer[held] = _Held(source)
        layer |= {(name, i, *tail): (_read_and_run, given, held, i) for i in range(len(source))}
        return layer, []
    array, recipes, chunks = source.recipes()
    layer |= chunks
    for i, recipe in enumerate(recipes):
        layer[(name, i, *tail)] = (_assemble_and_run, given, _Held(recipe), list(recipe.tasks.outside))
    return layer, [array]


class Recipe:
    """How one slab of a Dask array is put together inside of one task.

    Parameters
    ----------
    tasks : Embedded
    pieces : list
        ``(key of the chunk, place in the slab, rows of the chunk)`` for each chunk, in the order of ``tasks.parts``.
    shape, dtype, start
        Of the slab, and its first row number.
    """

    def __init__(self, tasks, pieces, shape, dtype, start):
        self.tasks, self.pieces = tasks, pieces
        self.shape, self.dtype, self.start = shape, dtype, start

    def block(self, values):
        """The slab, from the values of the keys outside; one chunk at a time is alive besides it."""
        tasks = self.tasks
        known = dict(zip(tasks.outside, values, strict=True))
        if tasks.wanted:
            known |= dict(zip(tasks.wanted, evaluate(tasks.common, tasks.wanted, known), strict=True))
        if len(self.pieces) == 1:
            return self._part(0, known, self.shape)
        whole = None
        for j, (_, place, _) in enumerate(self.pieces):
            part = self._part(j, known, tuple(side.stop - side.start for side in place))
            if whole is None:
                xp = be.namespace(part)
                whole = xp.empty(self.shape, dtype=self.dtype, device=be.device(part))
            whole[place] = part
            del part
        return whole

    def _part(self, j, known, shape):
        key, _, rows = self.pieces[j]
        graph = self.tasks.parts[j]
        chunk = evaluate(graph, [key], known)[0] if graph else known[key]
        return uniform(chunk[rows, ...], shape, self.dtype)


class _Held:
    """Anything, as data that Dask does not look into."""

    def __init__(self, value):
        self.value = value


def _assemble_and_run(given, recipe, values):
    kernel, broadcast = given.value
    with be.single_blas():
        return kernel(recipe.value.block(values), recipe.value.start, *broadcast)


def _read_and_run(given, source, i):
    kernel, broadcast = given.value
    with be.single_blas():
        return kernel(source.value.read(i), source.value.boundaries[i], *broadcast)


def _merge(merge, states):
    with be.single_blas():
        return fold(merge, states)
