"""What a worker process does with a trial, or with a unit outside any search. `ray_tune` is the driver's side."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ray import tune

from clusters.execution.hangs import watched
from clusters.execution.perform import unit_call
from clusters.execution.placement import Placement
from clusters.execution.shutdown import StopChannel
from clusters.execution.tracking import tracked
from clusters.execution.work import Work
from scaling.checks import pass_on_notes
from scaling.schedule import RESULT_COLUMNS, Pair, Result, Trial, result_of
from scaling.store import Storage
from scaling.training import SAVE_SECONDS, NonFiniteLossError, TrainingInterruptedError, devices_taken

Do = Callable[[Work, Storage, str, Placement, Any], dict[str, Any] | None]
Checkpoints = Mapping[str, str | None]  # directory by id of the upstream


@dataclass(frozen=True)
class Sweep:
    """What all trials of a sweep have in common: it goes through Ray's object store once."""

    pairs: Sequence[Pair]
    checkpoints: Checkpoints
    do: Do
    storage: Storage
    study: str
    placement: Placement
    flag: Any  # actor of a `shutdown.Flag`

    def work(self, config: Mapping[str, Any]) -> Work:
        """The trial of a `config_of`."""
        transfer = self.pairs[config["pair"]].dev(pickle.loads(bytes.fromhex(config["setting"])))
        return Work(transfer, self.checkpoints[transfer.upstream.id], config["until"])

    @contextmanager
    def reported(self) -> Iterator[list[dict[str, Any]]]:
        """Report to Tune the row that the block puts into the list, or the error that ends the block.

        The error goes no further: Tune would try the trial again, which it is to do only when a machine was lost.
        """
        rows: list[dict[str, Any]] = []
        try:
            yield rows
        except Exception as error:
            known = isinstance(error, NonFiniteLossError | TrainingInterruptedError)
            text = str(error) if known else f"{type(error).__name__}: {error}"
            # With 'done' the report ends the trial too: one message to Tune for each, not two.
            tune.report({"result": None, "error": text.strip().splitlines()[0], "failed": not known, "done": True})
        else:
            (row,) = rows
            # Plain values, and few: Tune writes every report down.
            tune.report({"result": [row[name] for name in RESULT_COLUMNS], "error": "", "failed": False, "done": True})


def config_of(pair: int, trial: Trial) -> dict[str, Any]:
    """What Tune hands to a trial. It copies each config and writes it as JSON, for which a text is cheapest."""
    return {"pair": pair, "setting": pickle.dumps(trial.transfer.setting).hex(), "until": trial.until}


def result_in(report: Mapping[str, Any]) -> Result | None:
    """The result of a trial that did not fail, as `reported` sent it; None: it diverged."""
    values = report["result"]
    return None if values is None else result_of(dict(zip(RESULT_COLUMNS, values, strict=True)))


def do_alone(work: Work, storage: Storage, study: str, placement: Placement, flag: Any) -> dict[str, Any] | None:
    """`do_unit` as a task: its process may have done others before, and holds its devices from now on."""
    devices_taken()
    return do_unit(work, storage, study, placement, flag)


def do_unit(work: Work, storage: Storage, study: str, placement: Placement, flag: Any) -> dict[str, Any] | None:
    """Do a unit, shown in the trackers and listening to the flag. Returns a fine-tuning's row."""
    pass_on_notes(flag.note.remote)
    channel = StopChannel(flag, work.unit.id)
    with watched(flag, work), tracked(channel, work, placement.machine.tracking, storage, study) as report:
        device = placement.device()
        return unit_call(work, storage=storage, study=study, device=device, report=report, save_seconds=SAVE_SECONDS)()
