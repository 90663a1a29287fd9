"""README and documentation say what the library and the stored results say."""

import inspect
import re
from pathlib import Path

import benchmark_tables
import pytest
import render_benchmarks
import render_measured
import render_pages

import lowrank_la as lr
from lowrank_la import _backend as be

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

ROW = {
    "contender": "lowrank_la svd",
    "setting": "default",
    "ours": True,
    "default": True,
    "accurate": True,
    "error": 1e-9,
    "seconds": 0.1,
    "seconds_low": 0.09,
    "seconds_high": 0.12,
    "cold_seconds": 0.5,
    "extra_megabytes": 3.0,
    "ratio_to_best_peer": 0.5,
    "note": "",
}
PAYLOAD = {
    "target": 1e-6,
    "machine": {"processor": "P", "threads": 2, "versions": {"numpy": "2"}},
    "problems": {
        "a": {
            "title": "T",
            "rank": 5,
            "ours": {"method": "krylov"},
            "rows": [
                ROW,
                ROW | {"contender": "slow", "ours": False, "seconds": 0.2, "ratio_to_best_peer": 1.0},
                ROW | {"contender": "wrong", "ours": False, "seconds": 0.01, "accurate": False, "error": 0.1},
                ROW | {"contender": "failed", "ours": False, "seconds": None, "accurate": False, "error": None},
            ],
        }
    },
}


def test_the_benchmark_table_of_the_readme_is_that_of_the_stored_results():
    _, _, rest = README.partition(render_benchmarks.START)
    shown, _, _ = rest.partition(render_benchmarks.END)
    payload = render_benchmarks.load()
    expected = render_benchmarks.summary(payload) if payload else render_benchmarks.NOT_YET
    assert shown.strip() == expected.strip()


def test_a_peer_that_misses_the_target_never_counts_as_the_fastest():
    table = render_benchmarks.summary(PAYLOAD)
    assert "| a | T | 5 | 100 ms | krylov | slow (default) | 200 ms | 0.50 |" in table


def test_every_contender_is_in_the_full_table_and_a_missed_target_is_in_brackets():
    table = render_benchmarks.full(PAYLOAD)
    assert "| **lowrank_la svd** | default | 1e-09 | 100 ms | 90 ms to 120 ms | 500 ms | 3 MB | 0.50 |" in table
    assert "| wrong | default | (1e-01) |" in table
    assert "| failed | default | – |" in table


def test_other_measurements_are_listed_by_name():
    table = render_benchmarks.extras({"extras": {"tall_qr": {"numpy / ours": 14.321, "failed": None}}})
    assert "### tall qr" in table
    assert "| numpy / ours | 14.3 |" in table
    assert render_benchmarks.extras({}) == ""


GPU = {"commit": "0123456789ab", "devices": {"cupy": "GPU"}, "tests": {"status": 0}}


def test_the_backend_table_has_every_declared_function(monkeypatch):
    monkeypatch.setattr(render_benchmarks, "load", lambda _: GPU)
    table = render_pages.backends()
    for name in be.SUPPORT:
        assert f"| `{name}` |" in table
    assert table.count("verified at 01234567 ") == len(be.SUPPORT)


@pytest.mark.parametrize(
    "gpu", [None, GPU | {"tests": {"status": 1}}, GPU | {"devices": {"torch": "GPU"}}, {**GPU, "commit": None}]
)
def test_the_backend_table_claims_no_gpu_that_nobody_tried(gpu, monkeypatch):
    monkeypatch.setattr(render_benchmarks, "load", lambda _: gpu)
    table = render_pages.backends()
    assert "verified at" not in table
    assert table.count("| not yet run |") == sum(support.cupy for support in be.SUPPORT.values())


def test_the_key_of_a_source_is_spelled_out_in_the_documentation():
    line = render_pages.spelled_out("    .. [2] musco_musco_2015")
    assert line.startswith("    .. [2] Cameron Musco and Christopher Musco. Randomized block Krylov methods")
    assert render_pages.spelled_out("    .. [2] nobody_1900") == "    .. [2] nobody_1900"
    assert "musco_musco_2015" in render_pages.references()


