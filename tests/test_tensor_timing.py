"""The clocks, ratios and aims of the tensor benchmarks."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("benchmarks.harness", reason="the benchmarks are not in an installed package")

from benchmarks import tensor_timing as timing


def test_a_sweep_is_timed_without_what_comes_before_and_after():
    def call(stamp):
        time.sleep(0.2)
        for _ in range(5):
            stamp()
            time.sleep(0.004)
        time.sleep(0.2)
        return "answer"

    seconds, result = timing.clocked(call)
    assert result == "answer"
    assert 0.004 <= seconds < 0.1


def test_a_contender_that_fails_is_a_row_without_a_time():
    found = timing.contest({"lowrank_la": lambda: 1, "peer": lambda: 1 / 0}, 2)
    assert len(found["lowrank_la"].times) == 2
    row = found["peer"].row("peer", error=float("inf"))
    assert (row["accurate"], row["runs"], row["note"]) == (False, 0, "failed: ZeroDivisionError")


def test_the_ratio_is_to_the_fastest_accurate_peer_and_not_to_limits(capsys):
    rows = [
        {"contender": "lowrank_la cp", "ours": True, "accurate": True, "seconds": 1.0},
        {"contender": "slow", "ours": False, "accurate": True, "seconds": 4.0},
        {"contender": "wrong", "ours": False, "accurate": False, "seconds": 2.0},
        {"contender": f"{timing.LIMIT}reading", "ours": False, "seconds": 0.5},
    ]
    found = timing.problem("title", rows)
    assert [row["ratio_to_best_peer"] for row in found["rows"]] == [0.25, 1.0, 0.5, 0.125]
    assert timing.times_peer(rows, "lowrank_la cp") == 4.0
    assert "title" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "met"), [(0.1, True), (0.2, False), (float("nan"), False)])
def test_an_aim_says_whether_it_is_met(value, met, capsys):
    aims = [timing.aim("seconds", value, most=0.15)]
    assert aims[0]["met"] is met
    listed = timing.summary({"one": {"title": "t", "rows": [], "aims": aims}, "aims": {"aims": aims}})
    assert len(listed["rows"]) == 1
    assert ("missed" in listed["rows"][0]["note"]) is not met
    assert "1 aims" in capsys.readouterr().out
