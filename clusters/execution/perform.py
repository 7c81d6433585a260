"""The call that does a unit of work: that of an ordinary function of `scaling.runs`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from clusters.execution.work import Work, finished_row
from scaling.runs import evaluate, finetune, pretrain, probe
from scaling.specs import EvaluationRun, Pretrain, Probe, Transfer
from scaling.store import Storage
from scaling.training import Device, Report, broadcast


def unit_call(
    work: Work, *, storage: Storage, study: str, device: Device, report: Report, save_seconds: float
) -> Callable[[], dict[str, Any] | None]:
    """The call that does the unit, leaves its rows and returns a fine-tuning's row.

    It is returned, not made, so that a worker's stack is short: its entry, the unit's function, the training loop. If
    the rows are there already, the call finds them: a worker of a killed driver may have ended the unit after it was
    listed as missing.
    """
    # Rank 0 looks for all: a row that appears meanwhile would divide the workers.
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
        case EvaluationRun():
            return partial(evaluate, work.unit, checkpoint=work.checkpoint, **common)
