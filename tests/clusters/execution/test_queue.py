"""The queue of worker groups."""

import pytest

from clusters.execution.hangs import FEW, Hang, Worker
from clusters.execution.queue import RESTARTS, RunQueue, Snapshot
from clusters.execution.shutdown import SILENT_SECONDS, Flag


def test_groups_take_turns_until_nothing_waits() -> None:
    queue = RunQueue(["a", "b", "c"])
    assert (queue.take(0), queue.take(1)) == ("a", "b")
    queue.finish(1)
    assert queue.take(1) == "c"
    queue.finish(0, "no luck")
    assert queue.take(0) is None
    queue.finish(1)
    assert queue.snapshot() == Snapshot({}, {"b": "", "a": "no luck", "c": ""})


def test_a_restarted_group_gets_its_run_back_but_not_for_ever() -> None:
    queue = RunQueue(["a", "b"])
    assert [queue.take(0) for _ in range(1 + RESTARTS)] == ["a"] * (1 + RESTARTS)
    assert queue.take(0) == "b"
    assert queue.snapshot().finished == {"a": f"its workers died {RESTARTS + 1} times"}


def test_a_group_that_grows_or_shrinks_keeps_its_run() -> None:
    queue = RunQueue(["a"])
    assert [queue.take(0, workers) for workers in (2, 1) * (1 + RESTARTS)] == ["a"] * 2 * (1 + RESTARTS)


def test_a_stopped_queue_hands_out_nothing_and_tells_who_reports() -> None:
    queue = RunQueue(["a", "b"])
    queue.take(0)
    assert not queue.report("a", 1, {})
    queue.stop()
    assert queue.report("a", 2, {})
    assert queue.take(0) is None
    assert queue.take(1) is None


def test_progress_ends_with_the_run() -> None:
    queue = RunQueue(["a"])
    queue.take(0)
    queue.report("a", 5, {"train_loss": 1.0})
    assert queue.snapshot().progress == {"a": {"step": 5, "train_loss": 1.0}}
    queue.finish(0)
    assert queue.snapshot().progress == {}


def test_a_group_whose_machine_is_taken_away_keeps_its_run() -> None:
    queue = RunQueue(["a"])
    for _ in range(2 * RESTARTS):
        assert queue.take(0) == "a"
        assert queue.leave(0)
    assert queue.take(0) == "a"
    queue.stop()
    assert not queue.leave(0)  # all is to end, there is nowhere to go on


def test_waiting_is_counted_from_the_last_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("clusters.execution.queue.time.monotonic", lambda: now[0])
    queue = RunQueue(["a"])
    queue.asked(0)
    now[0] += 30
    assert queue.waited(0) == 30
    queue.take(0)
    now[0] += 1000
    queue.report("a", 1, {})
    now[0] += 20  # the workers die, and come again
    assert queue.waited(0) == 20


def test_a_group_that_waits_for_its_move_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("clusters.execution.hangs.time.monotonic", lambda: now[0])
    queue = RunQueue(["a", "b"])
    for group, item in enumerate("ab"):
        assert queue.take(group) == item
        queue.join(item, Worker(item, item, "node", group))
        for step in range(1 + FEW):
            queue.report(item, step, {"next": "step"})
    queue.leave(0)
    hangs: list[Hang] = []
    for _ in range(100):
        now[0] += 1
        hangs += queue.news(60)[1]
    assert [hang.workers[0].unit_id for hang in hangs] == ["b"]


def test_a_silent_driver_stops_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("clusters.execution.shutdown.time.monotonic", lambda: now[0])
    queue, flag = RunQueue(["a", "b"]), Flag()
    queue.take(0)
    for _ in range(10):
        now[0] += SILENT_SECONDS - 1
        assert not queue.report("a", 1, {})
        assert not flag.report("a", 1, {})
        assert not queue.beat()
        assert not flag.beat()
    now[0] += SILENT_SECONDS + 1
    assert queue.report("a", 2, {})
    assert flag.report("a", 2, {})
    assert queue.take(1) is None
    assert not queue.leave(0)
    assert queue.beat()  # it wakes, and hears that it was too late
    assert flag.beat()
    assert queue.report("a", 3, {})  # for good: some workers have stopped already


def test_the_workers_notes_come_once() -> None:
    queue = RunQueue(["a"])
    queue.note("one")
    queue.note("two")
    assert queue.news(0) == (["one", "two"], [])
    assert queue.news(120) == ([], [])
