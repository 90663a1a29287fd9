"""Files of every format become matrices, and bad files one clear line."""

import gzip
import subprocess
import sys

import numpy as np
import pytest
from scipy import io, sparse

from lowrank_la.exceptions import MissingReaderError, ReadError
from lowrank_la.reading import read_array, read_matrix

M = np.array([[1.0, 2.5, -3.0], [4.0, 0.0, 6e10]])


def write_npy(path, matrix):
    np.save(path, matrix)


def write_npz(path, matrix):
    np.savez(path, matrix=matrix)


def write_compressed_npz(path, matrix):
    np.savez_compressed(path, matrix=matrix, names=np.array(["a", "b"]), weights=np.ones(3))


def write_text(delimiter):
    def write(path, matrix):
        np.savetxt(path, matrix, delimiter=delimiter)

    return write


def write_mtx(path, matrix):
    io.mmwrite(path, matrix)


def write_gzipped_mtx(path, matrix):
    plain = path.with_suffix("")
    io.mmwrite(plain, matrix)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def write_parquet(path, matrix):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({f"c{j}": matrix[:, j] for j in range(matrix.shape[1])}), path)


def write_hdf5(path, matrix):
    with pytest.importorskip("h5py").File(path, "w") as archive:
        archive["group/matrix"] = matrix
        archive["labels"] = np.arange(3)


def write_zarr_array(path, matrix):
    pytest.importorskip("zarr").save_array(path, matrix)


def write_zarr_group(path, matrix):
    group = pytest.importorskip("zarr").open_group(path, mode="w")
    group.create_array("inner/matrix", data=matrix)
    group.create_array("labels", data=np.arange(3))


WRITERS = {
    "a.npy": write_npy,
    "a.npz": write_npz,
    "packed.npz": write_compressed_npz,
    "a.csv": write_text(","),
    "semicolons.csv": write_text(";"),
    "a.tsv": write_text("\t"),
    "a.mtx": write_mtx,
    "a.mtx.gz": write_gzipped_mtx,
    "a.parquet": write_parquet,
    "a.h5": write_hdf5,
    "a.hdf5": write_hdf5,
    "a.zarr": write_zarr_array,
    "group.zarr": write_zarr_group,
    "CAPITALS.NPY": write_npy,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_written_matrix_is_read_back_exactly(name, tmp_path):
    path = tmp_path / name
    if name == "CAPITALS.NPY":
        with path.open("wb") as stream:
            np.save(stream, M)
    else:
        WRITERS[name](path, M)
    found = read_matrix(path)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, M)
    np.testing.assert_array_equal(read_matrix(str(path)), M)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int16", "uint8"])
def test_numbers_keep_their_dtype(dtype, tmp_path):
    matrix = np.array([[1, 2], [3, 4]], dtype=dtype)
    np.save(tmp_path / "a.npy", matrix)
    assert read_matrix(tmp_path / "a.npy").dtype == dtype


def test_booleans_become_float64(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=bool))
    found = read_matrix(tmp_path / "a.npy")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.eye(3))


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr"])
def test_a_sparse_npz_stays_sparse(layout, tmp_path):
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_array(M).asformat(layout))
    found = read_matrix(tmp_path / "a.npz")
    assert isinstance(found, sparse.csr_array)
    np.testing.assert_array_equal(found.toarray(), M)


def test_a_sparse_matrix_market_file_stays_sparse(tmp_path):
    io.mmwrite(tmp_path / "a.mtx", sparse.csr_array(M))
    found = read_matrix(tmp_path / "a.mtx")
    assert isinstance(found, sparse.csr_array)
    np.testing.assert_array_equal(found.toarray(), M)


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1,2.5,-3\n4,0,6e10\n",
        "# made by hand\n1,2.5,-3\n4,0,6e10\n",
        '# made by hand\n"height","width, mm","depth"\n1,2.5,-3 # first\n4,0,6e10',
        "\n\na,b,c\n\n1,2.5,-3\n\n4,0,6e10\n\n",
        "\ufeff1,2.5,-3\r\n4,0,6e10\r\n",
        "a;b;c\n1;2.5;-3\n4;0;6e10\n",
        ' 1 , 2.5 , -3 \n"4","0","6e10"\n',
    ],
)
def test_headers_comments_and_quotes_are_tolerated(text, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_matrix(path), M)


