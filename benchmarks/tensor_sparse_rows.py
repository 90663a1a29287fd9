"""Sparse and incomplete tensors, other losses, diagnostics: ``python -m benchmarks.tensor_sparse_rows [--quick]``.

`problems` gives the rows to `bench_tensors`. Contenders alternate in one process; a contender counts when its error is
no worse than that of the best one by more than the share stated with its problem.
"""

import argparse
import logging
import math
import warnings

import numpy as np
import scipy.sparse as sp

import lowrank_la as lr
from benchmarks import harness, report

LOSSES = {
    "gaussian": "GAUSSIAN", "poisson": "POISSON", "poisson_log": "POISSON_LOG", "bernoulli": "BERNOULLI_ODDS",
    "bernoulli_logit": "BERNOULLI_LOGIT", "gamma": "GAMMA", "rayleigh": "RAYLEIGH", "huber": "HUBER",
    "negative_binomial": "NEGATIVE_BINOMIAL", "beta": "BETA",
}  # fmt: skip
PARAMETERS = {"huber": 0.25, "negative_binomial": 1.0, "beta": 0.5}


def model(factors):
    return np.einsum("ir,jr,kr->ijk", *factors)


def relative(truth, found):
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def coordinates(n, count, power, seed=0):
    """Places in an n×n×n cube, uniform or with indices that fall off like a power law."""
    generator = np.random.default_rng(seed)
    u = generator.random((count, 3))
    index = np.floor(n * u) if power is None else np.floor(n * u**power)
    return np.unique(index.astype(np.int64), axis=0)


def sparse_sweeps(n, count, rank, power):
    """Seconds of one sweep, from the difference of runs of few and of many sweeps on the same start."""
    import pyttb

    generator = np.random.default_rng(1)
    coords = coordinates(n, count, power)
    values = generator.random(coords.shape[0])
    factors = [generator.random((n, rank)) for _ in range(3)]
    X = sp.coo_array((values, tuple(coords.T)), shape=(n, n, n))
    theirs = pyttb.sptensor(coords, values[:, None], (n, n, n))

    def ours(sweeps):
        init = np.ones(rank), factors
        return lr.cp(X, rank, init=init, maxiter=sweeps, tol=0, accelerate=False, on_failure="warn").info.error

    def peer(sweeps):
        init = pyttb.ktensor([np.asfortranarray(factor) for factor in factors])
        found = pyttb.cp_als(theirs, rank, init=init, maxiters=sweeps, stoptol=0.0, printitn=0)[2]
        return 1.0 - float(found["fit"])

    return {
        "lowrank_la cp": (lambda: ours(1), lambda: ours(11), 10),
        "pyttb cp_als": (lambda: peer(1), lambda: peer(3), 2),
    }


def run_sweeps(title, contenders, repeats):
    errors = {name: few() for name, (few, _, _) in contenders.items()}
    runs = {}
    for name, (few, many, _) in contenders.items():
        runs[f"{name}, few"], runs[f"{name}, many"] = few, many
    timed = harness.alternate(runs, repeats)
    rows = []
    for name, (_, _, sweeps) in contenders.items():
        pairs = zip(timed[f"{name}, few"].times, timed[f"{name}, many"].times, strict=True)
        seconds = float(np.median([(many - few) / sweeps for few, many in pairs]))
        memory = harness.peak_extra_memory(contenders[name][0])
        rows.append(
            {"contender": name, "ours": "lowrank_la" in name, "seconds": seconds, "error": errors[name],
             "extra_megabytes": memory}
        )  # fmt: skip
    return finished(title, rows, 1e-9)


