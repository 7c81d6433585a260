"""How far a study is, by its rows alone."""

from datetime import UTC, datetime

import pytest

from scaling import run_study
from scaling.schedule.pairs import fixed_settings, search_pairs
from scaling.schedule.status import render_status, study_status
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain, Scratch
from scaling.specs.study import Study, Task
from scaling.store import results
from scaling.store.directories import commit_directory, set_aside
from scaling.store.lease import lease
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from tests.helpers.rows import trial_row


@pytest.fixture
def study(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> Study:
    made = Study("small", (tiny_run,), (tiny_task,), scratch=(Scratch("baseline", tiny_run.model),), seeds=(0, 1))
    storage.write("study.json", to_json(made).encode())
    return made


def leave(storage: Storage, name: str, unit_id: str, kind: str, outcome: str, reason: str = "") -> None:
    row = dict.fromkeys(TABLES["attempt"].names) | {"attempt_id": name, "unit_id": unit_id, "kind": kind}
    row |= {"name": "tiny", "started": datetime.now(UTC), "seconds_total": 2.0, "last_step": 7}
    results.write_rows(storage, "attempt", [row | {"outcome": outcome, "reason": reason}])


def counts(storage: Storage) -> dict[str, tuple[int, int]]:
    return {stage.name: (stage.done, stage.left) for stage in study_status(storage).stages}


def test_stages_are_counted_as_rows_come(study: Study, storage: Storage) -> None:
    trials, finals = "dev trials", "final runs"
    assert counts(storage) == {
        "pre-training": (0, 1),
        trials: (0, 4),
        finals: (0, 4),
        "few-shot probes": (0, 0),
        "evaluations": (0, 0),
    }
    _, baseline = search_pairs(study)
    for setting, top1 in zip(fixed_settings(baseline), (0.2, 0.4), strict=True):
        results.write_rows(storage, "trial", [trial_row(baseline.dev(setting), top1)])
    assert (counts(storage)[trials], counts(storage)[finals]) == ((2, 2), (0, 4))
    assert not study_status(storage).finished


def test_what_diverged_is_not_waited_for(study: Study, storage: Storage) -> None:
    _, baseline = search_pairs(study)
    for number, setting in enumerate(fixed_settings(baseline)):
        leave(storage, f"a{number}", baseline.dev(setting).id, "trial", "diverged")
    assert counts(storage)["dev trials"] == (2, 2)
    assert counts(storage)["final runs"] == (0, 2)  # those of the run


def test_open_attempts_are_running_killed_or_failed(study: Study, storage: Storage) -> None:
    run = study.runs[0]
    leave(storage, "a", run.id, "pretrain", "failed", "ValueError: no such image")
    leave(storage, "b", "other", "trial", "running")
    leave(storage, "c", "again", "trial", "failed")
    leave(storage, "d", "again", "trial", "done")
    text = "\n".join(render_status(study_status(storage)))
    assert "pretrain tiny: failed, step 7" in text
    assert "ValueError: no such image" in text
    assert "trial tiny: killed, step 7" in text
    assert "nothing is running" in text
    assert text.count("failed") == 1
    with lease(storage, "study small"):
        text = "\n".join(render_status(study_status(storage)))
    assert "trial tiny: running, step 7, last heartbeat" in text
    assert "running: process" in text


def test_the_front_door(study: Study, storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_study.main(run_study.Options(status=True, storage=storage.uri)) == 0
    assert "study small: not finished" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--plan or --status"):
        run_study.main(run_study.Options(status=True, plan=True))


def test_a_place_without_a_study_is_named(storage: Storage) -> None:
    with pytest.raises(ValueError, match="holds no study"):
        study_status(storage)


def test_what_was_set_aside_is_counted(study: Study, storage: Storage) -> None:
    assert study_status(storage).damaged == 0
    commit_directory(storage, "checkpoints/a/final", lambda folder: (folder / "x").write_text("x"))
    set_aside(storage, "checkpoints/a/final")
    assert render_status(study_status(storage))[-1].startswith("1 damaged checkpoint set aside in damaged/")
