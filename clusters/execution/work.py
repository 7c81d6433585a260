"""One unit of work as a cluster's process gets it, and doing it: an ordinary function call."""

from dataclasses import dataclass
from typing import Any

from scaling.flops import pretrain_flops, transfer_flops
from scaling.runs import finetune, pretrain, probe, table_of
from scaling.specs import Pretrain, Probe, Transfer
from scaling.store import Storage, read_row
from scaling.training import Device, Report, broadcast


@dataclass(frozen=True)
class Work:
    """A unit with its upstream's checkpoint (None: a control has none). `until`: a trial's rung."""

    unit: Pretrain | Transfer | Probe
    checkpoint: str | None = None
    until: int | None = None

    @property
    def id(self) -> str:
        return f"{self.unit.id}-{self.until or ''}"

    @property
    def flops(self) -> float:
        """Of the whole training, to begin with the dearest; 0 where there is none."""
        match self.unit:
            case Pretrain():
                return pretrain_flops(self.unit, valid=True)
            case Transfer():
                return transfer_flops(self.unit, valid=True)
            case Probe():
                return 0.0


def perform(
    work: Work, *, storage: Storage, study: str, device: Device, report: Report, save_seconds: float
) -> dict[str, Any] | None:
    """Do it and leave its rows, or find them: a worker of a killed driver may have ended it after it was listed.

    Returns a fine-tuning's row.
    """
    there = broadcast(done(work, storage) if device.rank == 0 else None, device)
    if there is not None:
        return there
    match work.unit:
        case Pretrain():
            pretrain(work.unit, storage=storage, study=study, device=device, report=report, save_seconds=save_seconds)
        case Transfer():
            return finetune(
                work.unit,
                checkpoint=work.checkpoint,
                storage=storage,
                study=study,
                device=device,
                report=report,
                until=work.until,
                save_seconds=save_seconds,
            )
        case Probe():
            probe(work.unit, checkpoint=work.checkpoint, storage=storage, study=study, device=device)
    return None


def done(work: Work, storage: Storage) -> dict[str, Any] | None:
    """The first row of the unit, if it shows that there is nothing left to do."""
    match work.unit:
        case Pretrain():
            return read_row(storage, "pretrain", work.unit.id)
        case Probe():
            return read_row(storage, "fewshot", work.unit.id)
    row = read_row(storage, table_of(work.unit), work.unit.id)
    short = row is not None and work.until is not None and row["steps_done"] < work.until
    return None if short else row
