"""Reads and memory of the decompositions of data in slabs, told before the first read.

The reads follow from the arguments by the decisions that the methods take themselves. The memory is an upper bound:
arrays are counted as if all of a phase were alive at once.
"""

import math

from .. import _backend as be
from ..blocks.demand import Demand
from .block_gram import may_read_again
from .block_svd import GROWING, REPEATS, chosen
from .krylov import block_width, one_sided_capacity
from .projection import PROBES
from .rangefinder import FRESH

RESCALING = 2
"""Reads more where squares leave the range: one for the size of the entries, one to repeat the first."""

_OF_ZEROS = 2  # reads after which a matrix is known to be zero
SQUARES = 12  # matrices of the order of a Gram matrix that its decomposition takes, work space included
_TALL = 12  # blocks of columns that the last read and what follows from it take
_COPIES = 7  # of what a kernel brings to triangular form
_GRAM_ROWS = 4096
_PANEL = 1 << 17  # numbers, of which one panel of rows on the host has so many


class Sizes:
    """Bytes of numbers in the dtype of computation and in the widest, and the sides of a matrix and of its slabs."""

    def __init__(self, op):
        source = op.source
        self.rows, self.columns = source.largest_slab, op.shape[1]
        self.on_host = be.kind(op.xp) == "numpy"
        self.item = be.itemsize(op.dtype)
        self.wide = be.itemsize(be.widest_like(op.xp, op.dtype, op.device))

    @property
    def slab(self):
        """A copy of the slab, and panels of it."""
        numbers = self.rows * self.columns
        panel = min(numbers, max(64 * self.columns, _PANEL)) if self.on_host else numbers
        return self.item * (numbers + 3 * panel)

    def triangle(self, columns):
        """Work of the triangular factor of a slab of so many columns."""
        return _COPIES * self.wide * self.rows * columns

    def square(self, columns):
        """One matrix of so many rows and columns in the widest dtype."""
        return self.wide * columns * columns


def demand_of_svd(op, request, method, options):
    """`Demand` of `block_svd` with the same arguments."""
    once = op.source.reads_allowed == 1
    room = options.room(once)
    if chosen(op, method, request, options) == "gram":
        least, most = 1, 2 if may_read_again(room) else 1
        memory = _of_gram(op, triangle=most > 1 or once)
    else:
        least, most, steps = _steps(op, request, room)
        memory = _of_steps(op, request, steps, math.isinf(room))
    extra = int(options.orthonormal)
    return Demand(min(least + extra, _OF_ZEROS), most + extra, 0 if once else RESCALING, *memory)


def _steps(op, request, room):
    """Least and most reads of the iteration, and the steps among them."""
    limit = request.watch.maxiter
    if room == 1:
        return 1, 1, 0
    if request.rank is None:
        steps = min(limit, min(op.shape), room)
        return 2, min(room, 2 * steps), steps
    if math.isinf(room):
        return 2, limit + (REPEATS if limit > 1 else 1), limit
    return 2, room, room - 1


def _of_gram(op, triangle):
    """``(state, work, held)`` of a Gram matrix, and of a triangular factor."""
    sizes = Sizes(op)
    square = sizes.square(sizes.columns)
    panel = sizes.wide * min(sizes.rows, _GRAM_ROWS) * sizes.columns
    work = sizes.slab + 2 * panel + 2 * square
    if triangle:
        work = max(work, sizes.slab + sizes.triangle(sizes.columns))
    return square, work, SQUARES * square


def _of_steps(op, request, steps, searched):
    """``(state, work, held)`` of an iteration of so many steps and of the read that ends it."""
    n, most = op.shape[1], min(side or op.shape[1] for side in op.shape)
    width = first_width(op, request)
    if request.rank is None:
        basis = last = min(most, max(1, steps) * max(width, GROWING))
    elif searched:
        basis, last = min(n, one_sided_capacity(request, width)), width
    else:
        basis, last = min(n, max(1, steps) * width), min(most, width + width // 2)
    return memory_of_steps(op, min(n, basis + width), last)


def memory_of_steps(op, basis, last):
    """``(state, work, held)`` of a basis of so many columns, `last` of which are multiplied in the last read."""
    sizes, n = Sizes(op), op.shape[1]
    both = last + PROBES
    state = sizes.wide * n * last + sizes.square(both)
    work = sizes.slab + sizes.triangle(both) + 3 * sizes.wide * n * both
    held = sizes.wide * n * (3 * basis + _TALL * both) + SQUARES * (sizes.square(basis) + sizes.square(both))
    return state, work, held


def first_width(op, request, width=None):
    """Columns of the first block at most: Gaussian ones, and those of a warm start beside some."""
    n = op.shape[1]
    if width is None:
        rank = GROWING if request.rank is None else request.rank + request.oversample
        width = min(rank, *(side or n for side in op.shape))
    return width if request.start is None else min(n, width + request.start.shape[1] + FRESH)


def demand_of_eigh(op, request):
    """`Demand` of the Hermitian iteration: the norm, a test of symmetry, a read a step, and one for a small error."""
    sizes, n = Sizes(op), op.shape[1]
    width = first_width(op, request, block_width(op, request))
    basis = min(n, one_sided_capacity(request, width)) + width
    columns = sizes.item * n
    held = columns * (3 * basis + (_TALL + 3) * max(width, PROBES)) + SQUARES * sizes.item * basis * basis
    work = sizes.slab + 2 * sizes.item * (sizes.rows + n) * max(width, PROBES)
    return Demand(3, 3 + request.watch.maxiter, RESCALING, 0, work, held)
