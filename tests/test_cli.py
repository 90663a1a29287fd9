"""The command answers with factors and figures, or with one clear line and status 2."""

import gzip
import json
import os
import re
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import io, sparse

import lowrank_la as lr
from lowrank_la import cli

SHAPE = (40, 25)


@pytest.fixture
def A():
    return lr.testing.matrix(*SHAPE, 2.0 ** -np.arange(SHAPE[1]), rng=1)


@pytest.fixture
def file(A, tmp_path):
    np.save(tmp_path / "a.npy", A)
    return tmp_path / "a.npy"


@pytest.fixture(autouse=True)
def inside_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def run(capsys):
    """Run the command in this process; returns status, stdout and stderr."""

    def call(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def report(run):
    """Run the command with ``--json`` and return the object that it prints."""

    def call(*arguments):
        status, out, err = run("svd", *arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture
def failure(run):
    """Run the command, check that it fails as promised and return the message."""

    def call(*arguments):
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert err.count("\n") == 1
        prefix = "lowrank-la: error: "
        assert err.startswith(prefix)
        return err.removeprefix(prefix).strip()

    return call


def test_the_main_job_reports_and_writes_factors_that_approximate_the_photograph(run):
    status, out, err = run("svd")
    assert (status, err) == (0, "")
    for name in ("rank             40", "singular values", "relative error", "true error", "dense LAPACK"):
        assert name in out
    result = lr.load("photograph-svd.npz")
    photograph = lr.datasets.photograph()
    missed = np.linalg.norm(photograph - (result.U * result.s) @ result.Vh) / np.linalg.norm(photograph)
    best = np.linalg.svd(photograph, compute_uv=False)
    assert missed <= 1.0001 * np.linalg.norm(best[40:]) / np.linalg.norm(best)
    assert os.path.exists("photograph-svd.png") == (find_spec("matplotlib") is not None)


def test_the_main_job_in_json_holds_the_true_error_and_the_time_of_lapack(report):
    found = report("--no-picture")
    assert found["rank"] == 40
    assert 0.5 < found["error"] / found["true_error"] < 2
    assert found["lapack_seconds"] > 0
    assert found["seconds"] > 0
    assert not os.path.exists("photograph-svd.png")


def test_a_rank_gives_that_many_leading_triplets(A, file, report, tmp_path):
    found = report(file, "--rank", 5, "-o", tmp_path / "out.npz")
    assert found["rank"] == 5
    np.testing.assert_allclose(found["singular_values"], 2.0 ** -np.arange(5), rtol=1e-6)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as factors:
        U, s, Vh = factors["U"], factors["s"], factors["Vh"]
    assert (U.shape, s.shape, Vh.shape) == ((40, 5), (5,), (5, 25))
    missed = np.linalg.norm(A - (U * s) @ Vh) / np.linalg.norm(A)
    np.testing.assert_allclose(found["true_error"], missed, rtol=1e-6)


def test_a_tolerance_is_met(file, report):
    found = report(file, "--tol", 0.01)
    assert found["true_error"] <= 0.01
    assert found["error"] <= 0.01
    assert found["converged"] is True
    assert found["rank"] <= 7 + 2


def test_centring_decomposes_the_matrix_without_its_mean(A, file, report, tmp_path):
    found = report(file, "--rank", 3, "--center", "-o", tmp_path / "out.npz")
    centred = A - A.mean(axis=0)
    np.testing.assert_allclose(found["singular_values"], np.linalg.svd(centred, compute_uv=False)[:3], rtol=1e-6)
    np.testing.assert_allclose(lr.load(tmp_path / "out.npz").mean, A.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(found["error"], found["true_error"], rtol=1e-6)


@pytest.mark.parametrize("method", ["krylov", "subspace", "gram", "dense"])
def test_the_method_is_the_one_asked_for(method, file, report):
    found = report(file, "--rank", 3, "--method", method)
    assert method in found["method"]
    np.testing.assert_allclose(found["singular_values"], [1, 0.5, 0.25], rtol=1e-6)


def test_a_seed_repeats_the_answer_to_the_bit(report, tmp_path):
    matrix = lr.testing.matrix(300, 200, np.arange(1.0, 201.0) ** -0.5, rng=0)
    np.save(tmp_path / "b.npy", matrix)
    first, again, other = (
        report(tmp_path / "b.npy", "--rank", 4, "--method", "krylov", "--seed", seed)["singular_values"]
        for seed in (3, 3, 4)
    )
    assert first == again
    np.testing.assert_allclose(first, other, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.npz", "a.mtx", "a.mtx.gz"])
def test_sparse_files_give_the_values_of_their_dense_form(name, A, report, tmp_path):
    B = sparse.csr_array(np.where(np.abs(A) > np.median(np.abs(A)), A, 0.0))
    if name == "a.npz":
        sparse.save_npz(tmp_path / name, B)
    else:
        io.mmwrite(tmp_path / "a.mtx", B, precision=17)
        if name.endswith("gz"):
            (tmp_path / name).write_bytes(gzip.compress((tmp_path / "a.mtx").read_bytes()))
    found = report(tmp_path / name, "--rank", 4)
    np.testing.assert_allclose(found["singular_values"], np.linalg.svd(B.toarray(), compute_uv=False)[:4], rtol=1e-6)
    assert found["true_error"] is None
    assert found["error"] > 0


def test_one_matrix_of_several_is_chosen_by_key(A, report, failure, tmp_path):
    np.savez(tmp_path / "two.npz", first=A, second=2 * A)
    assert report(tmp_path / "two.npz", "--key", "second", "--rank", 1)["singular_values"][0] == pytest.approx(2.0)
    assert "first, second" in failure("svd", tmp_path / "two.npz", "--rank", 1)


def test_complex_integer_and_half_precision_files_are_decomposed(report, tmp_path):
    rng = np.random.default_rng(0)
    C = rng.integers(-9, 9, (12, 7))
    for dtype in ("int16", "float16", "float32", "complex64"):
        np.save(tmp_path / "c.npy", C.astype(dtype))
        found = report(tmp_path / "c.npy", "--rank", 2)
        np.testing.assert_allclose(found["singular_values"], np.linalg.svd(C, compute_uv=False)[:2], rtol=1e-5)


def test_without_an_output_nothing_is_written(file, report):
    report(file, "--rank", 2)
    assert os.listdir() == []


def test_a_picture_is_written_beside_the_factors(file, run, tmp_path):
    pytest.importorskip("matplotlib")
    assert run("svd", file, "--rank", 2, "--picture", "-o", tmp_path / "out.npz")[0] == 0
    assert (tmp_path / "out.png").stat().st_size > 1000
    assert run("svd", file, "--rank", 2, "--picture")[0] == 0
    assert os.listdir() == ["a-svd.png"]


@pytest.mark.filterwarnings("default")
def test_an_answer_short_of_the_tolerance_says_so_in_one_line(file, run, monkeypatch):
    whole = lr.svd

    def short(*arguments, **options):
        warnings.warn("stopped early,\n2 of 3", lr.ConvergenceWarning, stacklevel=2)
        return whole(*arguments, **options)

    monkeypatch.setattr(lr, "svd", short)
    status, out, err = run("svd", file, "--rank", 2)
    assert status == 0
    assert err == "lowrank-la: warning: stopped early, 2 of 3\n"
    assert "rank" in out


def test_the_version_and_the_help_are_printed(run):
    assert run("--version") == (0, f"{lr.__version__}\n", "")
    for arguments in ([], ["--help"], ["svd", "--help"]):
        status, out, err = run(*arguments)
        assert (status, err) == (0, "")
        assert "Usage: lowrank-la" in out


BAD_OPTIONS = [
    ([], "give --rank K or --tol T"),
    (["--rank", 0], "rank"),
    (["--rank", -2], "rank"),
    (["--rank", 26], "25"),
    (["--rank", 10**30], "rank"),
    (["--rank", "3.0"], "--rank"),
    (["--rank", "three"], "--rank"),
    (["--rank"], "--rank"),
    (["--tol", 0], "tol"),
    (["--tol", 1], "tol"),
    (["--tol", -0.1], "tol"),
    (["--tol", 7], "tol"),
    (["--tol", "nan"], "tol"),
    (["--tol", "small"], "--tol"),
    (["--rank", 3, "--method", "magic"], "method"),
    (["--rank", 3, "--seed", "x"], "--seed"),
    (["--rank", 3, "--seed", -1], "rng|seed|negative"),
    (["--rank", 3, "--colour"], "--colour"),
    (["--rank", 3, "extra"], "extra"),
    (["--rank", 3, "--key", "x"], "key='x'"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=lambda value: " ".join(map(str, value)) or "none")
def test_wrong_options_end_in_one_line(options, message, file, failure):
    assert re.search(message, failure("svd", file, *options))


def test_an_unknown_command_ends_in_one_line(failure):
    assert "qvd" in failure("qvd")


@pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning")
def test_of_rank_and_tolerance_the_first_that_is_reached_ends_it(A, file, report):
    for options in ({"rank": 3, "tol": 1e-6}, {"rank": 20, "tol": 0.1}):
        found = report(file, *(part for name, value in options.items() for part in (f"--{name}", value)))
        assert found["rank"] == lr.svd(A, **options, rng=0, on_failure="warn").s.size < 20


@pytest.mark.parametrize("arguments", [["svd", "--colour"], ["cp", "x.npy"], ["svd", "x.npy", "--rank", "x"]])
def test_a_wrong_option_points_to_the_help_of_its_command(arguments, failure):
    assert failure(*arguments).rstrip().endswith(f"see lowrank-la {arguments[0]} --help")


@pytest.mark.parametrize("name", ["out.csv", "out.npy", "OUT.CSV"])
def test_factors_are_not_written_under_the_name_of_another_format(name, file, failure):
    assert f"{name}: what is written here is an .npz file" in failure("svd", file, "--rank", 1, "-o", name)
    assert not Path(name).exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_a_matrix_that_is_not_finite_ends_in_one_line(value, layout, A, failure, tmp_path):
    A[3, 4] = value
    np.save(tmp_path / "bad.npy", A) if layout == "dense" else sparse.save_npz(
        tmp_path / "bad.npz", sparse.csr_array(A)
    )
    message = failure("svd", tmp_path / ("bad.npy" if layout == "dense" else "bad.npz"), "--rank", 2)
    assert "finite" in message or "NaN" in message


BAD_FILES = {
    "missing.npy": None,
    "empty.csv": b"",
    "words.csv": b"a,b\n1,x\n",
    "ragged.csv": b"1,2\n3\n",
    "noise.npy": b"\x00\x01\x02",
    "noise.npz": b"PK\x03\x04",
    "noise.mtx": b"hello",
    "noise.mtx.gz": b"hello",
    "noise.parquet": b"hello",
    "noise.h5": b"hello",
    "noise.zarr": b"hello",
    "noise.png": b"hello",
    "noise.tif": b"",
    "table.xls": b"hello",
    "noextension": b"1 2",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_ends_in_one_line_that_names_it(name, failure, tmp_path):
    if BAD_FILES[name] is not None:
        (tmp_path / name).write_bytes(BAD_FILES[name])
    assert name in failure("svd", tmp_path / name, "--rank", 1)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5,), (2, 3, 4)])
def test_arrays_without_a_decomposition_end_in_one_line(shape, failure, tmp_path):
    np.save(tmp_path / "odd.npy", np.zeros(shape))
    assert failure("svd", tmp_path / "odd.npy", "--rank", 1)


def test_a_missing_reader_names_what_to_install(failure, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"")
    assert 'pip install "lowrank_la[io]"' in failure("svd", tmp_path / "a.h5", "--rank", 1)


def test_a_picture_without_matplotlib_names_what_to_install(file, failure, monkeypatch):
    monkeypatch.setattr(cli.decompose, "find_spec", lambda _: None)
    assert 'pip install "lowrank_la[plot]"' in failure("svd", file, "--rank", 1, "--picture")


def test_an_output_that_cannot_be_written_is_refused_before_the_work(file, failure, tmp_path, monkeypatch):
    monkeypatch.setattr(lr, "svd", None)
    assert "no folder" in failure("svd", file, "--rank", 1, "-o", tmp_path / "nowhere" / "out.npz")
    assert "is a folder" in failure("svd", file, "--rank", 1, "-o", tmp_path)
    monkeypatch.setattr("lowrank_la.results.files.os.access", lambda _, mode: mode != os.W_OK)
    assert "permission denied" in failure("svd", file, "--rank", 1, "-o", tmp_path / "out.npz")


def test_a_read_only_output_is_refused_before_the_work(file, failure, tmp_path, monkeypatch):
    monkeypatch.setattr(lr, "svd", None)
    (tmp_path / "kept.npz").touch(mode=0o444)
    assert "permission denied" in failure("svd", file, "--rank", 1, "-o", tmp_path / "kept.npz")


@pytest.mark.skipif(os.name != "posix", reason="no such device")
def test_factors_sent_to_a_device_have_no_picture_beside_them(monkeypatch):
    monkeypatch.setattr(cli.decompose, "find_spec", lambda _: True)
    path = Path(os.devnull)
    assert cli.decompose._picture_path(None, True, None, path) is None
    assert cli.decompose._picture_path(True, False, Path("a.npy"), path) == Path("a-svd.png")
    assert cli.decompose._picture_path(None, True, None, Path("new.npz")) == Path("new.png")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no such device")
def test_factors_go_into_a_pipe(A, file):
    command = [sys.executable, "-m", "lowrank_la", "svd", file, "--rank", "2", "-o", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"PK")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_ends_in_one_line(file, failure):
    assert failure("svd", file, "--rank", 1, "-o", "/dev/full")


@pytest.mark.parametrize("error", [RuntimeError("odd\nthing"), MemoryError(), ZeroDivisionError("x"), KeyError("k")])
def test_even_an_unforeseen_failure_is_one_line(error, file, failure, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(lr, "svd", fail)
    assert failure("svd", file, "--rank", 1)


def test_an_interruption_ends_in_one_line(file, run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(lr, "svd", interrupt)
    assert run("svd", file, "--rank", 1) == (130, "", "lowrank-la: error: interrupted\n")


@pytest.mark.parametrize(("arguments", "status"), [(["--rank", "2", "--json"], 0), (["--rank", "99"], 2)])
def test_the_module_runs_as_the_command(arguments, status, file):
    command = [sys.executable, "-m", "lowrank_la", "svd", file, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert (done.stdout == "") == (status == 2)
