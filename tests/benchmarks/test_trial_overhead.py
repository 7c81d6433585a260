"""The account of a slot's time. No time is judged."""

from datetime import UTC, datetime

import polars as pl
import pytest

from benchmarks.trial_overhead import Options, Overhead, main, overhead, report


def attempts(outcome: str = "done") -> pl.DataFrame:
    """Two slots, two trials each: 3 s of work and 1 s of set-up, half a second after each."""
    return pl.DataFrame(
        {
            "started": [datetime.fromtimestamp(t, UTC) for t in (10.0, 10.0, 14.5, 14.5)],
            "seconds_total": 4.0,
            "seconds_training": 2.5,
            "seconds_evaluating": 0.25,
            "seconds_waiting": 0.25,
            "outcome": ["done", "done", "done", outcome],
        }
    )


def test_a_slots_time_is_accounted_for_whole() -> None:
    found = overhead(attempts(), began=7.0, ended=19.0, slots=2)
    assert found == Overhead(trials=4, slots=2, start=3.0, work=3.0, setup=1.0, between=0.5)
    assert found.overhead == 1.5
    assert found.overhead_with_start == 3.0
    assert (found.work + found.overhead_with_start) * 4 == (19 - 7) * 2
    assert "1.50 s, above the goal of 1 s" in "\n".join(report(found))


def test_a_failed_attempt_is_not_timed() -> None:
    with pytest.raises(AssertionError, match="1 attempts did not end well"):
        overhead(attempts("failed"), 0.0, 20.0, 2)


def test_one_trial_has_none_after_it() -> None:
    with pytest.raises(ValueError, match="trials must be at least 2"):
        main(Options(trials=1))