def finished(title, rows, share):
    """The rows with the ratio to the fastest accurate peer."""
    best = min((row["error"] for row in rows if math.isfinite(row["error"])), default=math.inf)
    for row in rows:
        row["accurate"] = math.isinf(share) or bool(row["error"] <= best + share * abs(best))
    peers = [row["seconds"] for row in rows if not row["ours"] and row["accurate"]]
    for row in rows:
        row["ratio_to_best_peer"] = row["seconds"] / min(peers) if peers else math.nan
    print(f"\n{title}")
    for row in rows:
        print(
            f"  {row['contender']:<46}{row['seconds']:>10.4f} s  error {row['error']:.6g}"
            f"{'' if row['accurate'] else '  not accurate'}  ratio {row['ratio_to_best_peer']:.3f}",
            flush=True,
        )
    return {"title": title, "rows": rows}


def run_plain(title, contenders, repeats, share):
    """Rows of contenders that each return an error."""
    errors, rows = {}, []
    for name, run in contenders.items():
        try:
            errors[name] = run()
        except Exception as failure:  # noqa: BLE001 - a peer that fails is a row of the report
            errors[name] = math.inf
            print(f"{name} failed: {type(failure).__name__}: {failure}")
    timed = harness.alternate({name: run for name, run in contenders.items() if errors[name] < math.inf}, repeats)
    for name, timing in timed.items():
        rows.append({"contender": name, "ours": "lowrank_la" in name, "seconds": timing.median, "error": errors[name]})
    return finished(title, rows, share)


def missing(quick, chosen):
    """Recovery from some of the entries: error against the whole tensor."""
    if not (chosen("missing_0.1") or chosen("missing_0.7")):
        return {}
    import tensorly
    from tensorly.decomposition import parafac

    generator, n, rank = np.random.default_rng(0), 30 if quick else 60, 4
    truth = model([generator.standard_normal((n, rank)) for _ in range(3)])
    X = truth + 0.01 * truth.std() * generator.standard_normal(truth.shape)
    found = {}
    for share in (0.1, 0.7):
        mask = np.random.default_rng(1).random(X.shape) < share
        holes = np.where(mask, X, np.nan)

        def ours(holes=holes, mask=mask):
            return relative(truth, lr.cp(holes, rank, mask=mask, rng=0, on_failure="warn").full())

        def tensorly_mask(mask=mask):
            init = np.where(mask, X, 0.0)
            cp = parafac(init, rank, mask=mask.astype(float), init="svd", n_iter_max=500, tol=1e-8, linesearch=False)
            return relative(truth, tensorly.cp_to_tensor(cp))

        found[f"missing_{share}"] = (
            f"{n}³, rank {rank}, {share:.0%} of the entries observed, 1 % noise",
            {"lowrank_la cp, mask": ours, "TensorLy parafac, mask": tensorly_mask},
            0.5,
        )
    return found


def losses(quick, chosen):
    """Each loss on data of its kind: mean loss that is reached."""
    import pyttb
    from pyttb.gcp.fg_setup import setup
    from pyttb.gcp.handles import Objectives
    from pyttb.gcp.optimizers import LBFGSB

    generator, n, rank = np.random.default_rng(0), 20 if quick else 50, 4
    mean = model([generator.uniform(0.2, 1.5, (n, rank)) for _ in range(3)])
    found = {}
    for name, theirs in LOSSES.items():
        if not chosen(f"gcp_{name}"):
            continue
        X = sample(name, mean, generator)
        parameter = PARAMETERS.get(name)
        handle = setup(Objectives[theirs], None, parameter)
        start = [generator.random((n, rank)) for _ in range(3)]

        def ours(X=X, name=name, parameter=parameter, start=start):
            result = lr.gcp(
                X, rank, loss=name, parameter=parameter, init=(np.ones(rank), start), on_failure="warn", maxiter=200
            )
            return result.info.loss

        def peer(X=X, handle=handle, start=start):
            init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
            tensor = pyttb.tensor(X)
            solver = LBFGSB(maxiter=200, iprint=-1)
            result, _, _ = pyttb.gcp_opt(tensor, rank, handle, solver, init=init, printitn=0)
            return float(np.mean(handle[0](X.ravel(order="F"), result.full().data.ravel(order="F"))))

        found[f"gcp_{name}"] = (
            f"gcp, {name}, {n}³, rank {rank}, at most 200 steps",
            {"lowrank_la gcp": ours, "pyttb gcp_opt L-BFGS-B": peer},
            1e-2,
        )
    return found