@pytest.mark.parametrize("name", [name for name in lr.__all__ if name not in ("__version__", *lr._SUBMODULES)])
def test_every_public_name_has_a_line_in_the_documentation(name):
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.search(rf"^   {name}$", page, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(link):
    assert link.startswith("https://") or (REPOSITORY / link).exists()


def test_the_changelog_starts_with_the_version_of_the_package():
    text = (REPOSITORY / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.MULTILINE).group(1) == lr.__version__


def calls_of(page):
    """Names of public functions and the keywords that a page gives them."""
    for name, arguments in re.findall(r"\blr\.(\w+)\(([^`\n]*)", page):
        yield name, re.findall(r"\b(\w+)=", arguments)


@pytest.mark.parametrize("page", ["guide/which_function.md", "guide/coming_from.md", "index.md"])
def test_the_calls_of_a_page_that_are_not_run_name_what_exists(page):
    for name, keywords in calls_of((REPOSITORY / "docs" / page).read_text(encoding="utf-8")):
        found = getattr(lr, name)
        known = set(inspect.signature(found).parameters)
        known |= {key for method in vars(found).values() if callable(method) for key in parameters(method)}
        assert set(keywords) <= known, name


def parameters(method):
    try:
        return inspect.signature(method).parameters
    except (TypeError, ValueError):
        return ()


def test_every_function_has_its_line_in_the_decision_guide():
    page = (REPOSITORY / "docs" / "guide" / "which_function.md").read_text(encoding="utf-8")
    beside = {  # parts and checks of the others, named in their guides
        *("Chebyshev", "Hermite", "Legendre", "RankOne", "LowRank", "SparsePlusLowRank", "as_operator", "operator"),
        *("block_source", "cite", "load", "show_versions", "congruence", "factor_match_score", "newton_kernel"),
        *("embedding_distortion", "hadamard", "dct", "strongest_columns", "lewis_weights", "lp_sensitivities"),
        *("ProjectionDPP", "volume_sample", "volume_rescaled_sample"),
        *(name for name in lr.__all__ if name.endswith(("Error", "Warning"))),
    }
    names = {name for name in lr.__all__ if name not in ("__version__", *lr._SUBMODULES)}
    assert {name for name in names - beside if f"lr.{name}" not in page} == set()


def test_every_room_has_its_section_of_benchmarks_stored_or_not():
    page = render_pages.benchmarks()
    for room, title in render_benchmarks.ROOMS.items():
        assert f"\n## {title}\n" in page
        assert f"benchmarks.bench_{room}" in page or render_benchmarks.load(room)
        assert (REPOSITORY / "benchmarks" / f"bench_{room}.py").exists()


def test_losses_are_counted_and_shown_bold(monkeypatch):
    slow = ROW | {"seconds": 0.4}
    peer = ROW | {"contender": "peer", "ours": False, "seconds": 0.2}
    problem = {"title": "T", "rows": [slow, peer]}
    monkeypatch.setattr(
        render_benchmarks, "load", lambda name: {"problems": {"a": problem}} if name == "factor" else None
    )
    page = render_benchmarks.overview()
    assert "Faster on 0 problems, slower on 1 (in bold)" in page
    assert "| peer | 200 ms | **2** |" in page


def test_a_limit_is_no_peer():
    peer = ROW | {"contender": "peer", "ours": False, "seconds": 0.2}
    rows = [ROW, peer, peer | {"contender": "limit: reading", "seconds": 0.01}]
    assert benchmark_tables.fastest_peer(rows) is peer
    lines = benchmark_tables.table([row | {"ratio_to_best_peer": None} for row in rows])
    assert any(line.startswith("| **lowrank_la svd** | 100 ms |") and line.endswith("| 0.5 |") for line in lines)
    assert any(line.startswith("| limit: reading | 10 ms |") and line.endswith("| – |") for line in lines)


def test_a_rate_counts_where_no_time_was_measured():
    rows = [
        {"contender": name, "ours": name == "own", "rows_per_second": rate} for name, rate in (("own", 2.0), ("p", 4.0))
    ]
    lines = benchmark_tables.table(rows)
    assert lines[0] == "| contender | rows a second | over the best peer |"
    assert lines[2:] == ["| **own** | 2 | 2 |", "| p | 4 | 1 |"]


def test_an_aim_that_was_missed_is_said():
    row = {"contender": "C: seconds", "ours": True, "found": "0.5", "aim": "≤ 0.3", "met": False}
    assert benchmark_tables.table([row])[2] == "| C: seconds | 0.5 | ≤ 0.3 | **missed** |"


def test_an_error_that_is_too_large_is_in_brackets():
    lines = benchmark_tables.table([ROW, ROW | {"contender": "wrong", "ours": False, "accurate": False, "error": 0.1}])
    assert any("| wrong |" in line and "| (1.0e-01) |" in line for line in lines)


def test_numbers_are_aligned_and_words_are_not():
    assert benchmark_tables.headed("name", ">time") == ["| name | time |", "|---|---:|"]


def test_tables_inside_of_guides_show_what_is_stored():
    shown = render_measured.directions()
    for row in render_benchmarks.load("streaming")["problems"]["sizes"]["rows"]:
        assert f"| {row['contender'].split()[2]} | {row['state_kilobytes']:.0f} kB " in shown
        assert f"| {row['delta']:.1e} | {row['true']:.1e} |" in shown
    shown = render_measured.larger_than_memory()
    for problem in ("map", "dask"):
        for row in render_benchmarks.load("blocks")["problems"][problem]["rows"]:
            assert re.search(rf"\| {row['seconds']:.{1 if problem == 'map' else 2}f} s \|", shown)


@pytest.mark.parametrize("table", [render_measured.directions, render_measured.larger_than_memory])
def test_a_guide_without_stored_results_names_the_command_that_stores_them(table, monkeypatch):
    monkeypatch.setattr(render_benchmarks, "load", lambda name: None)
    assert re.search(r"python -m benchmarks\.bench_\w+", table())
