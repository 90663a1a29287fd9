"""The sparse Walsh-Hadamard transform and its peers: ``python -m benchmarks.bench_sparse_wht [--quick]``.

Times leave out the function that is transformed (its calls are timed and subtracted) unless it is a stored vector. An
answer counts when its frequencies are those planted and its coefficients right to 1e-9; of values in single precision,
when it holds those above what counts as rounding there, ``eps**(2/3)`` of their root mean square, and is right to that.

a  n = 20, K = 32 beside the package ``sparse-transform``: the same function, the same bins, exact values
b  a stored vector against the library's own dense transform, K = N / 2000 and a tenth of that
c  K = 100,000, n = 40: two stored vectors of 20 bits, one of them read behind exclusive ors of the bits
d  how often an answer is right and has its certificate, with known sparsity, and the values it takes
"""

import argparse
import time
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report

TITLES = {
    "a": "n = 20, 32 coefficients: the same function, exact values",
    "b": "a stored vector, beside the dense transform of the library",
    "c": "100,000 coefficients of a function of 40 bits",
    "d": "known sparsity, how often it is right",
}
RIGHT = 1e-9


def planted(n, count, seed=0, *, signs=False):
    """Different frequencies, and normal coefficients or signs."""
    generator = np.random.default_rng(seed)
    rows = np.unique(generator.integers(0, 2, (count, n), dtype=np.uint8), axis=0)
    values = generator.standard_normal(rows.shape[0])
    return rows, np.sign(values) if signs else values


def numbers(bits):
    """Rows of bits as integers, the first bit most significant."""
    n = bits.shape[1]
    padded = np.zeros((bits.shape[0], 32), np.uint8)
    padded[:, 32 - n :] = bits
    return np.packbits(padded, axis=1).view(">u4")[:, 0].astype(np.int64)


def stored(rows, values):
    X = np.zeros(1 << rows.shape[1])
    X[numbers(rows)] = values
    return lr.fwht(X)


class Clocked:
    """A function that adds up the time spent in it."""

    def __init__(self, f):
        self.f, self.seconds = f, 0.0

    def __call__(self, bits):
        start = time.perf_counter()
        values = self.f(bits)
        self.seconds += time.perf_counter() - start
        return values


def is_right(result, rows, values, least=0.0):
    """Whether an answer has all that is larger than `least`, right to that or `RIGHT`, and nothing else."""
    planted = dict(zip(map(bytes, rows), values, strict=True))
    expected = [planted.pop(bytes(row), None) for row in result.indices]
    if None in expected or max(map(abs, planted.values()), default=0.0) > least:
        return False
    return bool(np.max(np.abs(result.coefficients - np.array(expected))) <= max(least, RIGHT * np.max(np.abs(values))))


def clocked(f, run, repeats):
    """Median seconds of ``run(f)`` without those of `f`, and the last answer."""
    run(f)
    times = []
    for seed in range(repeats):
        f.seconds = 0.0
        start = time.perf_counter()
        result = run(f, seed)
        times.append(time.perf_counter() - start - f.seconds)
    return float(np.median(times)), result


def peer(n, bits):
    """The package's sampling and transform, three random groups with the unit vectors as offsets."""
    from sparse_transform.qsft.qsft import transform
    from sparse_transform.qsft.signals.input_signal_subsampled import SubsampledSignal

    arguments = {
        "num_subsample": 3, "num_repeat": 1, "b": bits, "all_bs": [bits], "subsampling_method": "qsft",
        "query_method": "complex",
        "delays_method_source": "identity", "delays_method_channel": "identity",
    }  # fmt: skip

    def run(f, seed=0):
        np.random.seed(seed)
        signal = SubsampledSignal(
            func=lambda points: f(np.asarray(points, np.uint8)), n=n, q=2, noise_sd=0.0, query_args=dict(arguments)
        )
        return transform(
            signal, reconstruct_method_source="identity", reconstruct_method_channel="identity",
            b=bits, num_subsample=3, num_repeat=1, noise_sd=0.0,
        )  # fmt: skip

    return run


