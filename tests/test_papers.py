"""Every folder of a reproduced experiment has what the command that runs all of them needs."""

import importlib
import json
from pathlib import Path

import pytest

papers = pytest.importorskip("benchmarks.papers.__main__")
study = pytest.importorskip("benchmarks.papers.study")
FOLDERS = papers.folders()


def of(name):
    return importlib.import_module(f"benchmarks.papers.{name}.run").STUDY


def made(folder, found, wrong=(), different=()):
    """A study of nothing in `folder`, as it would be in its ``run.py``."""

    def draw(_found):
        from matplotlib.figure import Figure

        return Figure()

    return study.Study(
        str(folder / "run.py"), "Nothing: a test.", {"quick": {}, "medium": {}}, lambda: found,
        lambda _: list(wrong), lambda found, expected: [] if found == expected else list(different), draw,
    )  # fmt: skip


def test_there_are_ten_folders_at_least():
    assert len(FOLDERS) >= 10


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_says_what_it_claims_and_what_is_expected_of_its_quick_form(name):
    folder = Path(papers.__file__).parent / name
    assert importlib.import_module(f"benchmarks.papers.{name}").CLAIM
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# ")
    assert f"python -m benchmarks.papers.{name}.run" in readme
    expected = of(name).stored()
    assert expected["quick"]
    assert {"medium", "full"} & set(expected)
    assert set(expected) <= set(of(name).sizes)
    assert (folder / "figure.png").exists()


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_expected_keeps_the_claims(name):
    for size, found in of(name).stored().items():
        assert of(name).problems(found) == [], size


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_expected_does_not_differ_from_itself(name):
    for size, found in of(name).stored().items():
        assert of(name).differences(found, found) == [], size


def test_the_quick_form_of_one_folder_is_as_expected_and_draws(tmp_path, capsys):
    assert of("nouy_michel_2023").main(["--picture", str(tmp_path / "figure.png")]) == 0
    assert "\nas expected" in capsys.readouterr().out
    assert (tmp_path / "figure.png").stat().st_size > 0


def test_what_is_stored_is_compared_with_and_a_difference_is_status_one(tmp_path, capsys):
    assert made(tmp_path, {"a": 1}).main(["--store"]) == 0
    assert (tmp_path / "figure.png").exists()
    assert json.loads((tmp_path / "expected.json").read_text(encoding="utf-8")) == {"quick": {"a": 1}}
    assert made(tmp_path, {"a": 2}, different=["a: 2, expected 1"]).main([]) == 1
    assert "not as expected:\na: 2, expected 1" in capsys.readouterr().out
    assert made(tmp_path, {"a": 2}, different=["never"]).main(["--medium"]) == 0


def test_a_claim_that_does_not_hold_is_status_one_whatever_is_stored(tmp_path):
    assert made(tmp_path, {"a": 1}, wrong=["a is too small"]).main(["--store"]) == 1


def test_json_keeps_rows_on_a_line_and_reads_back():
    value = {"rows": [{"a": i, "b": [0.1] * 50} for i in range(3)], "é": [[1, 2], []], "none": None}
    text = study.as_text(value)
    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= 300
    assert len(text.splitlines()) < 20


def test_an_unknown_folder_is_named(capsys):
    with pytest.raises(SystemExit):
        papers.main(["nobody_1900"])
    assert "'nobody_1900' is no folder here" in capsys.readouterr().err


def test_the_table_of_the_documentation_is_never_that_of_the_quick_forms(capsys):
    with pytest.raises(SystemExit):
        papers.main(["--store"])
    assert "--store keeps whole runs of --medium or --full" in capsys.readouterr().err
