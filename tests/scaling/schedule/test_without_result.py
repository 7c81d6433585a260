"""A command's exit code says what stands in the rows, however often it is given."""

import math

import pytest

from scaling.console.outcome import said_missing
from scaling.runs.finetune import transfer_unit
from scaling.schedule.pairs import fixed_settings, search_pairs
from scaling.schedule.pending import is_finished, without_result
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study, Task
from scaling.store import results
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.ledger import NonFiniteLossError, attempt
from tests.helpers.rows import trial_row


def test_what_has_no_result_is_said_each_time_in_the_same_words(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    study, given = Study("x", (tiny_run,), (tiny_task,), seeds=(0,)), {tiny_run.id: "/trained/elsewhere"}
    (pair,) = search_pairs(study)
    assert without_result(study, storage, given) == ["tiny on fractals: its search is not over"]
    for setting in fixed_settings(pair):
        with pytest.raises(NonFiniteLossError), attempt(transfer_unit(pair.dev(setting)), "x", storage, local_device()):
            raise NonFiniteLossError("loss nan")
    said = ["tiny on fractals: no setting can be chosen, since every trial diverged: try lower learning rates"]
    assert is_finished(study, storage, given)  # nothing is left that could be tried
    for _ in range(2):
        assert without_result(study, storage, given) == said
    results.write_rows(storage, "trial", [trial_row(pair.dev(fixed_settings(pair)[0]), math.nan)])
    assert without_result(study, storage, given) == said  # NaN is no accuracy
    results.write_rows(storage, "trial", [trial_row(pair.dev(fixed_settings(pair)[0]), 0.5)])
    assert without_result(study, storage, given) == ["1 final run without a result: tiny on fractals"]
    assert without_result(study, storage, {})[0] == "1 pre-training run without a result: tiny"


def test_nothing_missing_is_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_missing([]) == 0
    assert capsys.readouterr().err == ""
    assert said_missing(["1 final run without a result: a on b"]) == 1
    assert capsys.readouterr().err.startswith("1 final run without a result: a on b\nAttempt rows say why")
