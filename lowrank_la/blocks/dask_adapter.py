"""The one file that names Dask: graphs, how they are run and what they are made of."""

import dask
import dask.array
import dask.core
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

RETRIES = 3


def optimized(array):
    """``(array, graph, held)``: a Dask array with its reads fused, its tasks by key, and those that are data by now.

    A distributed client leaves out of a graph what it holds: persisted chunks, which `held` brings back.
    """
    (fused,) = dask.optimize(array)
    graph, whole = dict(fused.__dask_graph__()), array.__dask_graph__()
    asked = {need for key in graph for need in needs(graph, key)} | set(dask.core.flatten(fused.__dask_keys__()))
    held = {key: whole[key] for key in asked if key not in graph}
    return fused, graph | held, held


def computed(arrays):
    """The values of several small arrays, by one graph."""
    return dask.compute(*arrays)


def run(name, layer, key, dependencies):
    """The value of `key` of a graph, by the distributed client in use, else by threads.

    A distributed scheduler tries a failed task three times more; those of a lost worker run again elsewhere.
    """
    graph = HighLevelGraph.from_collections(name, layer, dependencies=dependencies)
    return Delayed(key, graph, layer=name).compute(retries=RETRIES)


def array_of(name, layer, chunks, meta, dependencies):
    """The Dask array whose chunks are the values of the keys ``(name, i, …)`` of `layer`."""
    graph = HighLevelGraph.from_collections(name, layer, dependencies=dependencies)
    return dask.array.Array(graph, name, chunks, meta=meta)


def evaluate(graph, keys, known):
    """The values of `keys` of a small graph, on this thread; `known` holds those of keys outside of it."""
    return list(dask.core.get(graph, keys, cache=dict(known)))


def needs(graph, key):
    """Keys that the task of `key` asks for."""
    node = graph[key]
    found = getattr(node, "dependencies", None)
    return found if isinstance(found, frozenset | set) else dask.core.get_dependencies(graph, task=node)


def is_task(graph, key):
    """Whether `key` is computed, rather than data or a future that is there already."""
    node = graph[key]
    if hasattr(node, "dependencies"):
        return type(node).__name__ != "DataNode"
    return isinstance(node, tuple) and bool(node) and (callable(node[0]) or node in graph)
