"""What is taken for a hang, by a clock of the test's own; tests/test_hangs.py stops real workers."""

import pytest

from clusters.execution.hangs import FEW, GAPS, TICK_SECONDS, UNKNOWN, Hang, Hangs, Worker

LEAST = 10.0
WORKER = Worker("unit", "a model", "node", 1)


class Clock:
    """The time, which passes as a driver that looks every half second has it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.hangs: Hangs

    def until_found(self, limit: float) -> float | None:
        """Seconds until a hang is found, None: not within `limit`."""
        began = self.now
        while self.now - began < limit:
            self.now += 0.5
            if self.hangs.found(LEAST):
                return self.now - began
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("clusters.execution.hangs.time.monotonic", lambda: made.now)
    made.hangs = Hangs()
    made.hangs.begin("item")
    made.hangs.join("item", WORKER)
    return made


def step(clock: Clock, seconds: float, coming: str = "step") -> None:
    for _ in range(round(seconds / 0.5)):
        clock.now += 0.5
        assert clock.hangs.found(LEAST) == []
    clock.hangs.report("item", coming)


def steps(clock: Clock) -> None:
    """As many as make the usual time known: half a second."""
    for _ in range(FEW + 1):
        step(clock, 0.5)


def test_no_report_for_long_is_a_hang_said_once(clock: Clock) -> None:
    steps(clock)
    assert clock.until_found(100) == pytest.approx(LEAST, abs=0.6)
    assert clock.until_found(10_000) is None
    clock.hangs.begin("item")  # its workers are there again
    clock.hangs.join("item", WORKER)
    steps(clock)
    assert clock.until_found(100) == pytest.approx(LEAST, abs=0.6)


@pytest.mark.parametrize("usual", [1.0, 4.0, 30.0])
def test_slow_steps_are_none(clock: Clock, usual: float) -> None:
    for _ in range(GAPS):
        step(clock, usual)
    assert clock.until_found(10_000) == pytest.approx(max(LEAST, GAPS * usual), abs=0.6)


def test_a_start_an_evaluation_and_a_checkpoint_have_longer(clock: Clock) -> None:
    step(clock, UNKNOWN * LEAST - 1)
    steps(clock)
    step(clock, 0.5, "evaluation")
    step(clock, UNKNOWN * LEAST - 1)
    step(clock, 0.5)
    assert clock.until_found(1000) == pytest.approx(LEAST, abs=0.6)  # pauses are no gaps between steps


def test_an_evaluation_whose_time_is_known_hangs_too(clock: Clock) -> None:
    for _ in range(FEW):
        step(clock, 0.5, "evaluation")
        step(clock, 2)
    step(clock, 0.5, "evaluation")
    assert clock.until_found(1000) == pytest.approx(GAPS * 2, abs=0.6)


def test_a_hung_start_is_found_too(clock: Clock) -> None:
    assert clock.until_found(10_000) == pytest.approx(UNKNOWN * LEAST, abs=0.6)


def test_who_slept_has_missed_no_step(clock: Clock) -> None:
    steps(clock)
    clock.now += 100_000  # the actor's machine, or the driver, was stopped
    assert clock.hangs.found(LEAST) == []
    assert clock.until_found(100) == pytest.approx(LEAST - TICK_SECONDS, abs=0.6)


def test_what_has_ended_is_not_missed(clock: Clock) -> None:
    step(clock, 1)
    clock.hangs.end("item")
    assert clock.until_found(1000) is None
    clock.hangs.report("item", "step")  # a last word that comes late
    clock.hangs.join("item", WORKER)
    assert clock.until_found(1000) is None


def test_the_hang_names_all_its_workers(clock: Clock) -> None:
    other = Worker("unit", "a model", "node", 2)
    clock.hangs.join("item", other)
    steps(clock)
    clock.now += TICK_SECONDS
    found: list[Hang] = []
    while not found:
        clock.now += TICK_SECONDS
        found = clock.hangs.found(LEAST)
    assert found[0].workers == (WORKER, other)
