"""Results unpack, stay as they are, know their error, and go to disk and back without pickle."""

import copy
import dataclasses
import errno
import io
import json
import os
import pickle
import sys

import numpy as np
import pytest
from strategies import random_array

import lowrank_la as lr
from lowrank_la.results import Info, Result, to_host


def decompose(backend=None, dtype="float64", **options):
    a = random_array((12, 8), dtype, 1)
    return a, lr.svd(a if backend is None else backend.asarray(a), 3, rng=0, **options)


def test_results_unpack_and_index_like_tuples():
    _, result = decompose()
    U, s, Vh = result
    assert (U is result.U, s is result.s, Vh is result.Vh) == (True, True, True)
    assert len(result) == 3
    assert result[1] is result.s
    assert result[-1] is result.Vh
    assert result.shape == (12, 8)


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda A: lr.FrequentDirections(4).partial_fit(A).result(), "B: (4, 8), delta: "),
        (lambda A: lr.strongest_columns(A, 3), "indices: (3,), coefficients: (12, 3)"),
        (lambda A: lr.split_half(A.reshape(12, 4, 2), 1, splits=1, rng=0), "scores: (1,)"),
        (lambda A: lr.lstsq(A, A[:, 0]), "x: (8,)"),
    ],
    ids=["frequent directions", "strongest columns", "split half", "least squares"],
)
def test_a_representation_shows_shapes_and_numbers_but_no_arrays(make, shown):
    text = repr(make(random_array((12, 8), "float64", 1)))
    assert shown in text
    assert "array" not in text
    assert "\n" not in text


def test_results_and_info_are_frozen():
    _, result = decompose()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.s = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.info.error = 0.0


def test_results_are_matrices():
    _, result = decompose()
    U, s, Vh = result
    x = np.ones(8)
    np.testing.assert_allclose(result @ x, (U * s) @ (Vh @ x), atol=1e-13)
    op = lr.as_operator(result)
    assert isinstance(op, lr.LowRank)
    np.testing.assert_allclose(op.todense(), (U * s) @ Vh, atol=1e-13)


def test_a_result_says_its_shapes_error_and_method():
    _, result = decompose()
    for part in ("U: (12, 3)", "s: (3,)", "error ", result.info.method):
        assert part in repr(result)
    unknown = dataclasses.replace(result, info=Info(method="krylov"))
    assert "error unknown" in repr(unknown)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_saved_result_comes_back_whole(tmp_path, dtype):
    _, result = decompose(dtype=dtype)
    result.save(tmp_path / "result.npz")
    back = lr.load(tmp_path / "result.npz")
    assert type(back) is type(result)
    for name in ("U", "s", "Vh"):
        got, expected = getattr(back, name), getattr(result, name)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
    for field in dataclasses.fields(Info):
        got, expected = getattr(back.info, field.name), getattr(result.info, field.name)
        np.testing.assert_array_equal(got, expected)
    assert type(back.info.converged) is bool


def test_results_of_every_backend_come_back_as_numpy_arrays(backend, tmp_path):
    for name in backend.dtypes:
        _, result = decompose(backend, name)
        result.save(tmp_path / "result.npz")
        back = lr.load(tmp_path / "result.npz")
        assert type(back.U) is np.ndarray
        for part in ("U", "s", "Vh"):
            np.testing.assert_array_equal(getattr(back, part), backend.to_numpy(getattr(result, part)))
        np.testing.assert_array_equal(back.info.residuals, to_host(result.info.residuals))


def test_a_mean_is_saved_with_the_factors(tmp_path):
    _, result = decompose(center=True)
    result.save(tmp_path / "result.npz")
    back = lr.load(str(tmp_path / "result.npz"))
    np.testing.assert_array_equal(back.mean, result.mean)
    x = np.ones(8)
    np.testing.assert_allclose(back @ x, result @ x, rtol=0, atol=0)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Plain(Result):
    Q: object
    info: Info
    note: object = None

    _unpack = ("Q",)


Plain.__module__ = "lowrank_la.results"


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr("lowrank_la.results.Plain", Plain, raising=False)
    return Plain


def test_numbers_details_and_large_keys_survive(tmp_path, plain):
    details = {"counts": np.asarray([1, 2]), "flag": np.bool_(True), "n": np.int64(3), "text": "σ", "none": None}
    info = Info(error=np.float32(0.5), rng=2**128 - 1, iterations=np.int64(7), details=details, reason="done")
    plain(np.eye(2), info, note="kept").save(tmp_path / "x.npz")
    back = lr.load(tmp_path / "x.npz")
    assert back.note == "kept"
    assert (back.info.error, back.info.rng, back.info.iterations, back.info.reason) == (0.5, 2**128 - 1, 7, "done")
    assert back.info.flag is True
    assert back.info.text == "σ"
    np.testing.assert_array_equal(back.info.counts, [1, 2])


