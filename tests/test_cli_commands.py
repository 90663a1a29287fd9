"""The other commands give what the functions give, in the same options and files."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from typer.testing import CliRunner

import lowrank_la as lr
from lowrank_la import cli, testing


@pytest.fixture(autouse=True)
def inside_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def report(capsys):
    """Run a command with ``--json`` and return what it prints."""

    def call(*arguments):
        status = cli.main([*(str(argument) for argument in arguments), "--json"])
        captured = capsys.readouterr()
        assert (status, captured.err) == (0, "")
        return json.loads(captured.out)

    return call


@pytest.fixture
def A():
    A = testing.matrix(60, 16, 2.0 ** -np.arange(16.0), rng=2) + 3.0
    np.save("a.npy", A)
    return A


def test_pca_gives_variances_and_their_shares(A, report):
    found = report("pca", "a.npy", "--rank", 4, "-o", "out.npz")
    centred = A - A.mean(axis=0)
    squares = np.linalg.svd(centred)[1] ** 2
    np.testing.assert_allclose(found["variances"], squares[:4] / 59, rtol=1e-6)
    np.testing.assert_allclose(found["shares"], squares[:4] / squares.sum(), rtol=1e-6)
    np.testing.assert_allclose(lr.load("out.npz").mean, A.mean(axis=0))


def test_complete_fills_what_is_missing(report):
    truth = testing.matrix(50, 30, np.asarray([3.0, 2.0]), rng=1)
    holes = np.where(np.random.default_rng(0).random(truth.shape) < 0.4, np.nan, truth)
    np.save("holes.npy", holes)
    found = report("complete", "holes.npy", "--rank", 2, "--fill", "full.npy", "-o", "factors.npz")
    full = np.load("full.npy")
    np.testing.assert_allclose(full, truth, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(full[~np.isnan(holes)], holes[~np.isnan(holes)])
    assert found["converged"]
    assert lr.load("factors.npz").U.shape == (50, 2)


def test_complete_takes_the_stored_entries_of_a_sparse_file(report):
    truth = testing.matrix(50, 30, np.asarray([3.0, 2.0]), rng=1)
    known = np.random.default_rng(0).random(truth.shape) < 0.6
    scipy.io.mmwrite("ratings.mtx", scipy.sparse.coo_array(np.where(known, truth, 0.0)))
    report("complete", "ratings.mtx", "--rank", 2, "--fill", "full.npy")
    np.testing.assert_allclose(np.load("full.npy"), truth, rtol=0, atol=1e-4)


def test_rpca_takes_out_the_errors(report):
    truth = testing.matrix(60, 50, np.asarray([5.0, 4.0]), rng=1)
    wrong = np.random.default_rng(1).random(truth.shape) < 0.05
    np.save("m.npy", truth + 9.0 * wrong)
    found = report("rpca", "m.npy", "--rank", 2, "--fill", "clean.npy", "-o", "parts.npz")
    assert found["outliers"] == lr.load("parts.npz").S.nnz >= wrong.sum()
    np.testing.assert_allclose(np.load("clean.npy"), truth, rtol=0, atol=1e-5)
    assert lr.load("parts.npz").S.shape == truth.shape
    assert report("info", "parts.npz")["parts"]["S"] == [60, 50]


def test_sample_gives_rows_and_weights(A, report):
    found = report("sample", "a.npy", "--size", 20, "--seed", 3, "-o", "rows.npz")
    expected = lr.sample_rows(A, 20, rng=3)
    np.testing.assert_array_equal(found["indices"], expected.indices)
    np.testing.assert_allclose(found["weights"], expected.weights)
    np.testing.assert_array_equal(lr.load("rows.npz").indices, expected.indices)
    pivots = report("sample", "a.npy", "--size", 5, "--by", "pivots")
    assert len(set(pivots["indices"])) == 5


def test_wht_writes_the_transform(A, report):
    report("wht", "a.npy", "-o", "t.npy", "--order", "sequency", "--ortho")
    np.testing.assert_array_equal(np.load("t.npy"), lr.fwht(A, order="sequency", norm="ortho"))


def test_info_tells_a_result_from_a_matrix(A, report, capsys):
    lr.svd(A, 3, rng=5).save("result.npz")
    found = report("info", "result.npz")
    assert (found["result"], found["rng"]) == ("SVDResult", 5)
    assert found["parts"] == {"U": [60, 3], "s": [3], "Vh": [3, 16]}
    assert cli.main(["info", "result.npz"]) == 0
    assert "seed       5" in capsys.readouterr().out
    A[0, 0] = np.nan
    np.save("a.npy", A)
    found = report("info", "a.npy")
    assert (found["matrix"], found["shape"], found["missing"]) == ("dense", [60, 16], 1)
    assert found["least_magnitude"] == np.nanmin(np.abs(A))
    assert found["frobenius_norm"] == pytest.approx(np.sqrt(np.nansum(A**2)))


def test_text_answers_hold_the_same_figures(A, capsys):
    assert cli.main(["pca", "a.npy", "--rank", "2"]) == 0
    text = capsys.readouterr().out
    assert "60 × 16" in text
    assert "(exact)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pca", "a.npy"], "give --rank K or --tol T"),
        (["tucker", "a.npy"], "give --ranks R,R,R or --tol T"),
        (["complete", "a.npy", "--rank", "2", "--fill", "full.csv"], "full.csv: what is written here is an .npy file"),
        (["wht", "a.npy", "-o", "t.npz"], "t.npz: what is written here is an .npy file"),
        (["complete", "none.npy", "--rank", "2"], "no such file"),
        (["sample", "a.npy", "--size", "2", "--by", "luck"], "must be leverage or pivots, got 'luck'"),
        (["rpca", "a.npy", "--rank", "99"], "rank must be at most"),
        (["wht", "a.npy", "-o", "missing/t.npy"], "there is no folder missing"),
        (["info", "none.npz"], "no such file"),
        (["svdd"], "svdd"),
    ],
)
def test_failures_are_one_line_and_status_two(A, arguments, message, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("command", ["svd", "pca", "complete", "rpca", "cp", "tucker", "sample", "wht", "info"])
def test_every_command_teaches_with_an_example(command):
    text = CliRunner().invoke(cli.app, [command, "--help"]).stdout
    assert "--json" in text
    assert f"Example: lowrank-la {command}" in " ".join(text.split())


def test_the_shell_completes_the_commands():
    request = {"_LOWRANK_LA_COMPLETE": "complete_bash", "COMP_WORDS": "lowrank-la c", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lowrank_la"], capture_output=True, text=True, check=False, env=os.environ | request
    )
    assert set(done.stdout.split()) == {"complete", "cp"}


def test_the_list_of_commands_is_in_order_and_whole():
    text = CliRunner().invoke(cli.app, ["--help"]).stdout.partition("Commands:")[2]
    names = ["svd", "pca", "complete", "rpca", "cp", "tucker", "sample", "wht", "info"]
    assert [line.split()[0] for line in text.strip().splitlines()] == names
    assert "..." not in text


@pytest.fixture
def cube():
    generator = np.random.default_rng(0)
    factors = [np.linalg.qr(generator.standard_normal((n, 2)))[0] for n in (12, 10, 8)]
    X = np.einsum("ir,jr,kr,r->ijk", *factors, np.asarray([3.0, 2.0]))
    np.save("cube.npy", X)
    return X


def test_cp_writes_weights_and_factors(cube, report):
    found = report("cp", "cube.npy", "--rank", 2, "-o", "terms.npz")
    np.testing.assert_allclose(found["weights"], [3.0, 2.0], rtol=1e-6)
    assert found["error"] < 1e-6
    np.testing.assert_allclose(lr.load("terms.npz").full(), cube, rtol=0, atol=1e-6)


def test_cp_leaves_out_what_is_missing(cube, report):
    np.save("holes.npy", np.where(np.random.default_rng(1).random(cube.shape) < 0.3, np.nan, cube))
    report("cp", "holes.npy", "--rank", 2, "-o", "terms.npz")
    np.testing.assert_allclose(lr.load("terms.npz").full(), cube, rtol=0, atol=1e-4)


@pytest.mark.parametrize("arguments", [("--ranks", "2"), ("--ranks", "2,2,2"), ("--tol", "1e-6")])
def test_tucker_takes_ranks_or_a_tolerance(cube, report, arguments):
    found = report("tucker", "cube.npy", *arguments, "-o", "small.npz")
    assert found["ranks"] == [2, 2, 2]
    assert found["compression"] == pytest.approx(960 / (8 + 60))
    np.testing.assert_allclose(lr.load("small.npz").full(), cube, rtol=0, atol=1e-10)


@pytest.mark.parametrize("ranks", ["2,2", "two"])
def test_ranks_that_do_not_fit_are_named(cube, ranks, capsys):
    assert cli.main(["tucker", "cube.npy", "--ranks", ranks]) == 2
    assert "--ranks must be" in capsys.readouterr().err
