"""Dense CP beside its peers: ``python -m benchmarks.bench_tensors --only cp``.

A sweep is timed inside of one call, from the end (or start) of the first sweep to that of the last one, with the same
start and number of sweeps for all; what the rest of a call takes is said in the row. Everybody reports an error each
sweep. TensorLy, on NumPy, is the plain alternating least squares that iterates are compared with.
"""

import math
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks import harness
from benchmarks.tensor_cp_contenders import (
    apart,
    collinear,
    dense,
    noisy,
    ours,
    pyttb,
    stamped,
    tensorly,
    terms,
    true_error,
)
from benchmarks.tensor_timing import LIMIT, aim, contest, problem, sweep_contest


def sweeps(shape, rank, count, most, repeats):
    """Seconds of a sweep, extra memory and distance from plain alternating least squares; `most` is the aim."""
    import pyttb as peer
    import torch

    X, start = noisy(shape, rank, 0.1), terms(shape, rank, 7)
    theirs, shared = stamped(peer.tensor, X), torch.from_numpy(X)
    contenders = {
        "lowrank_la cp": lambda each: ours(X, rank, start, maxiter=count, tol=0.0, accelerate=False, callback=each),
        "TensorLy parafac, NumPy": lambda each: tensorly(X, rank, start, count, each=each),
        "TensorLy parafac, torch": lambda each: tensorly(
            shared, rank, start, count, library=torch.from_numpy, each=each
        ),
        "pyttb cp_als": lambda each: pyttb(theirs, rank, start, count, each),
    }
    found, shares = sweep_contest(contenders, count, repeats)
    rows = []
    for name, one in found.items():
        error = math.inf if one.failure else apart(one.result, found["TensorLy parafac, NumPy"].result)
        note = one.failure or (
            f"error: distance from plain ALS; calls of {count} sweeps, {shares[name]:.0%} of them outside of sweeps"
        )
        rows.append(
            one.row(name, error=error, accurate=error <= 1e-8, note=note, extra_share=1e6 * one.megabytes / X.nbytes)
        )
    aims = [
        aim("seconds of a sweep", rows[0]["seconds"], most=most),
        aim("extra memory, share of the tensor", rows[0]["extra_share"], most=0.2),
        aim("distance from plain ALS", rows[0]["error"], most=1e-10, words="{:.1e}"),
    ]
    words = f"CP-ALS, a sweep, {'×'.join(map(str, shape))}, rank {rank}, float64"
    return problem(words, rows + limits(X, rank, repeats), aims)


def limits(X, rank, repeats):
    """What two products of NumPy take, and the rates of this machine for the N/(N - 1) products that a sweep needs."""
    split = (X.ndim + 1) // 2
    M = X.reshape(math.prod(X.shape[:split]), -1)
    right, left = np.ones((M.shape[1], rank)), np.ones((M.shape[0], rank))
    timed = harness.alternate({"first": lambda: M @ right, "second": lambda: left.T @ M}, repeats)
    rates, products = harness.machine_rates(), X.ndim / (X.ndim - 1)
    lines = {
        "two products of NumPy alone": timed["first"].median + timed["second"].median,
        f"{products:.3g} products at {rates['gemm_flops'] / 1e9:.1f} GFlop/s":
            2 * products * X.size * rank / rates["gemm_flops"],
        f"{products:.3g} reads at {rates['read_bytes'] / 1e9:.1f} GB/s": products * X.nbytes / rates["read_bytes"],
    }  # fmt: skip
    return [{"contender": LIMIT + name, "ours": False, "seconds": value} for name, value in lines.items()]


def tiny(repeats):
    """A tensor so small that what is not arithmetic counts, of terms that nobody has found within 150 sweeps."""
    import pyttb as peer
    import torch

    rank, count = 4, 150
    X, start = collinear(10, rank, 0.95), terms((10, 10, 10), rank, 7)
    theirs, shared = stamped(peer.tensor, X), torch.from_numpy(X)
    own = {"maxiter": count, "tol": 0.0}
    contenders = {
        "lowrank_la cp": lambda each: ours(X, rank, start, accelerate=False, callback=each, **own),
        "lowrank_la cp, extrapolated": lambda each: ours(X, rank, start, callback=each, **own),
        "TensorLy parafac, NumPy": lambda each: tensorly(X, rank, start, count, each=each),
        "TensorLy parafac, torch": lambda each: tensorly(
            shared, rank, start, count, library=torch.from_numpy, each=each
        ),
        "pyttb cp_als": lambda each: pyttb(theirs, rank, start, count, each),
    }
    found, shares = sweep_contest(contenders, count, max(25, repeats), budget=5.0)
    rows = []
    for name, one in found.items():
        note = one.failure or f"calls of {count} sweeps, {shares[name]:.0%} of them outside of sweeps"
        error = math.inf if one.failure else true_error(X, one.result)
        rows.append(one.row(name, error=error, accurate=not one.failure, note=note))
    aims = [aim(f"microseconds of a sweep, {row['contender']}", 1e6 * row["seconds"], most=80) for row in rows[:2]]
    return problem("CP-ALS, a sweep, 10×10×10, rank 4, congruence 0.95", rows, aims)


