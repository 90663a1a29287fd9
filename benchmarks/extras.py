"""Tall QR, principal components, call overhead, import time and cold starts."""

import os
import statistics
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

import lowrank_la as lr
from benchmarks import harness, problems
from lowrank_la import testing


def measure(repeats, wait=0.0):
    """Run all of them, print as they come, and return a dict for the report."""
    found = {}
    for function in (tall_qr, centred_pca, sparse_pca_memory, overhead, import_time, cold_start):
        try:
            found[function.__name__] = function(repeats, harness.Bystanders(wait))
        except Exception as failure:  # noqa: BLE001  one missing measurement must not lose the others
            found[function.__name__] = {"failed": f"{type(failure).__name__}: {failure}"}
        print(f"\n{function.__name__}: {function.__doc__}", flush=True)
        for key, value in found[function.__name__].items():
            print(f"  {key}: {value:.3g}" if isinstance(value, float) else f"  {key}: {value}", flush=True)
    return found


def tall_qr(repeats, bystanders):
    """QR of 400000x100 beside NumPy and SciPy; orthogonality and residual up to condition 1e15."""
    m, n = 400_000, 100
    found = {}
    for exponent in (15, 8, 1):
        A = testing.matrix(m, n, np.logspace(0, -exponent, n))
        Q, R = lr.tall_qr(A)
        found[f"orthogonality at condition 1e{exponent}"] = float(np.linalg.norm(Q.T @ Q - np.eye(n), 2))
        found[f"residual at condition 1e{exponent}"] = float(np.linalg.norm(A - Q @ R) / np.linalg.norm(A))
    del Q, R
    runs = {
        "lowrank_la": lambda: lr.tall_qr(A),
        "numpy": lambda: np.linalg.qr(A),
        "scipy": lambda: scipy.linalg.qr(A, mode="economic", check_finite=False),
    }
    timings = harness.alternate(runs, repeats, budget=20.0, bystanders=bystanders)
    found |= {f"{name} seconds": timing.median for name, timing in timings.items()}
    found["numpy / ours"] = timings["numpy"].median / timings["lowrank_la"].median
    found["scipy / ours"] = timings["scipy"].median / timings["lowrank_la"].median
    return found


def centred_pca(repeats, bystanders):
    """Principal components of 20000x1000 (k = 50) beside scikit-learn's PCA; singular value error in brackets."""
    from sklearn.decomposition import PCA

    k = 50
    A = problems.polynomial().A + np.linspace(0.0, 1e-2, 1000)
    values = problems.cached("centred", lambda: np.linalg.svd(A - A.mean(axis=0), compute_uv=False))[:k]
    errors = {}

    def fitted(solver):
        model = PCA(k, svd_solver=solver, random_state=0)
        scores = model.fit_transform(A)
        errors[f"PCA {solver}"] = np.max(np.abs(model.singular_values_ - values) / values)
        return scores, model.components_

    def ours():
        result = lr.svd(A, k, center=True, rng=0)
        errors["lowrank_la"] = np.max(np.abs(result.s - values) / values)
        return result.U * result.s, result.Vh

    runs = {"lowrank_la": ours}
    runs |= {f"PCA {solver}": lambda s=solver: fitted(s) for solver in ("covariance_eigh", "arpack", "randomized")}
    for run in runs.values():
        run()
    timings = harness.alternate(runs, repeats, budget=12.0, bystanders=bystanders)
    return {f"{name} seconds": f"{timing.median:.3f} ({errors[name]:.0e})" for name, timing in timings.items()}


def sparse_pca_memory(repeats, bystanders):
    """Extra memory of a sparse centred PCA on problem (c), k = 50, against 4 (m + n)(k + 10) numbers."""
    A, k = problems.sparse_text().A, 50
    lr.svd(A, k, center=True, rng=0)
    megabytes = harness.peak_extra_memory(lambda: lr.svd(A, k, center=True, rng=0))
    allowed = 4 * sum(A.shape) * (k + 10) * 8 / 2**20
    times = [bystanders.undisturbed(lambda: lr.svd(A, k, center=True, rng=0)) for _ in range(min(repeats, 3))]
    return {
        "extra megabytes": megabytes,
        "allowed megabytes": allowed,
        "dense megabytes": A.shape[0] * A.shape[1] * 8 / 2**20,
        "seconds": statistics.median(times),
    }


def overhead(repeats, bystanders):
    """Microseconds of `svd` on a 50x40 matrix above numpy.linalg.svd, of 200 calls in a row."""
    calls = 200
    A = np.random.default_rng(0).standard_normal((50, 40))
    runs = {
        "lowrank_la k=40": lambda: [lr.svd(A, 40) for _ in range(calls)],
        "lowrank_la k=5": lambda: [lr.svd(A, 5) for _ in range(calls)],
        "numpy": lambda: [np.linalg.svd(A, full_matrices=False) for _ in range(calls)],
    }
    for run in runs.values():
        run()
    timings = {
        name: 1e6 * timing.median / calls
        for name, timing in harness.alternate(runs, 2 * repeats, bystanders=bystanders).items()
    }
    slower = max(value for name, value in timings.items() if name != "numpy")
    return timings | {"overhead": slower - timings["numpy"]}


def import_time(repeats, bystanders):
    """Seconds of `import lowrank_la` and of `import scipy.sparse.linalg` in fresh interpreters."""
    program = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    names = ("lowrank_la", "scipy.sparse.linalg")
    times = {name: [] for name in names}
    for _ in range(repeats):
        bystanders.rest()
        for name in names:
            times[name].append(float(_python("-c", program.format(name))))
    ours, peer = (statistics.median(times[name]) for name in names)
    return {"lowrank_la": ours, "scipy.sparse.linalg": peer, "ratio": ours / peer}


def cold_start(repeats, bystanders):
    """Seconds of the command line, and of a first sparse SVD with Numba's cache empty and filled, in new processes."""
    program = (
        "import time, scipy.sparse, lowrank_la as lr; A = scipy.sparse.random(20000, 5000, 0.004, format='csr', rng=0);"
        "t = time.perf_counter(); lr.svd(A, 10); first = time.perf_counter() - t;"
        "t = time.perf_counter(); lr.svd(A, 10); print(first, time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as cache:
        bystanders.rest()
        empty, warm = (float(value) for value in _python("-c", program, NUMBA_CACHE_DIR=cache).split())
        filled = float(_python("-c", program, NUMBA_CACHE_DIR=cache).split()[0])
    help_times = [harness.seconds(lambda: _python("-m", "lowrank_la", "--help"))[1] for _ in range(min(repeats, 5))]
    return {
        "lowrank-la --help": statistics.median(help_times),
        "first svd, kernels compiled": empty,
        "first svd, kernels from cache": filled,
        "second svd": warm,
    }


def _python(*arguments, **environment):
    with warnings.catch_warnings():
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=True, env=os.environ | environment
        ).stdout
