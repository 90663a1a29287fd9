"""Tucker decompositions beside their peers: ``python -m benchmarks.bench_tensors --modules tensor_tucker_rows``.

A contender counts as accurate when its error is within 0.2 % of the least one, or for a tolerance when it is met.
"""

import math
import warnings

import numpy as np
import scipy.sparse as sp

import lowrank_la as lr
from benchmarks import harness
from benchmarks.tensor_timing import aim, contest, problem, times_peer

PINES = {0.1: (16, 7, 2), 0.05: (55, 33, 3), 0.01: (137, 134, 59)}  # ranks of sequential truncation in mode order


def multiplied(core, factors):
    for k, U in enumerate(factors):
        core = np.moveaxis(np.tensordot(np.asarray(U), core, axes=(1, k)), 0, k)
    return np.ascontiguousarray(core)


def low_rank(shape, rank, noise, seed=0):
    """A Tucker tensor of unit norm, and white noise."""
    generator = np.random.default_rng(seed)
    factors = [np.linalg.qr(generator.standard_normal((n, rank)))[0] for n in shape]
    X = multiplied(generator.standard_normal((rank,) * len(shape)), factors)
    X /= np.linalg.norm(X)
    rest = generator.standard_normal(shape)
    rest *= noise / np.linalg.norm(rest)
    X += rest
    return X


def superdiagonal(n, seed=0):
    generator, X = np.random.default_rng(seed), np.zeros((n, n, n))
    X[(np.arange(n),) * 3] = 1.0 / np.arange(1.0, n + 1)
    return multiplied(X, [np.linalg.qr(generator.standard_normal((n, n)))[0] for _ in range(3)])


def hilbert(n):
    return 1.0 / sum(np.ix_(*(np.arange(1.0, n + 1),) * 3))


def pines():
    from tensorly.datasets import load_indian_pines

    return np.asarray(load_indian_pines().tensor, dtype=float)


def tensorly(X, rank, library="numpy", **options):
    import tensorly as tl
    from tensorly.decomposition import tucker

    with tl.backend_context(library, local_threadsafe=True):
        core, factors = tucker(X, rank, **options)
        return np.asarray(core), [np.asarray(U) for U in factors]


def pyttb(X, ranks=None, tol=1e-12):
    import pyttb

    found = pyttb.hosvd(X, tol, ranks=None if ranks is None else np.asarray(ranks), verbosity=0)
    return found.core.data, found.factor_matrices


