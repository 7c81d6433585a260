"""When a training saves and stops: pure decisions, alike for all workers."""

import pytest

from scaling.training.saving import READ_STEPS, Decision, SaveTimer, decide, request

LAST = Decision(next_step=10, time=100.0)


@pytest.mark.parametrize(
    ("every", "cost", "now", "due"),
    [(15.0, 0.0, 115.0, False), (15.0, 0.0, 115.1, True), (15.0, 1.0, 119.0, False), (15.0, 1.0, 120.1, True)],
)
def test_slow_checkpoints_are_made_less_often(every: float, cost: float, now: float, due: bool) -> None:
    """A checkpoint of a second is to take a twentieth of the time at most."""
    assert SaveTimer(every, saved=100.0, cost=cost).due(now) is due


def test_without_an_interval_checkpoints_are_made_at_every_chance_whatever_they_cost() -> None:
    assert SaveTimer(0.0, saved=100.0).after(100.0, 160.0).due(160.1)
    assert not SaveTimer(1.0, saved=100.0).after(100.0, 160.0).due(160.1)


def test_who_is_told_to_stop_asks_for_a_checkpoint_too() -> None:
    timer = SaveTimer(15.0, saved=100.0)
    assert request(timer, None, LAST, 102.0) == [0.0, 0.0, 0.0, 2.0]
    assert request(timer, False, LAST, 116.0) == [1.0, 0.0, 0.0, 16.0]
    assert request(timer, True, LAST, 102.0) == [1.0, 1.0, 0.0, 2.0]
    assert request(timer, "preemption", LAST, 102.0) == [1.0, 1.0, 1.0, 2.0]


def test_one_worker_of_many_is_enough() -> None:
    decision = decide([0.25, 0.0, 0.0, 1.0], step=20, steps=1, now=5.0)
    assert (decision.save, decision.stop, decision.preempted) == (True, False, False)
    decision = decide([1.0, 0.25, 0.25, 1.0], step=20, steps=1, now=5.0)
    assert (decision.save, decision.stop, decision.preempted, decision.time) == (True, True, True, 5.0)


@pytest.mark.parametrize(("seconds", "ahead"), [(0.0, READ_STEPS), (1.0, 4), (2.0, 2), (60.0, 1)])
def test_losses_are_read_every_tenth_step_and_more_often_where_steps_are_slow(seconds: float, ahead: int) -> None:
    assert decide([0.0, 0.0, 0.0, seconds], step=20, steps=4, now=0.0).next_step == 20 + ahead
