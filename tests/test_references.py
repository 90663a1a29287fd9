"""One bibliography serves docstrings, results and documentation."""

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import lowrank_la as lr
from lowrank_la.references import METHODS, SOFTWARE, bibliography

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIRED = {
    "article": {"author", "title", "journal", "year", "volume"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title", "eprint", "archiveprefix", "year"},
    "software": {"author", "title", "version", "year"},
}
KEY = re.compile(r"\.\. \[\d+\]\s*(\S.*)")


def modules():
    for found in pkgutil.walk_packages(lr.__path__, "lowrank_la."):
        if "_kernels" not in found.name and not found.name.endswith("__main__"):
            yield import_module(found.name)


def docstrings():
    for module in modules():
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) == module.__name__ and inspect.getdoc(thing):
                yield f"{module.__name__}.{name}", inspect.getdoc(thing)


def test_the_bibliography_of_the_documentation_is_that_of_the_package():
    ours = REPOSITORY / "lowrank_la" / "data" / "references.bib"
    docs = REPOSITORY / "docs" / "references.bib"
    assert docs.read_text(encoding="utf-8") == ours.read_text(encoding="utf-8")


def test_every_entry_of_the_file_is_read():
    text = (REPOSITORY / "lowrank_la" / "data" / "references.bib").read_text(encoding="utf-8")
    assert len(bibliography()) == text.count("@") - text.count("\\@")
    assert "\n\n".join(entry.bibtex for entry in bibliography().values()) + "\n" == text


def test_keys_are_sorted():
    assert list(bibliography()) == sorted(bibliography())


@pytest.mark.parametrize("key", bibliography())
def test_every_entry_has_the_fields_of_its_kind_and_the_year_of_its_key(key):
    entry = bibliography()[key]
    assert REQUIRED[entry.kind] <= set(entry.fields)
    assert entry.bibtex.count("{") == entry.bibtex.count("}")
    assert key == SOFTWARE or entry.fields["year"] in key


def test_every_source_that_a_docstring_names_is_in_the_bibliography():
    unknown = {(name, key) for name, text in docstrings() for key in KEY.findall(text) if key not in bibliography()}
    assert unknown == set()


def test_every_source_of_a_method_is_in_the_bibliography():
    assert {key for methods in METHODS.values() for keys in methods.values() for key in keys} <= set(bibliography())


def test_the_software_entry_has_the_version_of_the_package():
    assert bibliography()[SOFTWARE].fields["version"] == lr.__version__
    assert f"version: {lr.__version__}" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")


def test_a_function_cites_the_sources_of_its_docstring_and_the_library():
    def function():
        """Do something.

        References
        ----------
        .. [1] yu_gu_li_2018
        .. [2] halko_martinsson_tropp_2011
        """

    keys = re.findall(r"^@\w+\{(\w+),", lr.cite(function), re.MULTILINE)
    assert keys == ["yu_gu_li_2018", "halko_martinsson_tropp_2011", SOFTWARE]


@pytest.mark.parametrize("name", ["svd", "eigh", "qb", "nystrom", "tall_qr"])
def test_every_decomposition_cites_a_paper(name):
    assert lr.cite(getattr(lr, name)).count("@") > 1


@pytest.mark.parametrize(
    ("kind", "method", "key"),
    [
        ("SVDResult", "subspace", "feng_yu_xie_tang_2024"),
        ("SVDResult", "gram+krylov", "musco_musco_2015"),
        ("QBResult", "qb", "yu_gu_li_2018"),
    ],
)
def test_a_result_cites_the_method_that_ran(kind, method, key):
    result = type(kind, (), {"info": SimpleNamespace(method=method)})()
    assert key in lr.cite(result)


def test_a_decomposition_by_lapack_cites_the_library_alone():
    assert lr.cite(lr.svd([[1.0, 2.0], [3.0, 4.0]], 1, method="dense")) == lr.cite()


@pytest.mark.parametrize("obj", [3, "svd", [1.0], {"info": 1}])
def test_other_things_cannot_be_cited(obj):
    with pytest.raises(TypeError, match="cite takes"):
        lr.cite(obj)
