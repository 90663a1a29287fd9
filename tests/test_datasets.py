"""The small real data are what their docstrings say."""

import hashlib
import math
from importlib.resources import files

import numpy as np
import pytest
from scipy import sparse

from lowrank_la import datasets


def test_the_photograph_has_its_shape_and_range():
    A = datasets.photograph()
    assert A.shape == (427, 640)
    assert A.dtype == np.float64
    assert A.min() == 0.0
    assert A.max() == 1.0


def test_the_photograph_is_the_one_whose_licence_ships():
    values = (datasets.photograph() * 255).round().astype(np.uint8)
    assert hashlib.sha256(values.tobytes()).hexdigest().startswith("af89fae46d37f89b")
    licence = (files("lowrank_la") / "data" / "LICENSE.photograph.txt").read_text(encoding="utf-8")
    for part in ("danielbuechele", "CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/", "Changes"):
        assert part in licence


def test_the_shipped_data_stay_small():
    folder = files("lowrank_la") / "data"
    assert sum(len(entry.read_bytes()) for entry in folder.iterdir() if entry.is_file()) < 500_000


def test_changing_a_photograph_does_not_change_the_next_one():
    first = datasets.photograph()
    first[:] = 0.0
    assert datasets.photograph().max() == 1.0


@pytest.fixture(scope="module")
def terms():
    return datasets.stdlib_terms()


def test_the_terms_are_a_large_sparse_matrix_with_unit_rows(terms):
    matrix, vocabulary = terms
    assert isinstance(matrix, sparse.csr_array)
    assert matrix.dtype == np.float64
    assert matrix.shape[0] > 2000
    assert matrix.shape[1] == len(vocabulary) > 5000
    assert matrix.nnz < 0.02 * math.prod(matrix.shape)
    norms = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    np.testing.assert_allclose(norms[norms > 0], 1.0, rtol=1e2 * np.finfo(float).eps)


def test_the_matrix_is_in_canonical_form(terms):
    matrix, _ = terms
    assert matrix.has_canonical_format
    assert np.all(matrix.data > 0)


def test_the_vocabulary_is_sorted_and_holds_words_of_two_documents(terms):
    matrix, vocabulary = terms
    assert vocabulary == sorted(set(vocabulary))
    assert {"self", "return", "import"} <= set(vocabulary)
    assert np.bincount(matrix.indices, minlength=len(vocabulary)).min() >= 2


def test_the_terms_are_the_same_every_time(terms):
    again, vocabulary = datasets.stdlib_terms()
    assert vocabulary == terms[1]
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again, name), getattr(terms[0], name))


def test_words_are_counted_and_weighted_as_described(tmp_path, monkeypatch):
    (tmp_path / "b.py").write_text("alpha alpha Alpha_beta\n\ndef f():\n    beta x\n")
    (tmp_path / "a.py").write_text("beta once\n")
    for name in ("site-packages/no.py", "test/no.py", "_sysconfigdata_linux.py", "config-3/no.py", "no.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("alpha once\n")
    monkeypatch.setattr(datasets.sysconfig, "get_path", lambda _: str(tmp_path))
    matrix, vocabulary = datasets.stdlib_terms()
    assert vocabulary == ["beta"]
    np.testing.assert_array_equal(matrix.toarray(), [[1.0], [1.0], [1.0]])

    (tmp_path / "c.py").write_text("alpha beta beta\n")
    matrix, vocabulary = datasets.stdlib_terms()
    assert vocabulary == ["alpha", "beta"]
    weights = np.array([[0, 1], [3, 1], [0, 1], [1, 2]]) * (np.log(5 / np.array([3, 5])) + 1)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    np.testing.assert_allclose(matrix.toarray(), weights, rtol=10 * np.finfo(float).eps)


@pytest.mark.parametrize("max_docs", [1, 7, 300])
def test_the_number_of_documents_can_be_limited(max_docs):
    matrix, vocabulary = datasets.stdlib_terms(max_docs=max_docs)
    assert matrix.shape == (max_docs, len(vocabulary))


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_wrong_number_of_documents_is_refused(value, error):
    with pytest.raises(error, match="max_docs must be"):
        datasets.stdlib_terms(max_docs=value)


def test_a_python_without_its_sources_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no source text"):
        datasets.stdlib_terms()
