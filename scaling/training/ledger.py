"""The account of one attempt: a row in the `attempt` table, written at its start, now and then, and at its end."""

import contextlib
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from scaling.data.pipeline import Skipped
from scaling.models import NonFiniteError
from scaling.store import Storage, read_row, write_rows
from scaling.training.devices import Device

UnitKind = Literal["pretrain", "trial", "transfer", "fewshot"]
Outcome = Literal["running", "done", "failed", "diverged", "interrupted"]
StartReason = Literal["first", "failure", "preemption", "interrupted", "resize", "rung"]
Activity = Literal["training", "evaluating", "waiting"]
BEAT_SECONDS = {True: 1.0, False: 30.0}  # s between two writings of the row: to a local storage, to an object store


class NonFiniteLossError(RuntimeError):
    """A training has diverged: the loss of a step, or what comes of the weights after it, is NaN or infinite."""


class TrainingInterruptedError(RuntimeError):
    """The training was asked to stop, by its user's Ctrl-C or SIGTERM, and has: its last step is in a checkpoint."""


class PreemptedError(TrainingInterruptedError):
    """The training was asked to stop because a machine of it is about to be taken away."""


# Looked up by exact type, so a subclass stands here as well.
OUTCOMES: dict[type[Exception], Outcome] = {
    NonFiniteLossError: "diverged",
    TrainingInterruptedError: "interrupted",
    PreemptedError: "interrupted",
}


@dataclass(frozen=True)
class Unit:
    """What is attempted. One finished unit is one file of result rows."""

    id: str
    kind: UnitKind
    name: str  # the model's
    family: str
    step_flops: float = 0.0  # FLOPs of a training step, valid-tap convention


class Ledger:
    """Clocks and steps of one attempt. Only rank 0 writes; a kill leaves the last written row, outcome 'running'.

    Time that is neither training, evaluating nor waiting is overhead (set-up, checkpoints). Training since the last
    committed step counts as lost until the next commit, so that a row is right whenever the attempt is killed.
    """

    def __init__(self, unit: Unit, study: str, storage: Storage, device: Device) -> None:
        self.unit, self.study, self.storage, self.device = unit, study, storage, device
        self.attempt_id = f"{unit.id}-{uuid.uuid4().hex[:8]}"
        self.start_reason = start_reason(unit.id, storage, device.world) if device.rank == 0 else ""
        # A clock of the wall for people, and for durations one that nobody sets back.
        self.started, self._start = datetime.now(UTC), time.monotonic()
        self.seconds = dict.fromkeys(get_args(Activity), 0.0)
        self.first_step = self.step = self.committed_step = 0
        self.skipped: Skipped = {}  # corrupt images
        self._training_at_commit = 0.0
        # The row is written before any work is done, so that an attempt which is killed at once is there too.
        self._beat_seconds = BEAT_SECONDS[storage.local is not None]
        self._write("running")

    def begin(self, step: int) -> None:
        """Note that the attempt goes on from a committed step."""
        self.first_step = self.step = self.committed_step = step
        self._write("running")

    @contextlib.contextmanager
    def doing(self, activity: Activity) -> Iterator[None]:
        """Add the block's seconds to the activity's, whether the block succeeds or not."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[activity] += time.monotonic() - start

    def commit(self, step: int) -> None:
        """Note that the steps up to `step` are safe in the storage."""
        self._commit(step)
        self._write("running")

    def _commit(self, step: int) -> None:
        self.committed_step = step
        self._training_at_commit = self.seconds["training"]

    def beat(self) -> None:
        """Write the row if BEAT_SECONDS have passed since it was last written."""
        if time.monotonic() - self._written > self._beat_seconds:
            self._write("running")

    def close(self, outcome: Outcome, reason: str = "") -> None:
        """Write the row for the last time; what is done has no lost steps."""
        if outcome == "done":
            self._commit(self.step)
        self._write(outcome, reason)

    def _write(self, outcome: Outcome, reason: str = "") -> None:
        self._written = time.monotonic()
        if self.device.rank:
            return
        committed = self.committed_step - self.first_step
        row = {
            "attempt_id": self.attempt_id,
            "unit_id": self.unit.id,
            "kind": self.unit.kind,
            "study": self.study,
            "name": self.unit.name,
            "family": self.unit.family,
            "device": self.device.name,
            "precision": self.device.precision,
            "workers": self.device.world,
            "cores": self.device.used_cores * self.device.world,
            "host": socket.gethostname(),
            "hosts": self.device.hosts,
            "slice": self.device.slice,
            "start_reason": self.start_reason,
            "started": self.started,
            "first_step": self.first_step,
            "last_step": self.step,
            "committed_step": self.committed_step,
            "seconds_total": time.monotonic() - self._start,
            "seconds_training": self.seconds["training"],
            "seconds_evaluating": self.seconds["evaluating"],
            "seconds_waiting": self.seconds["waiting"],
            "seconds_queued": self.device.seconds_queued,
            "seconds_lost": self.seconds["training"] - self._training_at_commit,
            "corrupt_images": len(self.skipped),
            "first_corrupt": next(iter(self.skipped), ""),
            "train_flops_valid": float(self.unit.step_flops * committed),  # steps that are trained again count once
            "outcome": outcome,
            "reason": reason,
        }
        write_rows(self.storage, "attempt", [row])


def start_reason(unit_id: str, storage: Storage, workers: int) -> StartReason:
    """Why an attempt begins, by how the unit's latest one ended and how many workers that had.

    An interrupted attempt says in its `reason` which error ended it: of a preemption, or by the user's signal.
    """
    names = [name for name in storage.list("attempt") if name.startswith(f"{unit_id}-")]
    earlier = [read_row(storage, "attempt", name.removesuffix(".parquet")) for name in names]
    last = max((row for row in earlier if row), key=lambda row: row["started"], default=None)
    if last is None:
        return "first"
    if last["outcome"] == "done":
        return "rung"  # a trial that has ended is begun again only to go on to its next rung
    # Before the outcome: an elastic group is resized by a restart, which looks like a failure.
    if last["workers"] != workers:
        return "resize"
    if last["outcome"] == "interrupted":
        return "preemption" if last["reason"].startswith(PreemptedError.__name__) else "interrupted"
    return "failure"


@contextlib.contextmanager
def evaluated_at(step: int) -> Iterator[None]:
    """Scores that are no numbers are those of a training that has diverged by this step: NonFiniteLossError says so."""
    try:
        yield
    except NonFiniteError as error:
        raise NonFiniteLossError(f"after step {step} {error}: lower base_lr or set grad_clip") from None


@contextlib.contextmanager
def attempt(unit: Unit, study: str, storage: Storage, device: Device) -> Iterator[Ledger]:
    """One attempt at a unit: its row ends as done, failed, diverged or interrupted, with the error's first line."""
    ledger = Ledger(unit, study, storage, device)
    try:
        yield ledger
    except Exception as error:
        outcome = OUTCOMES.get(type(error), "failed")
        ledger.close(outcome, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:500])
        raise
    ledger.close("done")