def test_what_can_not_be_saved_without_pickle_is_refused(tmp_path, plain):
    with pytest.raises(TypeError, match="pickle"):
        plain(np.eye(2), Info(details={"f": object()})).save(tmp_path / "x.npz")
    with pytest.raises(TypeError, match="pickle"):
        plain(np.asarray([object()]), Info()).save(tmp_path / "x.npz")


def full_disk(stream, **arrays):
    stream.write(b"half of it")
    raise OSError("no space left on device")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    _, result = decompose()
    path = tmp_path / "result.npz"
    result.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("lowrank_la.results.base.np.savez", full_disk)
    for target in (path, tmp_path / "new.npz"):
        with pytest.raises(OSError, match="no space left"):
            result.save(target)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    _, result = decompose()
    path = tmp_path / "result.npz"
    path.write_text("old")

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("lowrank_la.results.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        result.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_file_has_the_permissions_that_a_plain_one_has_or_had(tmp_path):
    _, result = decompose()
    (tmp_path / "plain").write_bytes(b"")
    result.save(tmp_path / "new.npz")
    assert (tmp_path / "new.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new.npz").chmod(0o640)
    result.save(tmp_path / "new.npz")
    assert (tmp_path / "new.npz").stat().st_mode & 0o777 == 0o640


def test_saving_follows_a_link(tmp_path):
    _, result = decompose()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.npz").write_text("old")
    (tmp_path / "link.npz").symlink_to(tmp_path / "there" / "real.npz")
    result.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    np.testing.assert_array_equal(lr.load(tmp_path / "there" / "real.npz").s, result.s)


@pytest.mark.skipif("not os.path.exists(os.devnull) or os.name != 'posix'", reason="no such device")
def test_a_device_is_written_to_and_stays():
    decompose()[1].save(os.devnull)
    lr.svd(random_array((400, 300), "float64", 1), 40, rng=0).save(os.devnull)
    assert not os.path.isfile(os.devnull)


def test_a_read_only_file_is_left_alone(tmp_path):
    path = tmp_path / "kept.npz"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match=r"kept\.npz"):
        decompose()[1].save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif("os.name != 'posix'", reason="pipes have paths on POSIX alone")
def test_a_pipe_named_by_its_descriptor_is_written_to():
    _, result = decompose()
    out, into = os.pipe()
    with os.fdopen(out, "rb") as stream:
        result.save(f"/dev/fd/{into}")
        os.close(into)
        np.testing.assert_array_equal(lr.load(io.BytesIO(stream.read())).s, result.s)


def test_errors_of_the_system_name_the_path_given(tmp_path, monkeypatch):
    _, result = decompose()
    path = tmp_path / "nowhere" / "result.npz"
    for given in (path, ""):
        with pytest.raises(FileNotFoundError) as caught:
            result.save(given)
        assert caught.value.filename == os.fspath(given)

    def full_disk_of_the_system(stream, **arrays):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lowrank_la.results.base.np.savez", full_disk_of_the_system)
    with pytest.raises(OSError, match=r"new\.npz") as caught:
        result.save(tmp_path / "new.npz")
    assert caught.value.errno == errno.ENOSPC


def test_a_writable_file_in_a_folder_that_takes_no_new_one_is_written_in_place(tmp_path, monkeypatch):
    _, result = decompose()
    there = tmp_path / "there.npz"
    there.write_text("old")

    def only_what_is_there(path, mode):
        if "x" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open(path, mode)

    monkeypatch.setattr("lowrank_la.results.files.open", only_what_is_there, raising=False)
    result.save(there)
    with pytest.raises(PermissionError, match=r"new\.npz"):
        result.save(tmp_path / "new.npz")
    np.testing.assert_array_equal(lr.load(there).s, result.s)
    assert list(tmp_path.iterdir()) == [there]


def test_a_folder_is_no_place_for_a_result(tmp_path):
    with pytest.raises(IsADirectoryError):
        decompose()[1].save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1, -40, -300])
def test_truncated_files_are_refused(tmp_path, keep):
    _, result = decompose()
    path = tmp_path / "result.npz"
    result.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"result\.npz"):
        lr.load(path)


