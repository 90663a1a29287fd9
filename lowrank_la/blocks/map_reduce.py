"""One pass over a source: a kernel a slab, and a merge in an order fixed by slab numbers."""

import threading

from .. import _backend as be
from .feed import feed
from .tree import MergeTree


def map_reduce(source, kernel, merge, *, broadcast=(), split_every=4, checkpoint=None):
    """The merged state of all slabs of `source`, in one read.

    Parameters
    ----------
    source : BlockSource
        Its `executor` says who runs the kernels: "serial" (this thread, a reader thread ahead), "threads" or "dask".
    kernel : callable
        ``kernel(block, start, *broadcast) -> state``: `block` the slab, `start` its first row number. A pure function
        of the module level (or a `functools.partial` of one), since it may travel to another process. A state is an
        array, a number, a tuple or a flat dict of these. The block may be empty and must not be written to.
    merge : callable
        ``merge(a, b) -> state``, pure too: it writes to neither.
    broadcast : tuple
        Further arguments of every kernel, such as the matrix to multiply with.
    split_every : int
        Neighbours that are merged at a time.
    checkpoint : Checkpoint, optional
        Written now and then; slabs that its file already covers are not read again. With the Dask executor a pass is
        all or nothing.

    Returns
    -------
    state
        The same bits for any number of workers, every executor and any number of retries, on one machine and library
        stack.

    Raises
    ------
    ValueError
        If `source` can be read once and has been read, or `checkpoint` holds a tree with another `split_every`.

    Notes
    -----
    BLAS runs on one thread inside kernels; `be.matmul` and its kin still use several threads from the serial executor,
    over fixed parts. At most two slabs are alive besides those that kernels work on.
    """
    split_every = be.check_count("split_every", split_every, 2)
    source, kernel, broadcast = source.fused(kernel, tuple(broadcast))
    tree = MergeTree(merge, split_every, None if checkpoint is None else checkpoint.begin(split_every))
    if source.executor == "dask":
        from .dask_executor import dask_map_reduce

        root = dask_map_reduce(source, kernel, merge, broadcast, split_every)
    else:
        run_pass(source, kernel, broadcast, tree, checkpoint)
        with be.single_blas():
            root = tree.result(len(source))
    if checkpoint is not None:
        checkpoint.end()
    return root


def run_pass(source, kernel, broadcast, tree, checkpoint=None):
    """Call `kernel` on every slab that `tree` lacks and add the states to it."""
    done = MergeTree(tree.merge, tree.split_every, tree.nodes)  # as it is now: `tree` grows while slabs are handed out
    failed = threading.Event()
    workers = be.worker_count() if source.executor == "threads" else 1
    ahead = source.prefetch and not source.in_memory and not (source.parallel_reads and workers > 1)

    def work(_):
        try:
            while not failed.is_set() and _step(next_slab, kernel, broadcast, tree, checkpoint):
                pass
        except BaseException:
            failed.set()
            raise

    with feed(source, lambda i: not done.covers(i), ahead=ahead) as next_slab, be.single_blas():
        if workers > 1:
            be.map_blocks(work, range(workers))
        else:
            work(0)


def _step(next_slab, kernel, broadcast, tree, checkpoint):
    """One slab; False at the end. The slab is let go of before the next one is asked for."""
    item = next_slab()
    if item is None:
        return False
    i, start, block = item
    state = kernel(block, start, *broadcast)
    del item, block
    with tree.lock:
        tree.add(i, state)
        if checkpoint is not None:
            checkpoint.slab_done(tree.nodes)
    return True
