"""Every folder of a reproduced experiment has what the command that runs all of them needs."""

import importlib
import inspect
import json
from pathlib import Path

import pytest

papers = pytest.importorskip("benchmarks.papers.__main__")
FOLDERS = papers.folders()


def test_there_are_ten_folders_at_least():
    assert len(FOLDERS) >= 10


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_says_what_it_claims_and_what_is_expected(name):
    folder = Path(papers.__file__).parent / name
    assert importlib.import_module(f"benchmarks.papers.{name}").CLAIM
    assert json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# ")
    assert f"python -m benchmarks.papers.{name}.run" in readme


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_differs_ends_with_status_one(name):
    """As the source says: running all of them takes a quarter of an hour."""
    source = inspect.getsource(importlib.import_module(f"benchmarks.papers.{name}.run"))
    assert "return 1 if wrong else 0" in source
    assert "raise SystemExit(main())" in source


def test_an_unknown_folder_is_named(capsys):
    with pytest.raises(SystemExit):
        papers.main(["nobody_1900"])
    assert "'nobody_1900' is no folder here" in capsys.readouterr().err
