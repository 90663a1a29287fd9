"""Benchmarks: each ``python -m benchmarks.bench_<package>`` times the library beside its peers in one run."""
