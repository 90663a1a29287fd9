"""The one way in which a kernel is compiled."""

import numba


def jit(function=None, *, inline=False):
    """Compile on first use, keep the machine code on disk, release the GIL.

    Floating-point arithmetic stays as written (no `fastmath`, no contraction), so that a kernel and its portable twin
    can agree to the last bit, and division by zero gives infinity as NumPy does. Loops are serial: parallelism is the
    caller's, over a fixed partition.
    """
    if function is None:
        return lambda f: jit(f, inline=inline)
    return numba.njit(nogil=True, cache=True, error_model="numpy", inline="always" if inline else "never")(function)
