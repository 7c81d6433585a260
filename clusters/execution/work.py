"""One unit of work as a cluster's process gets it, and the row that shows it is done."""

from dataclasses import dataclass
from typing import Any

from scaling.flops import pretrain_flops, transfer_flops
from scaling.specs import EvaluationRun, Pretrain, Probe, Transfer
from scaling.store import Storage, read_row


@dataclass(frozen=True)
class Work:
    """A unit, the checkpoint of its upstream (None for a from-scratch baseline), and the rung that a trial goes to."""

    unit: Pretrain | Transfer | Probe | EvaluationRun
    checkpoint: str | None = None
    until: int | None = None

    @property
    def id(self) -> str:
        # With the rung: each leg of a trial is a piece of work of its own.
        return f"{self.unit.id}-{self.until or ''}"

    @property
    def flops(self) -> float:
        """FLOPs of the whole training, by which the most expensive goes first; 0 for what trains nothing."""
        match self.unit:
            case Pretrain():
                return pretrain_flops(self.unit, valid=True)
            case Transfer():
                return transfer_flops(self.unit, valid=True)
            case Probe() | EvaluationRun():
                return 0.0


def title_of(unit: Pretrain | Transfer) -> str:
    """The unit's name for people: the model, of a fine-tuning also its task and setting."""
    if isinstance(unit, Pretrain):
        return unit.name
    return f"{unit.upstream.name} {unit.task.name} {unit.phase} lr {unit.base_lr:g} seed {unit.seed}"


def finished_row(work: Work, storage: Storage) -> dict[str, Any] | None:
    """The first row of the unit, if it shows that nothing is left to do."""
    match work.unit:
        case Pretrain():
            return read_row(storage, "pretrain", work.unit.id)
        case Probe():
            return read_row(storage, "fewshot", work.unit.id)
        case EvaluationRun():
            return read_row(storage, "metric", work.unit.id)
    row = read_row(storage, work.unit.table, work.unit.id)
    short = row is not None and work.until is not None and row["steps_done"] < work.until
    return None if short else row
