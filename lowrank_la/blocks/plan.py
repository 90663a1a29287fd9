"""What a computation will read and hold, told before it runs."""

from dataclasses import dataclass

from .. import _backend as be
from .demand import Demand, Span, spanned

TELLING = ("eigh", "leverage_scores", "lstsq", "qb", "svd", "tucker")
"""Functions that tell what they would ask of data in blocks."""

_OBJECTS = 1 << 18  # bytes of a call that are no arrays


@dataclass(frozen=True)
class Plan:
    """Passes, bytes and memory of a computation over a block source; `str` of it is for people.

    Attributes
    ----------
    source : str
        What is read.
    function : str or None
        What reads it; None for passes of your own.
    executor : str
        "serial", "threads" or "dask".
    passes : int or Span
        Reads of the whole. Where the data decide, a `Span` with ``least`` and ``most``; ``3 in plan.passes`` asks it.
    rescaling : int
        Reads that come to these at most where squares of the entries come near the ends of the range of their dtype,
        or all entries are zero.
    slabs : int or None
        Slabs of one pass; None, like `bytes`, where an iterator has not told how many rows it has.
    slab_bytes : int
        Bytes of the largest slab.
    bytes : int, Span or None
        Bytes of the stored numbers that are read in all passes.
    threads : int
        Kernels that run at a time in one process; with Dask the cluster knows how many, and 1 is counted.
    held : int
        Bytes that the function holds at most in the calling process, besides slabs and states of slabs.
    peak_memory : int
        Bytes that all of it takes at most at a time: slabs, kernels, states and what is held. With Dask those of one
        thread of a worker, without what is held, which is in the calling process.
    """

    source: str
    function: str | None
    executor: str
    passes: int | Span
    rescaling: int
    slabs: int | None
    slab_bytes: int
    bytes: int | Span | None
    threads: int
    held: int
    peak_memory: int

    def __str__(self):
        cut = "an unknown number of" if self.slabs is None else f"{self.slabs:,}"
        read = "unknown" if self.bytes is None else _sizes(self.bytes)
        each = f"with {self.threads} thread(s)"
        if self.executor == "dask":
            each = "for each thread of a worker" + (f", {_size(self.held)} in this process" if self.function else "")
        return (
            f"{f'{self.function} of ' if self.function else ''}{self.source}\n"
            f"  reads       {self.passes} pass(es) over {cut} slab(s) of at most {_size(self.slab_bytes)}: {read}\n"
            f"  executor    {self.executor}\n"
            f"  peak memory {_size(self.peak_memory)} {each}"
        )


def plan(source, task=None, /, *arguments, **options):
    """What a function will cost over a block source, before anything is read.

    Parameters
    ----------
    source : BlockSource
    task : callable or int
        A public function that tells: `svd`, `eigh`, `qb`, `lstsq`, `leverage_scores`, `tucker`. Or a number of passes
        of your own, 1 by default, also given as ``passes=``.
    *arguments, **options
        Those that the function would be called with after the data, checked as it would check them; principal
        components are ``svd`` with ``center=True``. With a number of passes ``state_bytes=`` alone: the bytes of the
        state that your kernel makes of one slab.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError
        If `source` is no block source, the function does not tell, or an argument is not one of its own.
    ValueError
        If the data can't be read that often, or the function would refuse an argument.

    Notes
    -----
    Where the data decide how often they are read, ``Plan.passes`` is a `Span`: a second read of `svd` by Gram matrix
    follows where its rounding hides what was asked for, an iteration ends when its accuracy is met, and at the latest
    with ``maxiter``. ``passes=`` of `svd` sets the number. The triplets are counted, not ``U``: using it takes one read
    more. Answers that warn, as of matrices short of rank, stay within.

    Alive at a time are at most two slabs more than threads (none of them where slabs are views of memory), one state a
    thread and those that wait in the tree: three a level, one level of an iterator, whose slabs nobody can count. What
    a function takes besides follows from the shapes: an upper bound, of which most may stay free; with `tol` alone that
    of full rank, so give a `rank` beside it. It counts arrays, not the libraries, and not the data that you hold.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> from lowrank_la.blocks import plan
    >>> source = lr.block_source(np.ones((5000, 100)), rows=1000)
    >>> told = plan(source, lr.svd, rank=20)
    >>> str(told.passes), told.passes.most
    ('1 to 2', 2)
    >>> plan(source, lr.svd, rank=20, orthonormal_u=True, passes=2).passes
    2
    >>> plan(source, 3).bytes
    12000000
    """
    if not hasattr(source, "reads_allowed"):
        raise TypeError(f"source must be a block source, got {type(source).__name__}: make one with block_source")
    if callable(task):
        demand = _demand(source, task, arguments, options)
        return _planned(source, task.__name__, demand)
    if arguments or not options.keys() <= {"passes", "state_bytes"}:
        given = ", ".join([*map(repr, arguments), *options])
        raise TypeError(f"{given}: arguments of a function, which goes before them, as in plan(source, svd, rank=20)")
    return _planned(source, None, _own_passes(source, task, **options))


def _demand(source, function, arguments, options):
    """`Demand` of a public function."""
    found = be.demand_of(function, source, *arguments, **options)
    if found is None:
        raise TypeError(
            f"{getattr(function, '__name__', function)} does not tell how often it reads; those that do are "
            f"{', '.join(TELLING)}. Give the number of passes where you know it"
        )
    return found


def _own_passes(source, task, *, passes=None, state_bytes=0):
    """`Demand` of so many passes."""
    if task is not None and passes is not None:
        raise TypeError(f"passes were given twice, as {task!r} and as {passes!r}")
    passes = be.check_count("passes", 1 if task is None and passes is None else passes if task is None else task)
    state_bytes = be.check_count("state_bytes", state_bytes, 0)
    if source.reads_allowed is not None and passes > source.reads_allowed:
        raise ValueError(
            f"passes must be at most {source.reads_allowed} for data that can't be read again, got {passes}"
        )
    return Demand(passes, passes, state=state_bytes)


def _planned(source, function, demand):
    threads = be.worker_count() if source.executor == "threads" else 1
    slabs = None if source.boundaries is None else len(source)
    slab_bytes, total = source.largest_slab * source.row_bytes, source.bytes_per_pass
    held = demand.held + (_OBJECTS if function else 0)
    in_cluster = source.executor == "dask"
    slabs_held = 0 if source.in_memory else (threads + (0 if in_cluster else 2)) * slab_bytes
    levels = 1 if slabs is None else max(1, slabs.bit_length() // 2 + 1)
    kernels = threads * demand.work + (threads + 3 * levels) * demand.state
    return Plan(
        source=repr(source),
        function=function,
        executor=source.executor,
        passes=spanned(demand.least, demand.most),
        rescaling=demand.rescaling,
        slabs=slabs,
        slab_bytes=slab_bytes,
        bytes=None if total is None else spanned(demand.least * total, demand.most * total),
        threads=threads,
        held=held,
        peak_memory=slabs_held + kernels + (0 if in_cluster else held),
    )


def _sizes(number):
    return f"{_size(number.least)} to {_size(number.most)}" if isinstance(number, Span) else _size(number)


def _size(number):
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.3g} {unit}"
        number /= 1000
    return ""