def against_the_package(repeats):
    n, count = 20, 32
    rows, values = planted(n, count, 1)
    x = stored(rows, values)
    f = Clocked(lambda bits: x[numbers(bits)])
    ours, result = clocked(f, lambda f, seed=0: lr.sparse_wht(f, n, count, rng=seed), repeats)
    found = [{"problem": "a", "what": "lowrank_la", "seconds": ours, "right": is_right(result, rows, values)}]
    try:
        theirs, answer = clocked(f, peer(n, 5), max(repeats // 10, 3))
    except (ImportError, TypeError, ValueError, AttributeError) as error:
        print(f"sparse-transform did not run: {type(error).__name__}: {error}")
        return found
    got = {tuple(int(b) for b in key): complex(value).real for key, value in answer.items()}
    right = sum(abs(got.get(tuple(row.tolist()), 0.0) - value) < 1e-6 for row, value in zip(rows, values, strict=True))
    found.append({"problem": "a", "what": "sparse-transform", "seconds": theirs, "right": f"{right} of {len(rows)}"})
    found[0]["ratio"] = theirs / ours
    return found


def against_the_dense_transform(repeats):
    found = []
    for n in (20, 22):
        for count in ((1 << n) // 20_000, (1 << n) // 2000):
            for dtype in (np.float64, np.float32):
                rows, values = planted(n, count, 2)
                x, ours, dense = stored(rows, values).astype(dtype), [], []
                for seed in range(repeats):
                    start = time.perf_counter()
                    result = lr.sparse_wht(x, n, count, rng=seed)
                    middle = time.perf_counter()
                    lr.fwht(x)
                    ours.append(middle - start)
                    dense.append(time.perf_counter() - middle)
                a, b = float(np.median(ours[1:])), float(np.median(dense[1:]))
                rounding = np.finfo(np.float32).eps ** (2 / 3) * float(np.linalg.norm(values))
                right = is_right(result, rows, values, rounding if dtype == np.float32 else 0.0)
                name = f"n = {n}, K = {count}, {dtype.__name__}"
                found.append({"problem": "b", "what": name, "seconds": a, "dense": b, "ratio": b / a, "right": right})
    return found


def large(repeats):
    """Half of the coefficients on the first 20 bits, half on frequencies (k, k), which read both halves xored."""
    parts = [planted(20, 50_000, seed) for seed in (3, 4)]
    x, y = (stored(*part) for part in parts)

    def f(bits):
        first, second = numbers(bits[:, :20]), numbers(bits[:, 20:])
        return x[first] + y[first ^ second]

    count = sum(len(rows) for rows, _ in parts)
    clock = Clocked(f)
    seconds, result = clocked(clock, lambda f, seed=0: lr.sparse_wht(f, 40, count, rng=seed), repeats)
    first, second = (np.concatenate([rows, rows * part], axis=1) for part, (rows, _) in enumerate(parts))
    rows, values = np.concatenate([first, second]), np.concatenate([parts[0][1], parts[1][1]])
    zero = ~rows.any(axis=1)
    order = np.lexsort(rows.T[::-1])
    right = is_right(result, rows[order], values[order]) if zero.sum() < 2 else None
    return [
        {
            "problem": "c", "what": f"n = 40, K = {count}", "seconds": seconds, "right": right,
            "samples": result.info.samples, "certificate": result.info.certificate, "oracle": clock.seconds,
        }
    ]  # fmt: skip


def successes(settings):
    found = []
    for n, count, tries in settings:
        rows, values = planted(n, count, 5)
        x = stored(rows, values)
        right, certificates, costs, again = 0, 0, [], 0
        for seed in range(tries):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", lr.ConvergenceWarning)
                result = lr.sparse_wht(x, n, count, rng=seed)
            right += is_right(result, rows, values)
            certificates += result.info.certificate
            again += result.info.iterations > 1
            costs.append(result.info.samples / (count * (n + 3)))
        found.append(
            {
                "problem": "d", "what": f"n = {n}, K = {count}", "right": right / tries, "tries": tries,
                "certificates": certificates / tries, "retried": again / tries,
                "values_over_least": float(np.mean(costs)),
                "most_over_least": float(np.max(costs)),
            }
        )  # fmt: skip
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--problems", default="a,b,c,d")
    options = parser.parse_args(arguments)
    quick = options.quick
    settings = [(20, 64, 200), (20, 107, 200), (20, 1000, 50), (22, 10_000, 20), (24, 100_000, 5)]
    runs = {
        "a": lambda: against_the_package(50 if quick else 300),
        "b": lambda: against_the_dense_transform(11 if quick else 31),
        "c": lambda: large(1 if quick else 3),
        "d": lambda: successes([(n, k, max(tries // 10, 2)) for n, k, tries in settings] if quick else settings),
    }
    payload = {"problems": {}}
    with harness.threads():
        for name in options.problems.split(","):
            rows = [_record(row) for row in runs[name]()]
            payload["problems"][name] = {"title": TITLES[name], "rows": rows, "ordered": True}
            for row in rows:
                print(
                    "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()),
                    flush=True,
                )
    whole = set(payload["problems"]) == set(runs) and not quick
    print("wrote", report.write_json("sparse_wht" if whole else "sparse_wht_partial", payload).name)


def _record(row):
    """A row of the report: what was timed, and the figures it has."""
    figures = {key: value for key, value in row.items() if key not in ("problem", "what")}
    figures["right"] = f"{figures['right']:.0%}" if isinstance(figures["right"], float) else str(figures["right"])
    return {"contender": row["what"], "ours": row["what"] != "sparse-transform", **figures}


if __name__ == "__main__":
    main()