def ours(X, *rank, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lr.tucker(X, *rank, **options)


def true_error(X, found):
    core, factors = found[0], found[1]
    return float(np.linalg.norm(X - multiplied(np.asarray(core), factors)) / np.linalg.norm(X))


def measured(X, contenders, repeats, *, target=None, share=2e-3):
    """Rows with seconds, extra memory and true error of all contenders."""
    found, rows = contest(contenders, repeats, budget=12.0), []
    errors = {name: true_error(X, one.result) if not one.failure else math.inf for name, one in found.items()}
    limit = min(errors.values()) * (1 + share) + 1e-13 if target is None else target
    for name, one in found.items():
        ranks = () if one.failure else tuple(int(r) for r in np.shape(one.result[0]))
        more = {"extra_share": 1e6 * one.megabytes / X.nbytes, "note": one.failure or f"ranks {ranks}"}
        rows.append(one.row(name, error=errors[name], accurate=errors[name] <= limit, ranks=ranks, **more))
    return rows


def to_ranks(shape, rank, most, times, repeats):
    """A large tensor to thin ranks; `most` seconds and `times` of the best peer are aimed at."""
    import pyttb as peer
    import torch

    X, ranks = low_rank(shape, rank, 0.1), (rank,) * len(shape)
    theirs, shared = peer.tensor(X, copy=False), torch.from_numpy(X)
    random = {"init": "random", "random_state": 0}  # their iteration stops by its own rule, as ours does
    contenders = {
        "lowrank_la tucker": lambda: ours(X, rank, rng=0),
        "lowrank_la tucker, st_hosvd": lambda: ours(X, rank, method="st_hosvd"),
        "lowrank_la tucker, hooi": lambda: ours(X, rank, method="hooi", change=1e-6),
        "pyttb hosvd": lambda: pyttb(theirs, ranks),
        "TensorLy tucker, random start, NumPy": lambda: tensorly(X, ranks, **random),
        "TensorLy tucker, random start, torch": lambda: tensorly(shared, ranks, "pytorch", **random),
    }
    rows = measured(X, contenders, repeats)
    aims = [
        aim("seconds", rows[0]["seconds"], most=most),
        aim("times as fast as the best peer", times_peer(rows, "lowrank_la tucker"), least=times),
    ]
    return problem(f"Tucker, {'×'.join(map(str, shape))} to rank {rank}, 10 % noise", rows, aims)


def to_error(X, tol, words, repeats, known=()):
    """Ranks and seconds for a relative error; no rank is to exceed that `known` of its mode."""
    import pyttb as peer

    theirs = peer.tensor(X)
    contenders = {
        "lowrank_la tucker": lambda: ours(X, tol=tol),
        "lowrank_la tucker, randomized": lambda: ours(X, tol=tol, method="randomized", rng=0),
        "pyttb hosvd": lambda: pyttb(theirs, tol=tol),
    }
    rows = measured(X, contenders, repeats, target=tol)
    aims = [aim("error over the tolerance", rows[0]["error"] / tol, most=1.0, words="{:.4f}")]
    for k, (found, most) in enumerate(zip(rows[0]["ranks"], known, strict=False)):
        aims.append(aim(f"rank of mode {k}", found, most=most, words="{:.0f}"))
    return problem(f"Tucker, {words}, to an error of {tol}", rows, aims)


def one_pass(quick, chosen):
    """Errors of the single-pass sketch over those of orthogonal iteration, and seconds of blocks."""
    n = 40 if quick else 60
    for name, X, words in (
        ("sketch_noise", low_rank((n,) * 3, 8, 0.05), f"{n}³ of rank 8 with 5 % noise"),
        ("sketch_superdiagonal", superdiagonal(n), f"superdiagonal 1/i, {n}³"),
    ):
        if not chosen(name):
            continue
        best, rows = true_error(X, ours(X, 8, method="hooi")), []
        for width in (17, 25, 33):
            runs = [
                harness.seconds(lambda width=width, X=X, seed=seed: lr.TuckerSketch(X.shape, 8, width=width, rng=seed)
                                .update(X).result())
                for seed in range(3 if quick else 10)
            ]  # fmt: skip
            error = math.sqrt(np.mean([true_error(X, found) ** 2 for found, _ in runs]))
            told = math.sqrt(np.mean([found.info.error**2 for found, _ in runs]))
            rows.append({"contender": f"lowrank_la TuckerSketch, width {width}", "ours": True, "error": error,
                         "accurate": True, "seconds": float(np.median([seconds for _, seconds in runs])),
                         "note": f"{error / best:.2f} times the best, told {told:.3e}"})  # fmt: skip
        yield name, problem(f"Tucker, single pass, {words}, rank 8", rows)
    if chosen("slabs"):
        X = low_rank((64,) * 3 if quick else (256,) * 3, 10, 0.1)
        found, seconds = harness.seconds(lambda: lr.tucker(lr.block_source(X), 10))
        row = {"contender": "lowrank_la tucker, slabs", "ours": True, "error": true_error(X, found), "accurate": True,
               "seconds": seconds, "note": f"{found.info.passes} reads"}  # fmt: skip
        aims = [aim("reads of the data", found.info.passes, most=4, words="{:.0f}")]
        yield "slabs", problem(f"Tucker of data in slabs, {X.shape[0]}³ to rank 10", [row], aims)


def others(quick, chosen, repeats):
    """Convolution weights and sparse tensors."""
    if chosen("convolution"):
        import tensorly as tl
        from tensorly.decomposition import partial_tucker

        n = 64 if quick else 256
        axes = np.ix_(*(np.linspace(0.0, 1.0, size) for size in (n, n, 3, 3)))
        W = 1.0 / (0.1 + sum(axes)) + np.random.default_rng(0).standard_normal((n, n, 3, 3))
        W = W.astype("float32")

        def theirs():
            with tl.backend_context("numpy", local_threadsafe=True):
                (core, factors), _ = partial_tucker(W, (n // 4, n // 4), modes=[0, 1])
                return core, [*factors, np.eye(3), np.eye(3)]

        def mine():
            first, middle, last = lr.decompose_conv(W, rank=n // 4).kernels
            return middle, [last[:, :, 0, 0], first[:, :, 0, 0].T, np.eye(3), np.eye(3)]

        contenders = {"lowrank_la decompose_conv": mine, "TensorLy partial_tucker": theirs}
        rows = measured(W, contenders, repeats)
        yield "convolution", problem(f"Convolution weights {n}×{n}×3×3 to {n // 4} channels", rows)
    if chosen("tucker_sparse"):
        import pyttb

        n, count, rank = (60, 5000, 4) if quick else (300, 200_000, 8)
        generator = np.random.default_rng(0)
        places = [np.minimum((n * generator.random(count) ** 3).astype(int), n - 1) for _ in range(3)]
        X = sp.coo_array((np.ones(count), tuple(places)), shape=(n, n, n))
        X.sum_duplicates()
        coords = np.stack(X.coords, axis=1)
        peer = pyttb.sptensor(coords, X.data[:, None].astype(float), X.shape)

        def theirs():
            found = pyttb.tucker_als(peer, rank, printitn=0)[0]
            return np.asarray(found.core.data), found.factor_matrices

        contenders = {"lowrank_la tucker": lambda: ours(X, rank), "pyttb tucker_als": theirs}
        rows = measured(X.toarray(), contenders, repeats)
        yield "tucker_sparse", problem(f"Tucker, sparse {n}³ with {X.nnz} entries to rank {rank}", rows)


def problems(quick=False, repeats=3, only=()):
    """``{name: problem}`` of all problems, or of those whose name contains one of the words `only`."""

    def chosen(name):
        return not only or any(word in name for word in only)

    third, fourth = (((100,) * 3, 8), ((40,) * 4, 5)) if quick else (((400,) * 3, 20), ((100,) * 4, 10))
    makers = {
        "ranks_order_3": lambda: to_ranks(*third, 0.35, 9.0, repeats),
        "ranks_order_4": lambda: to_ranks(*fourth, 0.30, 20.0, repeats),
        "error_noise": lambda: to_error(low_rank((60,) * 3, 8, 0.05), 0.05, "60³ of rank 8 with 5 % noise", repeats),
        "error_superdiagonal": lambda: to_error(superdiagonal(60), 0.1, "superdiagonal 1/i, 60³", repeats),
        "error_hilbert": lambda: to_error(hilbert(50 if quick else 100), 1e-6, "1/(i + j + k)", repeats),
    }
    for tol, known in () if quick else PINES.items():
        makers[f"error_pines_{tol}"] = lambda tol=tol, known=known: to_error(
            pines(), tol, "Indian Pines 145×145×200", repeats, known
        )
    found = {name: make() for name, make in makers.items() if chosen(name)}
    return found | dict(one_pass(quick, chosen)) | dict(others(quick, chosen, repeats))