def sample(name, mean, generator):
    if name in ("bernoulli", "bernoulli_logit"):
        return (generator.random(mean.shape) < mean / (1 + mean)).astype(float)
    if name in ("poisson", "poisson_log", "negative_binomial"):
        return generator.poisson(mean).astype(float)
    if name in ("gamma", "rayleigh", "beta"):
        return mean * generator.gamma(5.0, 0.2, mean.shape)
    X = mean + 0.05 * generator.standard_normal(mean.shape)
    if name == "huber":
        X[generator.random(X.shape) < 0.02] += 20.0
    return X


def sampled(quick, chosen):
    """Zeros and ones, sparse: sampled gradients, mean loss over all entries."""
    if not chosen("gcp_sampled"):
        return {}
    import pyttb
    from pyttb.gcp.handles import Objectives
    from pyttb.gcp.optimizers import Adam
    from pyttb.gcp.samplers import GCPSampler, Samplers, StratifiedCount

    generator, n, rank = np.random.default_rng(0), 40 if quick else 60, 3
    odds = 0.02 * model([generator.uniform(0.1, 1.5, (n, rank)) for _ in range(3)])
    dense = (generator.random(odds.shape) < odds / (1 + odds)).astype(float)
    X = sp.coo_array(dense)
    start = [0.3 * generator.random((n, rank)) for _ in range(3)]

    def loss(M):
        return float(np.mean(np.log1p(M) - dense * np.log(M + 1e-10)))

    def ours(epochs):
        result = lr.gcp(X, rank, loss="bernoulli", init=(np.ones(rank), start), rng=0, maxiter=epochs)
        return loss(result.full())

    def peer(epochs):
        data = pyttb.tensor(dense).to_sptensor()
        count = StratifiedCount(1024, 1024)
        sampler = GCPSampler(data, gradient_sampler=Samplers.STRATIFIED, gradient_samples=count)
        solver = Adam(max_iters=epochs, epoch_iters=1000, printitn=0)
        init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
        result = pyttb.gcp_opt(data, rank, Objectives.BERNOULLI_ODDS, solver, init=init, sampler=sampler, printitn=0)[0]
        return loss(result.full().data)

    title = f"gcp, bernoulli, {n}³ with {X.nnz} ones, rank {rank}, 3 epochs of 1000 sampled steps"
    runs = {"lowrank_la gcp, adam": lambda: ours(3), "pyttb gcp_opt, Adam, stratified": lambda: peer(3)}
    return {"gcp_sampled": (title, runs, 2e-2)}


