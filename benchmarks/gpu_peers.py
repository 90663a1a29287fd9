"""Devices of the GPU benchmark and what users run on them today."""

import contextlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from benchmarks.harness import Contender, peak_extra_memory
from benchmarks.peers import OVERSAMPLE

POWERS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 80)


@dataclass(frozen=True)
class TorchDevice:
    """Torch on ``kind``: "cuda", or "cpu" to rehearse."""

    name: str
    kind: str
    rehearsal: bool = False

    @property
    def rate_order(self):
        return 1500 if self.rehearsal else 6000

    def available(self):
        try:
            import torch
        except ImportError:
            return False
        return self.rehearsal or torch.cuda.is_available()

    def describe(self):
        import torch

        return "rehearsal on the CPU" if self.rehearsal else torch.cuda.get_device_name()

    def move(self, A):
        import torch

        if not scipy.sparse.issparse(A):
            return torch.asarray(A).to(self.kind)
        parts = (torch.asarray(part).to(self.kind) for part in (A.indptr, A.indices, A.data))
        return torch.sparse_csr_tensor(*parts, A.shape)

    def host(self, part):
        return part.cpu().numpy()

    def synchronise(self):
        import torch

        if not self.rehearsal:
            torch.cuda.synchronize()

    def peak_memory(self, run):
        import torch

        if self.rehearsal:
            return peak_extra_memory(run)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        self.synchronise()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    @property
    def linalg(self):
        import torch

        return torch.linalg


@dataclass(frozen=True)
class CupyDevice:
    """CuPy on the current CUDA device."""

    name: str = "cupy"
    rehearsal: bool = False
    rate_order: int = 6000

    def available(self):
        try:
            import cupy
        except ImportError:
            return False
        with contextlib.suppress(Exception):
            return cupy.cuda.runtime.getDeviceCount() > 0
        return False

    def describe(self):
        import cupy

        return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()

    def move(self, A):
        import cupy
        import cupyx.scipy.sparse

        return (
            cupyx.scipy.sparse.csr_matrix(scipy.sparse.csr_matrix(A)) if scipy.sparse.issparse(A) else cupy.asarray(A)
        )

    def host(self, part):
        return part.get()

    def synchronise(self):
        import cupy

        cupy.cuda.Device().synchronize()

    def peak_memory(self, run):
        """Growth of the emptied memory pool, which keeps every block that was in use at once."""
        import cupy

        pool = cupy.get_default_memory_pool()
        pool.free_all_blocks()
        before = pool.total_bytes()
        run()
        self.synchronise()
        return (pool.total_bytes() - before) / 2**20

    @property
    def linalg(self):
        import cupy

        return cupy.linalg


DEVICES = (CupyDevice(), TorchDevice("torch", "cuda"), TorchDevice("torch-cpu", "cpu", rehearsal=True))


def contenders(problem, A, device):
    """Peers of a device for a problem, as a list of `Contender`."""
    found = [] if problem.sparse else [_gram(problem, A, device), _dense(problem, A, device)]
    if isinstance(device, TorchDevice):
        return [_torch_svd_lowrank(problem, A), *found]
    return [_cupy_svds(problem, A), *found]


def _torch_svd_lowrank(problem, A):
    import torch

    k = problem.rank

    def run(niter):
        torch.manual_seed(0)
        U, s, V = torch.svd_lowrank(A, q=k + OVERSAMPLE, niter=niter)
        return U[:, :k], s[:k], V[:, :k].mH

    sweep = [(f"niter={niter}", lambda niter=niter: run(niter)) for niter in POWERS]
    return Contender("torch svd_lowrank", sweep, "niter=2")


def _cupy_svds(problem, A):
    from cupyx.scipy.sparse.linalg import svds

    def run(tol):
        U, s, Vh = svds(A, problem.rank, tol=tol)
        return U[:, ::-1], s[::-1], Vh[::-1]

    return Contender(
        "cupyx svds", [(f"tol={tol:g}", lambda tol=tol: run(tol)) for tol in (1e-2, 1e-4, 1e-8, 0)], "tol=0"
    )


def _gram(problem, A, device):
    k, wide = problem.rank, A.shape[0] < A.shape[1]
    order = device.move(np.arange(min(A.shape) - 1, min(A.shape) - k - 1, -1))

    def run():
        w, V = device.linalg.eigh(A @ A.T if wide else A.T @ A)
        s, V = abs(w[order]) ** 0.5, V[:, order]
        return (V, s, (V.T @ A) / s[:, None]) if wide else ((A @ V) / s, s, V.T)

    return Contender("Gram + eigh", [("full", run)], "full")


def _dense(problem, A, device):
    k = problem.rank

    def run():
        U, s, Vh = device.linalg.svd(A, full_matrices=False)
        return U[:, :k], s[:k], Vh[:k]

    return Contender("dense svd", [("full", run)], "full")
