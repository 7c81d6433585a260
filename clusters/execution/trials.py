"""What a process of Ray's does with a trial, or with a unit that needs no search. The driver's side is `ray_tune`."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray import tune

from clusters.execution.placement import Placement
from clusters.execution.shutdown import StopChannel
from clusters.execution.tracking import tracked
from clusters.execution.work import Work, perform
from scaling.schedule import RESULT_COLUMNS, Pair, Result, Trial, result_of
from scaling.store import Storage
from scaling.training import SAVE_SECONDS, NonFiniteLossError, TrainingInterruptedError

Do = Callable[[Work, Storage, str, Placement, Any], dict[str, Any] | None]
Checkpoints = Mapping[str, str | None]  # directory by id of the upstream


def config_of(pair: int, trial: Trial) -> dict[str, Any]:
    """What Tune hands to `do_trial`: it copies each config, and writes it as JSON, which text costs the least."""
    return {"pair": pair, "setting": pickle.dumps(trial.transfer.setting).hex(), "until": trial.until}


def result_in(report: Mapping[str, Any]) -> Result | None:
    """How a trial that did not fail stands, as `do_trial` reported it; None: it diverged."""
    told = report["result"]
    return None if told is None else result_of(dict(zip(RESULT_COLUMNS, told, strict=True)))


def do_trial(
    config: dict[str, Any],
    *,
    pairs: Sequence[Pair],
    checkpoints: Checkpoints,
    do: Do,
    storage: Storage,
    study: str,
    placement: Placement,
    flag: Any,
) -> None:
    """What a Tune actor runs, one trial after the other."""
    transfer = pairs[config["pair"]].dev(pickle.loads(bytes.fromhex(config["setting"])))
    work = Work(transfer, checkpoints[transfer.upstream.id], config["until"])
    try:
        row = do(work, storage, study, placement, flag)
    except Exception as error:  # Tune would try the trial again, as it has to when a machine is lost
        known = isinstance(error, NonFiniteLossError | TrainingInterruptedError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        tune.report({"result": None, "error": text.strip().splitlines()[0], "failed": not known, "done": True})
    else:
        assert row is not None
        tune.report({"result": [row[name] for name in RESULT_COLUMNS], "error": "", "failed": False, "done": True})


def do_unit(work: Work, storage: Storage, study: str, placement: Placement, flag: Any) -> dict[str, Any] | None:
    """Do it where it is seen and can be told to stop. Returns a fine-tuning's row."""
    with tracked(StopChannel(flag, work.unit.id), work, placement.tracking, storage, study) as report:
        return perform(
            work,
            storage=storage,
            study=study,
            device=placement.device(),
            report=report,
            save_seconds=SAVE_SECONDS,
        )
