"""What a computation will read and hold, told before it runs."""

from dataclasses import dataclass

from .. import _backend as be


@dataclass(frozen=True)
class Plan:
    """Passes, bytes and memory of a computation over a block source; `str` of it is for people.

    Attributes
    ----------
    source : str
        What is read.
    executor : str
        "serial", "threads" or "dask".
    passes : int
        Reads of the whole.
    slabs : int or None
        Slabs of one pass; None, like `bytes`, where an iterator has not told how many rows it has.
    slab_bytes : int
        Bytes of the largest slab.
    bytes : int or None
        Bytes of the stored numbers that are read in all passes.
    threads : int
        Kernels that run at a time in one process; with Dask the cluster knows how many, and 1 is counted.
    peak_memory : int
        Bytes that slabs and states take at a time, in one process (for each of its threads with Dask).
    """

    source: str
    executor: str
    passes: int
    slabs: int | None
    slab_bytes: int
    bytes: int | None
    threads: int
    peak_memory: int

    def __str__(self):
        cut = "an unknown number of" if self.slabs is None else f"{self.slabs:,}"
        read = "unknown" if self.bytes is None else _size(self.bytes)
        each = "for each thread of a worker" if self.executor == "dask" else f"with {self.threads} thread(s)"
        return (
            f"{self.source}\n"
            f"  reads       {self.passes} pass(es) over {cut} slab(s) of at most {_size(self.slab_bytes)}: {read}\n"
            f"  executor    {self.executor}\n"
            f"  peak memory {_size(self.peak_memory)} {each}"
        )


def plan(source, passes=1, *, state_bytes=0):
    """What `passes` reads of a block source will cost, before anything is read.

    Parameters
    ----------
    source : BlockSource
    passes : int
    state_bytes : int
        Bytes of the state that a kernel makes of one slab.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError
        If `source` is no block source.
    ValueError
        If the data can't be read that often.

    Notes
    -----
    Alive at a time are at most two slabs more than threads (none of them where slabs are views of memory), one state a
    thread and those that wait in the tree: three a level.
    """
    if not hasattr(source, "reads_allowed"):
        raise TypeError(f"source must be a block source, got {type(source).__name__}: make one with block_source")
    passes = be.check_count("passes", passes)
    state_bytes = be.check_count("state_bytes", state_bytes, 0)
    if source.reads_allowed is not None and passes > source.reads_allowed:
        raise ValueError(
            f"passes must be at most {source.reads_allowed} for data that can't be read again, got {passes}"
        )
    threads = be.worker_count() if source.executor == "threads" else 1
    slabs = None if source.boundaries is None else len(source)
    slab_bytes, total = source.largest_slab * source.row_bytes, source.bytes_per_pass
    ahead = 0 if source.executor == "dask" else 2
    held = 0 if source.in_memory else (threads + ahead) * slab_bytes
    levels = 1 if slabs is None else max(1, slabs.bit_length() // 2 + 1)
    return Plan(
        source=repr(source),
        executor=source.executor,
        passes=passes,
        slabs=slabs,
        slab_bytes=slab_bytes,
        bytes=None if total is None else passes * total,
        threads=threads,
        peak_memory=held + (threads + 3 * levels) * state_bytes,
    )


def _size(number):
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.3g} {unit}"
        number /= 1000
    return ""