def swamp(quick):
    """Terms of congruence 0.95: seconds until the fit changes by less than 1e-9."""
    n, most = (30, 500) if quick else (50, 2500)
    X, start = collinear(n, 5, 0.95), terms((n, n, n), 5, 7)
    plain = "TensorLy parafac"
    found = contest(
        {
            "lowrank_la cp": lambda: ours(X, 5, start, tol=1e-9, maxiter=5000),
            "lowrank_la cp, without extrapolation": lambda: ours(
                X, 5, start, tol=1e-9, maxiter=5000, accelerate=False
            ),
            "lowrank_la cp, Gauss-Newton": lambda: ours(X, 5, start, tol=1e-9, method="gauss_newton"),
            plain: lambda: tensorly(X, 5, start, most, tol=1e-9, return_errors=True),
            f"{plain}, line search": lambda: tensorly(
                X, 5, start, most, tol=1e-9, linesearch=True, return_errors=True
            ),
        },
        budget=8.0,
    )  # fmt: skip
    rows = []
    for name, one in found.items():
        count = one.result.info.iterations if "lowrank_la" in name else len(one.result[1])
        arrived = one.result.info.converged if "lowrank_la" in name else count < most
        note = f"{count} sweeps or steps{'' if arrived else ', not arrived'}"
        rows.append(one.row(name, error=true_error(X, one.result), accurate=bool(arrived), note=note))
    by_name = {row["contender"]: row for row in rows}
    first, peer = by_name["lowrank_la cp"], by_name[plain]
    times = peer["seconds"] / first["seconds"] if first["error"] <= peer["error"] else math.nan
    aims = [aim("times as fast as TensorLy's plain sweeps, at no larger error", times, least=5.0)]
    return problem(f"CP, congruence 0.95, {n}³, rank 5, until the fit changes by less than 1e-9", rows, aims)


def fits(quick):
    """A large tensor with noise: seconds of whole calls until the error is within 1 % of that of the truth."""
    n, rank = (100, 5) if quick else (400, 20)
    X, rows, target = noisy((n, n, n), rank, 0.1), [], 1.01 * 0.1 / math.sqrt(1.01)
    reached = {}
    for seed in (7,) if quick else (7, 8):
        start = terms((n, n, n), rank, seed)

        def until(start=start, **options):
            return ours(X, rank, start, tol=0.0, maxiter=100, callback=lambda state: state.error <= target, **options)

        contenders = {
            "lowrank_la cp": until,
            "lowrank_la cp, without extrapolation": lambda until=until: until(accelerate=False),
            "lowrank_la cp, leverage": lambda start=start: ours(X, rank, start, method="leverage", rng=0),
            "lowrank_la cp, random": lambda start=start: ours(X, rank, start, method="random", rng=0),
        }
        if seed == 7:
            contenders["TensorLy parafac, NumPy"] = lambda start=start: tensorly(
                X, rank, start, 40, each=lambda _, error: bool(error <= target)
            )
        for name, one in contest(contenders, 1, 0.0).items():
            reached.setdefault(name, []).append((one, true_error(X, one.result)))
    for name, runs in reached.items():
        one, errors = runs[0][0], [error for _, error in runs]
        one.times = tuple(run.cold for run, _ in runs)
        note = f"{sum(error <= target for error in errors)} of {len(errors)} starts arrived"
        rows.append(one.row(name, error=max(errors), accurate=max(errors) <= target, note=note))
    seconds = {row["contender"].split(", ")[-1]: row["seconds"] for row in rows}
    exact = min(seconds[name] for name in ("lowrank_la cp", "without extrapolation"))
    sampled = next(row for row in rows if "leverage" in row["contender"])
    aims = [
        aim("times as fast as exact sweeps, of whoever is fastest", exact / sampled["seconds"], least=1.0),
        aim("error of sampled sweeps", sampled["error"], most=target, words="{:.4f}"),
    ]
    words = f"to an error of {target:.4f}, in at most 100 sweeps (TensorLy 40)"
    return problem(f"CP, {n}³, rank {rank}, 10 % noise, random starts, {words}", rows, aims)