def test_a_table_of_one_row_or_one_column_is_a_matrix(tmp_path):
    (tmp_path / "row.csv").write_text("1,2,3\n")
    (tmp_path / "column.csv").write_text("x\n1\n2\n")
    assert read_matrix(tmp_path / "row.csv").shape == (1, 3)
    assert read_matrix(tmp_path / "column.csv").shape == (2, 1)


def test_nan_in_a_table_is_kept_for_the_algorithm_to_refuse(tmp_path):
    (tmp_path / "a.csv").write_text("1,nan\n2,3\n")
    assert np.isnan(read_matrix(tmp_path / "a.csv")[0, 1])


def test_columns_of_different_types_in_parquet_share_a_dtype(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"i": [1, 2], "f": [0.5, 1.5], "b": [True, False], "__index_level_0__": [7, 8]})
    parquet.write_table(table, tmp_path / "a.parquet")
    np.testing.assert_array_equal(read_matrix(tmp_path / "a.parquet"), [[1, 0.5, 1], [2, 1.5, 0]])


def test_a_missing_value_in_parquet_is_nan(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"a": [1, None], "b": [1.0, 2.0]}), tmp_path / "a.parquet")
    assert np.isnan(read_matrix(tmp_path / "a.parquet")[1, 0])


@pytest.mark.parametrize("name", ["two.npz", "two.h5", "two.zarr"])
def test_one_of_several_matrices_is_chosen_by_key(name, tmp_path):
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, first=M, second=M + 1)
    elif name.endswith("h5"):
        with pytest.importorskip("h5py").File(path, "w") as archive:
            archive["first"], archive["second"] = M, M + 1
    else:
        group = pytest.importorskip("zarr").open_group(path, mode="w")
        group.create_array("first", data=M)
        group.create_array("second", data=M + 1)
    np.testing.assert_array_equal(read_matrix(path, key="second"), M + 1)
    with pytest.raises(ReadError, match="first, second"):
        read_matrix(path)
    with pytest.raises(ReadError, match="no matrix 'third'"):
        read_matrix(path, key="third")


class TestImages:
    pillow = pytest.importorskip("PIL.Image")

    def save(self, path, pixels, mode=None):
        image = self.pillow.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)
        return read_matrix(path)

    @pytest.mark.parametrize("ending", ["png", "tif", "bmp", "pgm"])
    def test_grey_values_are_scaled_to_one(self, ending, tmp_path):
        pixels = np.array([[0, 51], [102, 255], [3, 4]], dtype=np.uint8)
        np.testing.assert_array_equal(self.save(tmp_path / f"a.{ending}", pixels), pixels / 255)

    def test_colours_stand_side_by_side(self, tmp_path):
        pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        found = self.save(tmp_path / "a.png", pixels)
        assert found.shape == (2, 12)
        for channel in range(3):
            np.testing.assert_array_equal(found[:, 4 * channel : 4 * channel + 4], pixels[:, :, channel] / 255)

    def test_a_palette_counts_as_colours_and_transparency_is_dropped(self, tmp_path):
        pixels = np.full((2, 4, 4), 255, dtype=np.uint8)
        assert self.save(tmp_path / "a.png", pixels).shape == (2, 12)
        assert self.save(tmp_path / "b.gif", pixels[:, :, :3], "P").shape == (2, 12)

    def test_sixteen_bits_are_scaled_to_one(self, tmp_path):
        pixels = np.array([[0, 65535], [256, 1]], dtype=np.uint16)
        np.testing.assert_array_equal(self.save(tmp_path / "a.png", pixels), pixels / 65535)

    def test_a_jpeg_is_read(self, tmp_path):
        assert self.save(tmp_path / "a.jpg", np.full((8, 9), 128, dtype=np.uint8)).shape == (8, 9)

    def test_bilevel_and_floating_point_images_are_read(self, tmp_path):
        pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)
        np.testing.assert_array_equal(self.save(tmp_path / "a.png", pixels, "1"), pixels / 255)
        values = np.array([[0.25, 1.5]], dtype=np.float32)
        np.testing.assert_array_equal(self.save(tmp_path / "b.tif", values), values)


