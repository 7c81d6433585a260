"""What the sweep's benchmark measures, and the rows that it makes up. No time is judged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.sweep_scale import Options, made_row, main, measured
from scaling.data.resolve import resolve
from scaling.schedule.pending import trial_results
from scaling.specs.pretraining import Scratch
from scaling.specs.search import Setting
from scaling.specs.study import Transfer
from scaling.specs.zoo import zoo_model
from scaling.store import results
from scaling.store.storage import Storage
from search_spaces.grids import TASKS


def test_memory_is_counted_from_the_tenth_of_the_trials_on() -> None:
    kept: list[bytes] = []

    def sweep(ended: Callable[[], None]) -> None:
        for i in range(20):
            if i in (1, 10):  # 32 MiB before the count begins, and 32 MiB in it
                kept.append(b"x" * 2**25)
            ended()

    found = measured(sweep, 20)
    assert 28 < found.growth < 48
    assert found.wall > 0
    assert found.cpu > 0


def test_a_made_row_is_a_trial_that_has_ended(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    storage.make()
    task = TASKS["digits"]
    task = replace(task, data=resolve(task.data))
    setting: Setting = task.own
    trial = Transfer(Scratch("nothing", zoo_model("ViT-micro-S/4")), task, setting, 0, "dev")
    results.write_rows(storage, "trial", [made_row(trial)])
    result = trial_results(storage)[trial.id]
    assert result is not None
    assert result.steps == trial.steps


def test_each_search_has_trials() -> None:
    with pytest.raises(ValueError, match="--trials must be at least 40 and --max-concurrent 1, got 39 and 8"):
        main(Options(trials=39))