def nonnegative(quick, repeats):
    """Non-negative terms with noise."""
    n = 40 if quick else 100
    factors = [np.abs(factor) for factor in terms((n, n, n), 8)]
    X = np.abs(dense(factors) * (1.0 + 0.05 * np.random.default_rng(2).standard_normal((n, n, n))))
    start = [np.abs(factor) for factor in terms((n, n, n), 8, 7)]
    found = contest(
        {
            "lowrank_la cp, nonneg": lambda: ours(X, 8, start, nonneg=True, tol=1e-6, maxiter=200),
            "TensorLy non_negative_parafac_hals": lambda: tensorly(
                X, 8, start, 200, tol=1e-6, function="non_negative_parafac_hals"
            ),
        },
        repeats,
    )
    errors = {name: true_error(X, one.result) for name, one in found.items()}
    least = min(errors.values())
    rows = [one.row(name, error=errors[name], accurate=errors[name] <= 1.05 * least) for name, one in found.items()]
    return problem(f"CP, non-negative, {n}³, rank 8", rows)


def reached(quick):
    """Starts from which Gauss-Newton steps end at a relative error of 1e-12."""
    X, count = collinear(50, 5, 0.95), 10 if quick else 100
    found, seconds = harness.seconds(lambda: [
        ours_from_seed(X, seed).info.error for seed in range(count)
    ])  # fmt: skip
    met = sum(error <= 1e-12 for error in found)
    row = {"contender": "lowrank_la cp, Gauss-Newton", "ours": True, "seconds": seconds / count,
           "error": float(np.median(found)), "note": f"{met} of {count} random starts arrived"}  # fmt: skip
    aims = [aim("share of the starts that arrive", met / count, least=0.95, words="{:.2f}")]
    return problem("CP, Gauss-Newton to a relative error of 1e-12, congruence 0.95, 50³, rank 5", [row], aims)


def ours_from_seed(X, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lr.cp(X, 5, method="gauss_newton", init="random", rng=seed, tol=1e-14)


def reported(_quick):
    """The error that is reported beside that of the dense model."""
    rows, worst = [], {"float64": 0.0, "float32": 0.0}
    for dtype, levels in (("float64", (0.0, 1e-14, 1e-12, 1e-8, 1e-4)), ("float32", (0.0, 1e-6, 1e-4, 1e-2))):
        for noise in levels:
            X = noisy((40, 40, 40), 3, max(noise, 1e-300)).astype(dtype)
            start = [factor.astype(dtype) for factor in terms((40, 40, 40), 3, 7)]
            result = ours(X, 3, start, maxiter=300, tol=1e-12)
            peer = tensorly(X, 3, start, 300, tol=1e-12, return_errors=True)
            truth = true_error(X, result)
            gap = abs(result.info.error - truth) / max(0.01 * truth, 8 * float(np.finfo(dtype).eps))
            worst[dtype] = max(worst[dtype], gap)
            rows += [
                {"contender": f"{who}, {dtype}, noise {noise:g}", "ours": who == "lowrank_la cp", "reported": said,
                 "error": known, "note": f"{said:.3e} reported"}
                for who, said, known in (("lowrank_la cp", result.info.error, truth),
                                         ("TensorLy parafac", float(peer[1][-1]), true_error(X, peer)))
            ]  # fmt: skip
    aims = [aim(f"largest gap, {dtype}, over 1 % or 8 eps", gap, most=1.0) for dtype, gap in worst.items()]
    return problem("CP, reported and true errors, 40³, rank 3", rows, aims)


def problems(quick=False, repeats=3, only=()):
    """``{name: problem}`` of all problems, or of those whose name contains one of the words `only`."""
    third, fourth = (((60,) * 3, 20), ((24,) * 4, 10)) if quick else (((400,) * 3, 20), ((100,) * 4, 10))
    makers = {
        "cp_sweep_order_3": lambda: sweeps(*third, 7, 0.12, repeats),
        "cp_sweep_order_4": lambda: sweeps(*fourth, 4, 0.13, repeats),
        "cp_sweep_tiny": lambda: tiny(repeats),
        "cp_swamp": lambda: swamp(quick),
        "cp_fit": lambda: fits(quick),
        "cp_nonneg": lambda: nonnegative(quick, repeats),
        "cp_gauss_newton": lambda: reached(quick),
        "cp_reported": lambda: reported(quick),
    }
    return {name: make() for name, make in makers.items() if not only or any(word in name for word in only)}
