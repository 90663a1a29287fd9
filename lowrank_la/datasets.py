"""Small real data: a photograph that ships with the library and the text of Python's standard library."""

from __future__ import annotations

import os
import re
import sysconfig
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy import sparse

_WORD = re.compile(r"[a-z]{2,}")
_TOP_LEVEL = re.compile(r"^(?=(?:async def|def|class) )", re.MULTILINE)
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "pydoc_data"})


def photograph() -> np.ndarray:
    """Grey values of a photograph.

    Returns
    -------
    array of float64, shape (427, 640)
        Luminance in [0, 1].

    Notes
    -----
    Made from a photograph by danielbuechele, CC BY 2.0; ``lowrank_la/data/LICENSE.photograph.txt`` names the source and
    the changes.

    Examples
    --------
    >>> from lowrank_la import datasets
    >>> datasets.photograph().shape
    (427, 640)
    """
    with (files("lowrank_la") / "data" / "photograph.npz").open("rb") as stream, np.load(stream) as archive:
        return archive["photograph"] / 255.0


def stdlib_terms(max_docs: int | None = None) -> tuple[sparse.csr_array, list[str]]:
    """Weighted word counts of the source text of Python's standard library.

    A document is a top-level function or class, or the text before the first one of a module. Words are runs of two
    or more letters in lower case that occur in at least two documents; ``snake_case`` names count as several words.

    Parameters
    ----------
    max_docs : int, optional
        Number of documents to read, in the order of their paths and lines; all by default.

    Returns
    -------
    matrix : scipy.sparse.csr_array of float64, shape (documents, words)
        Rows of Euclidean norm 1: counts times ``log((1 + documents) / (1 + document frequency)) + 1``. A document
        without a word that counts is an empty row.
    vocabulary : list of str
        The word of each column, in alphabetical order.

    Raises
    ------
    FileNotFoundError
        If this Python was installed without the source of its standard library.
    TypeError, ValueError
        If `max_docs` is not a positive integer.

    Notes
    -----
    The matrix is the same for the same Python release; the standard library's own tests are left out, since some
    distributions of Python do.

    Examples
    --------
    >>> from lowrank_la import datasets
    >>> matrix, vocabulary = datasets.stdlib_terms(max_docs=100)
    >>> matrix.shape == (100, len(vocabulary))
    True
    """
    if max_docs is not None and (isinstance(max_docs, bool) or not isinstance(max_docs, int)):
        raise TypeError(f"max_docs must be an integer or None, got {max_docs!r}")
    if max_docs is not None and max_docs < 1:
        raise ValueError(f"max_docs must be at least 1, got {max_docs}")
    counts = _count_words(max_docs)
    frequency = Counter(word for document in counts for word in document)
    vocabulary = sorted(word for word, documents in frequency.items() if documents > 1)
    return _weigh(_assemble(counts, vocabulary)), vocabulary


def _count_words(max_docs):
    counts = []
    for text in _module_texts():
        counts += [Counter(_WORD.findall(part.lower())) for part in _TOP_LEVEL.split(text) if part.strip()]
        if max_docs is not None and len(counts) >= max_docs:
            return counts[:max_docs]
    return counts


def _module_texts():
    root = Path(sysconfig.get_path("stdlib"))
    names = sorted(path.relative_to(root).as_posix() for path in _sources(root))
    if not names:
        raise FileNotFoundError(f"no source text of the standard library in {root}")
    for name in names:
        yield (root / name).read_text(encoding="utf-8", errors="replace")


def _sources(root):
    """Modules below `root`, without those that describe the machine rather than the release."""
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in _LEFT_OUT and not name.startswith("config-")]
        yield from (
            Path(folder, name) for name in names if name.endswith(".py") and not name.startswith("_sysconfigdata")
        )


def _assemble(counts, vocabulary):
    column = {word: j for j, word in enumerate(vocabulary)}
    entries = [
        [(column[word], count) for word, count in sorted(document.items()) if word in column] for document in counts
    ]
    indptr = np.cumsum([0, *map(len, entries)])
    flat = np.array([entry for document in entries for entry in document], dtype=np.int64).reshape(-1, 2)
    return sparse.csr_array((flat[:, 1].astype(np.float64), flat[:, 0], indptr), shape=(len(counts), len(vocabulary)))


def _weigh(matrix):
    rows, _ = matrix.shape
    document_frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])
    matrix.data *= (np.log((1 + rows) / (1 + document_frequency)) + 1)[matrix.indices]
    norms = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    matrix.data /= np.repeat(norms, np.diff(matrix.indptr))
    return matrix
