"""Ratings of MovieLens-100k: ``python -m benchmarks.bench_ratings [--wheel recbole-….whl]``.

The data may not be passed on, so they are read from a copy that the user has: an installed recbole, which bundles them,
or its wheel (`pip download --no-deps recbole`). Five folds of a random permutation (seed 0). λ is chosen on a tenth of
the training part of the first fold; errors are of predictions clipped to 1…5, the root mean square over each fold.
"""

import argparse
import importlib.util
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

import lowrank_la as lr
from benchmarks import harness, report

INSIDE = "dataset_example/ml-100k/ml-100k.inter"
SHAPE = (943, 1682)
FOLDS, RANK = 5, 20
TITLE = "MovieLens-100k, five folds of a random permutation, biases and factors; seconds of one fold"
PENALTIES = (5.0, 8.0, 12.0, 20.0)


@dataclass(frozen=True)
class Ratings:
    """Users, films and stars."""

    users: np.ndarray
    films: np.ndarray
    stars: np.ndarray

    def __getitem__(self, places):
        return Ratings(self.users[places], self.films[places], self.stars[places])

    def __len__(self):
        return len(self.stars)

    def error(self, predict):
        found = np.clip(predict(self.users, self.films), 1.0, 5.0)
        return float(np.sqrt(np.mean((found - self.stars) ** 2)))


def ratings(wheel):
    """All of them, from the wheel or the installed package."""
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(f"recbole/{INSIDE}").decode()
    else:
        spec = importlib.util.find_spec("recbole")
        if spec is None:
            raise SystemExit("recbole is not installed; pass its wheel: --wheel recbole-….whl")
        text = (Path(spec.origin).parent / INSIDE).read_text(encoding="utf-8")
    table = np.array([line.split("\t")[:3] for line in text.splitlines()[1:]], dtype=float)
    users, films = (table[:, column].astype(np.int64) - 1 for column in (0, 1))
    return Ratings(users, films, table[:, 2])


def ours(train, penalty, rank=RANK, **options):
    """`predict` of a completion with biases."""
    triple = (train.users, train.films, train.stars)
    return lr.complete(
        triple, rank, shape=SHAPE, bias=True, regularization=penalty, holdout=0, tol=1e-4, rng=0, **options
    ).predict


def by_cmfrec(train, penalty):
    """`predict` of the peer with the same model: its penalty of the sum of squares is the same."""
    import cmfrec

    model = cmfrec.CMF(
        k=RANK, lambda_=penalty, method="als", use_cg=False, user_bias=True, item_bias=True, center=True, niter=20,
        nthreads=harness.THREADS, verbose=False, use_float=False,
    )  # fmt: skip
    model.fit(scipy.sparse.coo_matrix((train.stars, (train.users, train.films)), shape=SHAPE))
    return model.predict


def chosen(fit, train, generator):
    """The penalty with the least error on a tenth of `train`."""
    order = generator.permutation(len(train))
    kept, fitted = train[order[: len(train) // 10]], train[order[len(train) // 10 :]]
    return min(PENALTIES, key=lambda penalty: kept.error(fit(fitted, penalty)))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_ratings", description=__doc__)
    parser.add_argument("--wheel", help="path of a wheel of recbole; an installed one otherwise")
    options = parser.parse_args(arguments)
    data, generator = ratings(options.wheel), np.random.default_rng(0)
    folds = np.array_split(generator.permutation(len(data)), FOLDS)
    parts = [(data[np.concatenate(folds[:f] + folds[f + 1 :])], data[folds[f]]) for f in range(FOLDS)]
    rows = []
    with harness.threads():
        for name, fit in (("lowrank_la", ours), ("cmfrec", by_cmfrec)):
            penalty = chosen(fit, parts[0][0], np.random.default_rng(1))
            errors, seconds = [], []
            for train, test in parts:
                start = time.perf_counter()
                predict = fit(train, penalty)
                seconds.append(time.perf_counter() - start)
                errors.append(test.error(predict))
            rows.append(
                {
                    "contender": name, "ours": name == "lowrank_la", "setting": f"rank {RANK}, λ = {penalty:g}",
                    "rmse": float(np.mean(errors)), "folds": errors, "seconds": float(np.median(seconds)),
                }
            )  # fmt: skip
            print(
                f"{name:<12} rank {RANK}, λ {penalty:g}: RMSE {np.mean(errors):.4f} ({min(errors):.4f} to "
                f"{max(errors):.4f}), {np.median(seconds):.2f} s a fold",
                flush=True,
            )
    print("wrote", report.write_json("ratings", {"problems": {"ratings": {"title": TITLE, "rows": rows}}}).name)


if __name__ == "__main__":
    main()