def diagnostics(quick, chosen):
    """Core consistency beside the least-squares core from the Kronecker product; the rank of overlapping spectra."""
    if not (chosen("core_consistency") or chosen("diagnostics")):
        return {}
    generator, rank = np.random.default_rng(0), 4
    shape = (20, 15, 10) if quick else (60, 40, 20)
    factors = [generator.standard_normal((n, rank)) for n in shape]
    X = model(factors) + 0.1 * generator.standard_normal(shape)
    result = lr.cp(X, rank, rng=0, on_failure="warn")
    spread = [np.asarray(factor) * np.asarray(result.weights) ** (1 / 3) for factor in result.factors]
    ideal = np.zeros((rank,) * 3)
    np.fill_diagonal(ideal, 1.0)

    def kronecker():
        big = np.kron(np.kron(spread[0], spread[1]), spread[2])
        core = np.linalg.lstsq(big, X.ravel(), rcond=None)[0].reshape(ideal.shape)
        return 100 * (1 - np.linalg.norm(core - ideal) ** 2 / rank)

    exact = kronecker()
    runs = {
        "lowrank_la core_consistency": lambda: abs(lr.core_consistency(X, result) - exact) / 100,
        "NumPy, Kronecker product and lstsq": lambda: abs(kronecker() - exact) / 100,
    }
    grid = np.linspace(0, 1, 40)[:, None]
    peaks = [np.exp(-(((grid - np.linspace(0.2, 0.8, 3)) / width) ** 2)) for width in (0.15, 0.2)]
    spectra = model([generator.uniform(0.2, 1.0, (16, 3)), *peaks])
    spectra = spectra + 0.01 * spectra.mean() * generator.standard_normal(spectra.shape)
    order = [2, 0, 3, 1]
    turned = np.asarray(result.weights)[order], [np.asarray(factor)[:, order] for factor in result.factors]
    figures = {
        "lowrank_la factor_match_score, permuted terms": lambda: 1.0 - lr.factor_match_score(result, turned),
        "lowrank_la congruence, diagonal": lambda: float(abs(np.diag(lr.congruence(result)) - 1).max()),
        "lowrank_la split_half at the true rank": lambda: 1.0 - float(
            lr.split_half(spectra, 3, splits=1, starts=2, rng=0).scores.mean()
        ),
        "lowrank_la suggest_rank up to 4, ranks off": lambda: float(
            abs(lr.suggest_rank(spectra, 4, splits=1, starts=2, rng=0).rank - 3)
        ),
    }  # fmt: skip
    return {
        "core_consistency": (f"core consistency, {'×'.join(map(str, shape))}, rank {rank}", runs, math.inf),
        "diagnostics": ("other figures, error from what they should be", figures, math.inf),
    }


def measured_data():
    """Relative errors on data that come with TensorLy."""
    from tensorly.datasets import load_covid19_serology, load_IL2data

    rows = []
    for name, load, mask in (
        ("COVID-19 serology 438×6×11", load_covid19_serology, None),
        ("IL-2 13×4×12×8, 3.8 % missing", load_IL2data, "finite"),
    ):
        X = np.asarray(load()["tensor"])
        for rank in (1, 2, 3, 4):
            result, seconds = harness.seconds(
                lambda X=X, rank=rank, mask=mask: lr.cp(X, rank, mask=mask, rng=0, maxiter=2000, on_failure="warn")
            )
            rows.append(
                {"contender": f"lowrank_la cp, {name}, rank {rank}", "ours": True, "seconds": seconds,
                 "error": result.info.error}
            )  # fmt: skip
    return {"title": "CP of measured data: relative error of the observed entries", "rows": rows}


def problems(quick=False, repeats=3, only=()):
    """``{name: {"title", "rows"}}`` of all problems, or of those whose name contains one of the words `only`."""

    def chosen(name):
        return not only or any(word in name for word in only)

    found = {}
    large, small = ((2000, 50_000, 16), (1000, 20_000, 16)) if quick else ((10_000, 10**6, 16), (3000, 2 * 10**5, 16))
    for name, (n, count, rank), power in (("sparse_sweep", large, None), ("sparse_power_law", small, 3.0)):
        if chosen(name):
            kind = "uniform places" if power is None else "power-law places"
            title = f"CP-ALS sweep, {n}³ sparse, {count:.0e} nonzeros, R={rank}, {kind}"
            found[name] = run_sweeps(title, sparse_sweeps(n, count, rank, power), repeats)
    for make in (missing, losses, sampled, diagnostics):
        for name, (title, runs, share) in make(quick, chosen).items():
            if chosen(name):
                found[name] = run_plain(title, runs, repeats, share)
    if chosen("measured_data"):
        found["measured_data"] = measured_data()
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tensor_sparse_rows", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    with harness.threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        payload = {"problems": problems(options.quick, options.repeats, options.only)}
    whole = not (options.quick or options.only)
    print("\nwrote", report.write_json("tensor_sparse" if whole else "tensor_sparse_partial", payload).name)


if __name__ == "__main__":
    main()
