"""What a function asks of a block source, known before it reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """Reads and memory of a function over a block source; memory in bytes, and never less than is taken.

    Attributes
    ----------
    least, most : int
        Reads of the whole; the data decide between them.
    rescaling : int
        Reads more of data whose squares leave the range of their dtype, or that are zero.
    state : int
        What a kernel makes of one slab.
    work : int
        What a kernel takes meanwhile, the slab itself left out.
    held : int
        What the function holds in the calling process, its answer included.
    """

    least: int
    most: int
    rescaling: int = 0
    state: int = 0
    work: int = 0
    held: int = 0


@dataclass(frozen=True)
class Span:
    """An integer that the data decide, from `least` to `most`; ``3 in span`` asks whether it may be 3."""

    least: int
    most: int

    def __contains__(self, number):
        return self.least <= number <= self.most

    def __str__(self):
        return f"{self.least:,} to {self.most:,}"


def spanned(least, most):
    """`Span`, or the integer where there is no choice."""
    return least if least == most else Span(least, most)
