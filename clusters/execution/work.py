"""One unit of work as a cluster's process gets it, and the call that does it: that of an ordinary function."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from scaling.flops import pretrain_flops, transfer_flops
from scaling.runs import finetune, pretrain, probe, table_of
from scaling.specs import Pretrain, Probe, Transfer
from scaling.store import Storage, read_row
from scaling.training import Device, Report, broadcast


@dataclass(frozen=True)
class Work:
    """A unit, the checkpoint of its upstream (None for a from-scratch baseline), and the rung that a trial goes to."""

    unit: Pretrain | Transfer | Probe
    checkpoint: str | None = None
    until: int | None = None

    @property
    def id(self) -> str:
        return f"{self.unit.id}-{self.until or ''}"

    @property
    def flops(self) -> float:
        """FLOPs of the whole training, by which the most expensive goes first; 0 for a probe, which has none."""
        match self.unit:
            case Pretrain():
                return pretrain_flops(self.unit, valid=True)
            case Transfer():
                return transfer_flops(self.unit, valid=True)
            case Probe():
                return 0.0


def unit_call(
    work: Work, *, storage: Storage, study: str, device: Device, report: Report, save_seconds: float
) -> Callable[[], dict[str, Any] | None]:
    """The call that does the unit, leaves its rows and returns a fine-tuning's row.

    It is returned, not made, so that a worker's stack is short: its entry, the unit's function, the training loop. If
    the rows are there already, the call finds them: a worker of a killed driver may have ended the unit after it was
    listed as missing.
    """
    row = broadcast(finished_row(work, storage) if device.rank == 0 else None, device)
    if row is not None:
        return lambda: row
    common: dict[str, Any] = {"storage": storage, "study": study, "device": device}
    training = common | {"report": report, "save_seconds": save_seconds}
    match work.unit:
        case Pretrain():
            return partial(pretrain, work.unit, **training)
        case Transfer():
            return partial(finetune, work.unit, checkpoint=work.checkpoint, until=work.until, **training)
        case Probe():
            return partial(probe, work.unit, checkpoint=work.checkpoint, **common)


def finished_row(work: Work, storage: Storage) -> dict[str, Any] | None:
    """The first row of the unit, if it shows that nothing is left to do."""
    match work.unit:
        case Pretrain():
            return read_row(storage, "pretrain", work.unit.id)
        case Probe():
            return read_row(storage, "fewshot", work.unit.id)
    row = read_row(storage, table_of(work.unit), work.unit.id)
    short = row is not None and work.until is not None and row["steps_done"] < work.until
    return None if short else row
