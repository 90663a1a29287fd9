"""Tucker decompositions beside their peers: ``python -m benchmarks.tensor_tucker_rows [--quick] [--only words]``.

`problems` gives the rows to `bench_tensors`. Contenders alternate in one process; one counts as accurate when its error
is within 0.2 % of the least one, or for a tolerance when it is met.
"""

import argparse
import math
import warnings

import numpy as np
import scipy.sparse as sp

import lowrank_la as lr
from benchmarks import harness, report

SKETCHED = {"svd": "randomized_svd", "init": "random", "random_state": 0}


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


def measured(title, X, contenders, repeats, *, target=None, share=2e-3):
    """Seconds, extra memory and true error of all contenders, with the ratio to the fastest accurate peer."""
    results = {name: run() for name, run in contenders.items()}
    errors = {name: true_error(X, found) for name, found in results.items()}
    timed = harness.alternate(contenders, repeats, budget=20.0)
    limit = min(errors.values()) * (1 + share) + 1e-13 if target is None else target
    rows = [
        {"contender": name, "ours": name.startswith("lowrank_la"), "error": errors[name],
         "accurate": errors[name] <= limit, "seconds": timed[name].median, "seconds_fastest": timed[name].fastest,
         "extra_share": 1e6 * harness.peak_extra_memory(run) / X.nbytes,
         "note": f"ranks {tuple(int(r) for r in np.shape(results[name][0]))}"}
        for name, run in contenders.items()
    ]  # fmt: skip
    return printed(title, rows)


def printed(title, rows):
    peers = [row["seconds"] for row in rows if not row["ours"] and row["accurate"]]
    print(f"\n{title}")
    for row in rows:
        row["ratio_to_best_peer"] = row["seconds"] / min(peers) if peers else math.nan
        extra = f"  extra memory {row['extra_share']:.0%}" if "extra_share" in row else ""
        print(f"  {row['contender']:<44}{row['seconds']:>9.4f} s  error {row['error']:.3e}"
              f"{'' if row['accurate'] else '  not accurate'}  ratio {row['ratio_to_best_peer']:.3f}{extra}"
              f"  {row.get('note', '')}", flush=True)  # fmt: skip
    return {"title": title, "rows": rows}


def to_ranks(quick, chosen, repeats):
    """Large tensors to thin ranks."""
    import pyttb as peer
    import torch

    sizes = {"ranks_order_3": ((100,) * 3, 8), "ranks_order_4": ((40,) * 4, 5)}
    sizes = sizes if quick else {"ranks_order_3": ((400,) * 3, 20), "ranks_order_4": ((100,) * 4, 10)}
    for name, (shape, rank) in sizes.items():
        if not chosen(name):
            continue
        X = low_rank(shape, rank, 0.1)
        theirs = peer.tensor(X, copy=False)
        contenders = {
            "lowrank_la tucker": lambda X=X, rank=rank: ours(X, rank, rng=0),
            "lowrank_la tucker, st_hosvd": lambda X=X, rank=rank: ours(X, rank, method="st_hosvd"),
            "lowrank_la tucker, hooi": lambda X=X, rank=rank: ours(X, rank, method="hooi", change=1e-6),
            "pyttb hosvd": lambda X=theirs, shape=shape, rank=rank: pyttb(X, (rank,) * len(shape)),
            "TensorLy tucker, random start, torch": lambda X=X, rank=rank, shape=shape: tensorly(
                torch.from_numpy(X), (rank,) * len(shape), "pytorch", n_iter_max=2, **SKETCHED
            ),
        }
        if quick:
            contenders["TensorLy tucker"] = lambda X=X, rank=rank, shape=shape: tensorly(X, (rank,) * len(shape))
        yield name, measured(f"Tucker, {'×'.join(map(str, shape))} to rank {rank}, 10 % noise", X, contenders, repeats)


def to_error(quick, chosen, repeats):
    """Ranks and seconds for a relative error."""
    import pyttb as peer

    cases = {
        "error_noise": (low_rank((60,) * 3, 8, 0.05), 0.05, "60³ of rank 8 with 5 % noise"),
        "error_superdiagonal": (superdiagonal(60), 0.1, "superdiagonal 1/i, 60³"),
        "error_hilbert": (hilbert(50 if quick else 100), 1e-6, "1/(i + j + k)"),
    }
    if not quick:
        cases |= {f"error_pines_{tol}": (pines(), tol, "Indian Pines 145×145×200") for tol in (0.1, 0.05, 0.01)}
    for name, (X, tol, words) in cases.items():
        if chosen(name):
            theirs = peer.tensor(X)
            contenders = {
                "lowrank_la tucker": lambda X=X, tol=tol: ours(X, tol=tol),
                "lowrank_la tucker, randomized": lambda X=X, tol=tol: ours(X, tol=tol, method="randomized", rng=0),
                "pyttb hosvd": lambda X=theirs, tol=tol: pyttb(X, tol=tol),
            }
            yield name, measured(f"Tucker, {words}, to an error of {tol}", X, contenders, repeats, target=tol)


def one_pass(quick, chosen, _repeats):
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
        yield name, printed(f"single pass, {words}, rank 8", rows)
    if chosen("slabs"):
        X = low_rank((64,) * 3 if quick else (256,) * 3, 10, 0.1)
        found, seconds = harness.seconds(lambda: lr.tucker(lr.block_source(X), 10))
        row = {"contender": "lowrank_la tucker, slabs", "ours": True, "error": true_error(X, found), "accurate": True,
               "seconds": seconds, "note": f"{found.info.passes} reads"}  # fmt: skip
        yield "slabs", printed(f"Tucker of data in slabs, {X.shape[0]}³ to rank 10", [row])


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
        yield "convolution", measured(f"convolution {n}×{n}×3×3 to {n // 4} channels", W, contenders, repeats)
    if chosen("sparse"):
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
        dense = X.toarray()
        yield "sparse", measured(f"sparse {n}³ with {X.nnz} entries to rank {rank}", dense, contenders, repeats)


def problems(quick=False, repeats=3, only=()):
    """``{name: {"title", "rows"}}`` of all problems, or of those whose name contains one of the words `only`."""

    def chosen(name):
        return not only or any(word in name for word in only)

    makers = (to_ranks, to_error, one_pass, others)
    return {name: problem for make in makers for name, problem in make(quick, chosen, repeats)}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tensor_tucker_rows", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    with harness.threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        payload = {"problems": problems(options.quick, options.repeats, options.only)}
    whole = not (options.quick or options.only)
    print("\nwrote", report.write_json("tensor_tucker" if whole else "tensor_tucker_partial", payload).name)


if __name__ == "__main__":
    main()
