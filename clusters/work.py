"""One unit of work as a cluster's process gets it, and doing it: an ordinary function call."""

from dataclasses import dataclass
from typing import Any

from scaling.fewshot import probe
from scaling.flops import pretrain_flops, transfer_flops
from scaling.pretrain import pretrain
from scaling.specs import Pretrain, Probe, Transfer
from scaling.storage import Storage
from scaling.training.devices import Device
from scaling.training.loop import Report
from scaling.transfer import finetune


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
    """Do it and leave its rows. Returns a fine-tuning's row."""
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
