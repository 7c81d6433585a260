"""Studies by name and by path, and which units of one are missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from scaling.data.resolve import resolve_study
from scaling.schedule.pairs import Pair, final_runs, fixed_settings, search_pairs
from scaling.schedule.pending import missing_finals, missing_probes, missing_runs, ready_pairs, trial_results
from scaling.schedule.trials import chosen_settings, due_trials
from scaling.specs.pretraining import Pretrain, Scratch
from scaling.specs.search import Halving
from scaling.specs.study import Study, Task, Transfer
from scaling.store import results
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from search_spaces.catalog import load_study, select_models, study_names
from tests.helpers.rows import trial_row
from tests.helpers.specs import at


def missing_trials(made: Study, storage: Storage) -> list[Transfer]:
    known = trial_results(storage)
    return [trial.transfer for pair in ready_pairs(made, storage, {}) for trial in due_trials(pair, known)[0]]


@pytest.mark.parametrize("name", study_names())
def test_every_named_study_loads_resolves_and_expands(name: str) -> None:
    made = resolve_study(load_study(name))
    assert made.name == name
    for pair in search_pairs(made):
        trials, over = due_trials(pair, {})
        assert len(trials) == len(fixed_settings(pair)) or (len(fixed_settings(pair)) == 1 and not trials and over)
        assert len(final_runs(pair, fixed_settings(pair)[:1], made.seeds)) == len(made.seeds)


def test_the_named_studies_are_there() -> None:
    assert {"quickstart", "vit_paper"} <= set(study_names())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("STUDY = 1", r"has no STUDY = Study\(\.\.\.\)"),
        ("", r"has no STUDY = Study\(\.\.\.\)"),
        ("STUDY = ", "line 1: SyntaxError"),
        ("from scaling.specs import *\nViT(4, 30, 2, 64, 4)", "width 30 is not a multiple"),
        ("1 / 0", "cannot be read: ZeroDivisionError"),
        ("import nothing_like_it", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_is_no_study_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_study(str(file))


@pytest.mark.parametrize("name", ["quickstrat", "recipes", "../x", "os"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown study|has no STUDY|not found"):
        load_study(name)


def test_only_selects_by_name(tiny_run: Pretrain) -> None:
    other = replace(tiny_run, name="ViT-x", seed=1)
    made = Study("s", (tiny_run, other), scratch=(Scratch("tiny", tiny_run.model),))
    assert select_models(made, "ViT-*").runs == (other,)
    assert select_models(made, "ViT-*").scratch == ()
    with pytest.raises(ValueError, match="--only 'R50' matches none of tiny, ViT-x"):
        select_models(made, "R50")


def test_what_is_missing_follows_from_the_rows(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    single = replace(tiny_task, name="single", base_lrs=(0.1,))
    baseline = Scratch("tiny", tiny_run.model)
    made = Study("s", (tiny_run,), (tiny_task, single), scratch=(baseline,), seeds=(0, 1))
    assert missing_runs(made, storage, {}) == [tiny_run]
    assert missing_runs(made, storage, {tiny_run.id: "/elsewhere"}) == []

    trials = missing_trials(made, storage)  # the baseline is ready, the run is not
    assert [(t.upstream, t.base_lr) for t in trials] == [(baseline, 0.01), (baseline, 0.1)]
    assert {f.task.name for f in missing_finals(made, storage, {})} == {"single"}  # no learning rate to choose there
    for trial, top1 in zip(trials, (0.5, 0.4), strict=True):
        results.write_rows(storage, "trial", [trial_row(trial, top1)])
    assert missing_trials(made, storage) == []
    finals = [f for f in missing_finals(made, storage, {}) if f.task == tiny_task]
    assert [(f.base_lr, f.seed) for f in finals] == [(0.01, 0), (0.01, 1)]

    wider = replace(made, tasks=(replace(tiny_task, base_lrs=(0.01, 0.1, 0.3)), single))
    assert [t.base_lr for t in missing_trials(wider, storage)] == [0.3]
    assert missing_probes(made, storage, {}) == []


def test_finals_wait_for_the_whole_grid_but_not_for_what_diverges(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    baseline = Scratch("tiny", tiny_run.model)
    made = Study("s", (tiny_run,), (tiny_task,), scratch=(baseline,), seeds=(0,))
    first, second = missing_trials(made, storage)
    results.write_rows(storage, "trial", [trial_row(first, 0.5)])
    assert missing_finals(made, storage, {}) == []  # the other may have been killed, and be the better one
    attempt = dict.fromkeys(TABLES["attempt"].names) | {"unit_id": second.id}
    results.write_rows(storage, "attempt", [attempt | {"attempt_id": "a", "outcome": "running"}])
    results.write_rows(storage, "attempt", [attempt | {"attempt_id": "b", "outcome": "failed"}])
    assert missing_finals(made, storage, {}) == []
    results.write_rows(storage, "attempt", [attempt | {"attempt_id": "c", "outcome": "diverged"}])
    assert [final.base_lr for final in missing_finals(made, storage, {})] == [first.base_lr]


def test_a_trial_that_diverged_after_a_rung_is_not_promoted_again(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    """Its row of the rung stays; a study that is begun again must know what the one before knew."""
    halved = Pair(tiny_run, replace(tiny_task, base_lrs=(0.01, 0.1, 0.3, 1.0), halving=Halving(1, 2)), 0)
    trials = [trial.transfer for trial in due_trials(halved, {})[0]]
    for place, trial in enumerate(trials):
        top1 = 0.9 - place / 10
        row = trial_row(trial, top1) | {"steps_done": 1, "rung_steps": [1], "rung_dev_top1": [top1]}
        results.write_rows(storage, "trial", [row])
    best, second = (trial.transfer for trial in due_trials(halved, trial_results(storage))[0])
    assert [best, second] == trials[:2]
    attempt = dict.fromkeys(TABLES["attempt"].names) | {"unit_id": best.id}
    results.write_rows(storage, "attempt", [attempt | {"attempt_id": f"{best.id}-0", "outcome": "done"}])
    assert best in [trial.transfer for trial in due_trials(halved, trial_results(storage))[0]]
    results.write_rows(storage, "attempt", [attempt | {"attempt_id": f"{best.id}-1", "outcome": "diverged"}])
    assert best not in [trial.transfer for trial in due_trials(halved, trial_results(storage))[0]]


def test_a_learning_rate_outside_the_grid_is_never_chosen(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    pair = Pair(tiny_run, tiny_task, 0)
    for base_lr, top1 in ((0.01, 0.5), (0.1, 0.9)):
        results.write_rows(storage, "trial", [trial_row(pair.dev(at(tiny_task, base_lr)), top1)])
    known = trial_results(storage)
    assert [setting.base_lr for setting in chosen_settings(pair, known)] == [0.1]
    other = Pair(tiny_run, replace(tiny_task, base_lrs=(0.01, 0.02)), 0)
    assert chosen_settings(other, known) == []  # 0.02 is still to be tried
    results.write_rows(storage, "trial", [trial_row(other.dev(at(tiny_task, 0.02)), 0.1)])
    assert [setting.base_lr for setting in chosen_settings(other, trial_results(storage))] == [0.01]