BAD_TEXT = {
    "empty.csv": ("", "no numbers"),
    "blank.csv": ("\n\n", "no numbers"),
    "header.csv": ("a,b\n", "no numbers"),
    "words.csv": ("a,b\n1,x\n", "could not convert string 'x'"),
    "gap.csv": ("1,2\n3,\n", "could not convert string ''"),
    "first_gap.csv": ("1,,3\n4,5,6\n", "could not convert string ''"),
    "first_word.csv": ("1,NA,3\n4,5,6\n", "could not convert string 'NA'"),
    "ragged.csv": ("1,2\n3,4,5\n", "number of columns changed"),
    "tabs.csv": ("1\t2\n3\t4\n", "could not convert|no numbers"),
    "bytes.csv": (b"\xff\xfe\x00\x01", "utf-8"),
    "text.npy": ("1,2\n", "damaged"),
    "empty.npy": ("", "can't be read"),
    "text.npz": ("PK not a zip", "can't be read|damaged"),
    "text.mtx": ("1 2 3\n", "can't be read"),
    "short.mtx": ("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1.0\n", "can't be read"),
    "text.mtx.gz": ("%%MatrixMarket", "can't be read"),
    "text.parquet": ("1,2\n", "can't be read"),
    "text.h5": ("1,2\n", "can't be read"),
    "text.zarr": ("1,2\n", "can't be read"),
    "text.png": ("1,2\n", "can't be read"),
    "text.jpg": ("", "can't be read"),
    "matrix.xlsx": ("1,2\n", "unknown format"),
    "matrix": ("1,2\n", "unknown format"),
}


@pytest.mark.parametrize("name", BAD_TEXT)
def test_a_damaged_file_is_one_clear_line(name, tmp_path):
    content, message = BAD_TEXT[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReadError, match=message) as caught:
        read_matrix(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("cut", [20, 130, 150])
def test_a_truncated_array_is_refused(cut, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, M)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ReadError):
        read_matrix(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.mtx.gz", "a.parquet", "a.h5", "a.zarr", "a.png"])
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(ReadError, match=f"{name}: no such file"):
        read_matrix(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.npy").mkdir()
    with pytest.raises(ReadError, match="folder"):
        read_matrix(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([["a", "b"]]),
        np.array([[b"a"]]),
        np.array([["2026-01-01"]], dtype="datetime64[D]"),
        np.zeros((2, 2), dtype=[("x", float)]),
    ],
)
def test_data_that_are_not_numbers_are_refused(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ReadError, match="numbers were expected"):
        read_matrix(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_arrays_that_are_not_matrices_are_refused(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(ReadError, match="two axes"):
        read_matrix(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_python_objects_are_never_unpickled(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    array = np.array([[{"a": 1}, None]], dtype=object)
    np.save(path, array) if ending == "npy" else np.savez(path, a=array)
    with pytest.raises(ReadError, match=r"unpickled|can't be read"):
        read_matrix(path)


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", M)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(ReadError, match="does not match"):
        read_matrix(tmp_path / "a.npy")


def test_an_archive_without_a_matrix_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones(3), y=np.ones(4))
    with pytest.raises(ReadError, match="holds 0 matrices"):
        read_matrix(tmp_path / "a.npz")


def test_words_in_parquet_are_refused_by_the_name_of_the_column(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"a": [1, 2], "town": ["x", "y"]}), tmp_path / "a.parquet")
    with pytest.raises(ReadError, match="column 'town' holds string"):
        read_matrix(tmp_path / "a.parquet")


def test_a_key_for_a_format_without_names_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", M)
    with pytest.raises(ReadError, match="key='x'"):
        read_matrix(tmp_path / "a.npy", key="x")


@pytest.mark.parametrize(
    ("name", "package"), [("a.parquet", "pyarrow"), ("a.h5", "h5py"), ("a.zarr", "zarr"), ("a.png", "PIL")]
)
def test_a_missing_reader_names_the_extra_to_install(name, package, tmp_path, monkeypatch):
    (tmp_path / name).write_text("")
    for module in [loaded for loaded in sys.modules if loaded.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingReaderError, match=r'pip install "lowrank_la\[io\]"') as caught:
        read_matrix(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_reading_an_array_imports_no_optional_reader(tmp_path):
    np.save(tmp_path / "a.npy", M)
    code = (
        "import sys; from lowrank_la.reading import read_matrix; read_matrix(sys.argv[1]); "
        "sys.exit(bool({'h5py', 'zarr', 'pyarrow', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a.npy"], check=False).returncode == 0


def test_arrays_of_more_axes_are_read_where_they_are_asked_for(tmp_path):
    X = np.arange(24.0).reshape(2, 3, 4)
    np.save(tmp_path / "x.npy", X)
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), X)
    with pytest.raises(ReadError, match="two axes was expected"):
        read_matrix(tmp_path / "x.npy")
    np.save(tmp_path / "v.npy", X.ravel())
    with pytest.raises(ReadError, match="two axes at least"):
        read_array(tmp_path / "v.npy")
