"""The account of one attempt: a row in the `attempt` table, written at its start, now and then, and at its end."""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from scaling.data.pipeline import Skipped
from scaling.models import NonFiniteError
from scaling.store import CLOCKS, Storage, earlier_attempts, row_file, settle, without_secrets, write_rows
from scaling.training.devices import Device
from scaling.training.holding import devices_used, seconds_held

UnitKind = Literal["pretrain", "trial", "transfer", "fewshot", "metric"]
Outcome = Literal["running", "done", "failed", "diverged", "interrupted", "killed"]
StartReason = Literal["first", "failure", "preemption", "interrupted", "resize", "rung"]
Activity = Literal["training", "evaluating", "waiting"]
BEAT_SECONDS = {True: 1.0, False: 30.0}  # s between two writings of the row: to a local storage, to an object store
TOUCH_SECONDS = 0.2  # s between two signs of life in between, where they cost nothing: on a disk


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
    committed step counts as lost until the next commit. The row is renewed by a thread, also within a long step; what a
    kill leaves out of it the next attempt at the unit finds in the checkpoint (`scaling.store.accounts`).
    """

    def __init__(self, unit: Unit, study: str, storage: Storage, device: Device) -> None:
        self.unit, self.study, self.storage, self.device = unit, study, storage, device
        self.attempt_id = f"{unit.id}-{uuid.uuid4().hex[:8]}"
        self._earlier = earlier_attempts(storage, unit.id) if device.rank == 0 else []
        self.start_reason = start_reason(self._earlier, device.world) if device.rank == 0 else ""
        self.seconds_starting = seconds_held(device.seconds_queued)
        # A clock of the wall for people, and for durations one that nobody sets back.
        self.started, self._start = datetime.now(UTC), time.monotonic()
        self.seconds = dict.fromkeys(get_args(Activity), 0.0)
        self.first_step = self.step = self.committed_step = 0
        self.skipped: Skipped = {}  # corrupt images
        self._training_at_commit = 0.0
        self._writing = threading.Lock()
        # The row is written before any work is done, so that an attempt which is killed at once is there too.
        self._write("running")
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        if device.rank == 0:
            self._beats.start()

    def begin(self, step: int, account: dict[str, Any] | None = None) -> None:
        """Note that the attempt goes on from a committed step, whose checkpoint holds `account`."""
        self.first_step = self.step = self.committed_step = step
        if self._earlier:
            settle(self.storage, self._earlier, step, account)
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

    def account(self, step: int) -> dict[str, Any]:
        """What a checkpoint of the step is to carry: the account as it is when this step is committed."""
        row = self._row("running", "")
        kept = {"committed_step": step, "train_flops_valid": float(self.unit.step_flops * (step - self.first_step))}
        return {name: row[name] for name in ("attempt_id", *CLOCKS)} | kept

    def _beat(self) -> None:
        """Renew the row every BEAT_SECONDS, and give signs of life in between, until the attempt has ended."""
        local = self.storage.local
        file = None if local is None else local / row_file("attempt", self.attempt_id)
        while not self._ended.wait(TOUCH_SECONDS if file else BEAT_SECONDS[False] / 10):
            # The next one may get through; whether the storage is lost the training finds out by itself.
            with contextlib.suppress(OSError, ValueError):
                if time.monotonic() - self._written > BEAT_SECONDS[file is not None]:
                    self._write("running")
                elif file is not None:
                    os.utime(file)

    def end(self) -> None:
        """Let the row be, as a killed process does."""
        self._ended.set()
        if self._beats.is_alive():
            self._beats.join()  # or it would write 'running' over a later row
        devices_used()

    def close(self, outcome: Outcome, reason: str = "") -> None:
        """Write the row for the last time; what is done has no lost steps."""
        self.end()
        if outcome == "done":
            self._commit(self.step)
        self._write(outcome, reason)

    def _write(self, outcome: Outcome, reason: str = "") -> None:
        self._written = time.monotonic()
        if self.device.rank == 0:
            with self._writing:  # no row is replaced by an older one
                write_rows(self.storage, "attempt", [self._row(outcome, reason)])

    def _row(self, outcome: Outcome, reason: str) -> dict[str, Any]:
        committed = self.committed_step - self.first_step
        return {
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
            "seconds_starting": self.seconds_starting,
            "seconds_lost": self.seconds["training"] - self._training_at_commit,
            "corrupt_images": len(self.skipped),
            "first_corrupt": next(iter(self.skipped), ""),
            "train_flops_valid": float(self.unit.step_flops * committed),  # steps that are trained again count once
            "outcome": outcome,
            "reason": reason,
        }


def start_reason(earlier: Sequence[dict[str, Any]], workers: int) -> StartReason:
    """Why an attempt begins, by how the unit's latest one ended and how many workers that had.

    An interrupted attempt says in its `reason` which error ended it: of a preemption, or by the user's signal.
    """
    if not earlier:
        return "first"
    last = earlier[-1]
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
        said = without_secrets(str(error).splitlines()[0]) if str(error) else ""
        ledger.close(outcome, f"{type(error).__name__}: {said}"[:500])
        raise
    except BaseException:  # Ctrl-C in a process without a driver, or the process's own end
        ledger.end()
        raise
    ledger.close("done")
