"""Numba kernels. Each works on a range ``[start, stop)`` and releases the GIL; none starts threads of its own."""
