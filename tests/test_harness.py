import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("benchmarks.harness", reason="the benchmarks are not in an installed package")

from benchmarks import bench_factor, gpu, harness, problems, report
from lowrank_la import testing


def test_functions_are_timed_in_turn():
    calls = []
    timings = harness.alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 3
    assert all(len(timing.times) == 3 and timing.median >= 0 for timing in timings.values())


def test_a_slow_function_runs_three_times():
    calls = []
    harness.alternate({"a": lambda: calls.append("a")}, 9, budget=0.0)
    assert len(calls) == 3


def test_the_interval_of_nine_runs_leaves_out_the_extremes():
    assert harness.median_interval(np.arange(9.0)) == (1.0, 7.0)
    assert harness.median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_the_interval_holds_the_median_as_often_as_it_says():
    samples = np.random.default_rng(0).exponential(size=(2000, 9))
    inside = [low <= math.log(2.0) <= high for low, high in map(harness.median_interval, samples)]
    assert np.mean(inside) >= 0.95


def test_the_device_is_idle_before_and_after_a_run():
    calls = []
    harness.seconds(lambda: calls.append("run"), lambda: calls.append("wait"))
    assert calls == ["wait", "run", "wait"]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the memory counters of Linux")
def test_peak_memory_counts_what_was_freed_again():
    megabytes = harness.peak_extra_memory(lambda: np.ones((100, 2**17)).sum())
    assert 90 < megabytes < 130 or math.isnan(megabytes)


def _sweep(errors, default=None):
    settings = [(f"q={i}", lambda error=error: error) for i, error in enumerate(errors)]
    return harness.Contender("peer", settings, default)


def test_the_cheapest_accurate_setting_is_timed(capsys):
    rows = harness.gate(_sweep([1e-2, 1e-7, 1e-12]), "p", lambda error: error, 1e-6)
    assert [(row.setting, row.passes) for row in rows] == [("q=1", True)]


def test_an_inaccurate_default_is_reported_and_not_counted(capsys):
    rows = harness.gate(_sweep([1e-2, 1e-7], "q=0"), "p", lambda error: error, 1e-6)
    assert [(row.setting, row.passes) for row in rows] == [("q=0", False), ("q=1", True)]
    assert harness.rank_rows(rows) is rows[1]


def test_a_peer_that_fails_is_a_row_without_a_time(capsys):
    def broken():
        raise ValueError("no")

    (row,) = harness.gate(harness.Contender("peer", [("only", broken)], "only"), "p", lambda error: error, 1e-6)
    assert row.timing is None
    assert row.note == "failed: ValueError"
    assert "ValueError" in report.table([row])


def test_ratios_are_to_the_fastest_accurate_peer():
    def row(name, error, time, ours=False):
        return harness.Row("p", name, "", error, error < 1e-6, harness.Timing((time,)), ours=ours)

    rows = [row("ours", 1e-8, 1.0, ours=True), row("quick and wrong", 1e-2, 0.1), row("good", 1e-9, 2.0)]
    assert harness.rank_rows(rows).name == "good"
    assert rows[0].ratio == 0.5


def test_a_report_names_no_path_and_survives_nan(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    row = harness.Row("p", "ours", "", 1e-8, True, harness.Timing((1.0,), math.nan), math.nan)
    text = report.write_json("report", {"rows": [row.record()]}).read_text()
    assert json.loads(text)["rows"][0]["cold_seconds"] is None
    assert str(Path.home()) not in text
    assert "processor" in json.loads(text)["machine"]


def test_wrong_shapes_fail_the_accuracy_gate():
    A = testing.matrix(30, 20, "polynomial_one")
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    problem = problems.Problem("t", "small", A, 5, s[:5])
    assert problem.error((U[:, :5], s[:5], Vh[:5])) == 0
    assert problem.error((U, s, Vh)) == math.inf
    assert problem.error((U[:, :5], s[:5] * [1, 1, 1, 1, np.nan], Vh[:5])) == math.inf


def test_our_methods_pass_the_gate_on_a_small_problem(capsys):
    A = testing.matrix(300, 200, "exponential_medium")
    problem = problems.Problem("t", "small", A, 5, testing.spectra["exponential_medium"](5))
    rates = {"gemm_flops": 1e10, "read_bytes": 1e10}
    summary = bench_factor.run_problem(problem, rates, repeats=3, budget=1.0, only=["LAPACK", "gesdd"])
    assert any(row["ours"] and row["accurate"] for row in summary["rows"])
    assert summary["ours"]["floor_seconds"] > 0


def test_the_gpu_benchmark_without_a_gpu_says_so(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "DEVICES", ())
    assert gpu.main([]) == gpu.NO_GPU
    assert len(capsys.readouterr().err.splitlines()) == 1