def test_damaged_files_are_refused(tmp_path):
    _, result = decompose()
    path = tmp_path / "result.npz"
    result.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"result\.npz"):
        lr.load(path)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.npz"
    header = {"format": "lowrank_la.result.1", "result": "lowrank_la.factor.svd:SVDResult", "plain": {}}
    groups = {"": {}, "info.": {}, "details.": {}}
    contents = [
        {"a": np.ones(3)},
        {"__header__": np.asarray("no json")},
        {"__header__": np.asarray("[1]")},
        {"__header__": np.asarray(json.dumps({"format": "other"}))},
        {"__header__": np.asarray(json.dumps({**header, "format": "lowrank_la.result.2"}))},
        {"__header__": np.asarray(json.dumps({**header, "result": "os:system"}))},
        {"__header__": np.asarray(json.dumps({**header, "result": "lowrank_la.results:load"}))},
        {"__header__": np.asarray(json.dumps({**header, "result": "lowrank_la.nowhere:X"}))},
        {"__header__": np.asarray(json.dumps({**header, "plain": groups}))},
    ]
    for content in contents:
        np.savez(path, **content)
        with pytest.raises(ValueError, match=r"foreign\.npz"):
            lr.load(path)
    for content in (b"", b"text", pickle.dumps({"a": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"foreign\.npz"):
            lr.load(path)
    np.save(tmp_path / "foreign.npz.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"foreign\.npz"):
        lr.load(tmp_path / "foreign.npz.npy")


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        lr.load(tmp_path / "nothing.npz")


def test_details_are_read_as_attributes():
    info = Info(error=0.1, details={"orthogonality": 1e-16})
    assert info.orthogonality == 1e-16
    assert info.error == 0.1
    assert info.passes is None
    with pytest.raises(AttributeError, match="no entry 'ortogonality'"):
        info.ortogonality  # noqa: B018
    assert not hasattr(info, "__array__")


def test_results_can_be_copied_and_pickled():
    _, result = decompose()
    for again in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301
        np.testing.assert_array_equal(again.s, result.s)
        assert again.info.method == result.info.method


def test_a_result_that_is_no_matrix_says_so():
    with pytest.raises(TypeError, match="Plain does not stand for a matrix"):
        Plain(np.eye(2), Info()) @ np.ones(2)


def test_the_provenance_names_versions_method_seed_and_error(tmp_path):
    _, result = decompose()
    text = result.info.provenance()
    for part in (f"lowrank_la {lr.__version__}", f"numpy {np.__version__}", "method", "seed       0", "error"):
        assert part in text
    result.save(tmp_path / "a.npz")
    assert lr.load(tmp_path / "a.npz").info.provenance() == text
    assert Info(reason="limit", converged=False, versions=None).provenance() == "ended      limit (not converged)"
    assert Info(reason="one pass", converged=None, versions=None).provenance() == "ended      one pass"


def test_the_provenance_names_the_arrays_that_were_computed_with(backend, tmp_path):
    module = {"strict": "array_api_strict"}.get(backend.name, backend.name)
    version = sys.modules[module].__version__
    for dtype in backend.dtypes:
        _, result = decompose(backend, dtype)
        (row,) = [row for row in result.info.provenance().splitlines() if row.startswith("arrays ")]
        assert row.startswith(f"arrays     {module} {version}, {dtype}, ")
        assert result.info.versions[module] == version
        result.save(tmp_path / "a.npz")
        assert lr.load(tmp_path / "a.npz").info.provenance() == result.info.provenance()


def test_factors_in_tuples_name_their_library_too():
    torch = pytest.importorskip("torch")
    X = torch.ones(3, 4, 5)
    for result in (lr.cp(X, 1, rng=0), lr.tucker(X, 1), lr.complete(X[0], 1, rng=0)):
        assert result.info.arrays == f"torch {torch.__version__}, float32, cpu"


def test_the_cost_counts_one_in_the_singular():
    rows = Info(iterations=1, products=0, passes=1).provenance()
    assert rows.endswith("cost       1 iteration, 0 products, 1 pass")
    assert Info(iterations=2, products=1, passes=3).provenance().endswith("2 iterations, 1 product, 3 passes")


def test_only_a_path_or_a_file_is_loaded():
    with pytest.raises(TypeError, match=r"path must be .* got 3 of type int"):
        lr.load(3)


def test_a_file_without_versions_is_not_given_those_of_today(tmp_path):
    _, result = decompose()
    result.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    header = json.loads(str(arrays.pop("__header__")))
    del header["plain"]["info."]["versions"], header["plain"]["info."]["arrays"]
    np.savez(tmp_path / "b.npz", __header__=np.array(json.dumps(header)), **arrays)
    assert lr.load(tmp_path / "b.npz").info.versions is None
    assert "arrays" not in lr.load(tmp_path / "b.npz").info.provenance()
