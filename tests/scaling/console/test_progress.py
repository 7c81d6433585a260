"""What a stage says of its units: lines in a log, a table and a bar on a terminal."""

import io
from collections.abc import Mapping

import pytest
from rich.console import Console, RenderableType

from scaling.console.progress import phase
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Task, Transfer


class Told:
    """A view that writes down what it is told."""

    def begin(self) -> None: ...

    def ended(self, unit: Transfer, error: str) -> str:
        return f"rate {unit.base_lr:g}: {'failed' if error else 'well'}"

    def table(self, steps: Mapping[str, int]) -> RenderableType:
        return f"table with {'steps' if steps else 'nothing'}"


@pytest.fixture
def trial(tiny_run: Pretrain, tiny_task: Task) -> Transfer:
    return Transfer(tiny_run, tiny_task, tiny_task.own, 0, "dev")


def written(terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=terminal, legacy_windows=False)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_has_a_line_for_each_unit_of_a_view(trial: Transfer) -> None:
    console = written(terminal=False)
    with phase(console, "Dev trials", 2, Told()) as stage:
        assert not stage.follows
        stage.advance(trial)
        stage.advance(trial, "loss nan at step 3")
    lines = text(console).splitlines()
    assert lines[0] == "Dev trials: 2"
    assert lines[1].startswith("  rate 0.01: well  (1/2, ")
    assert lines[2] == "  rate 0.01: failed: loss nan at step 3"


def test_a_log_counts_units_without_a_view(trial: Transfer) -> None:
    console = written(terminal=False)
    with phase(console, "Dev trials", 1) as stage:
        stage.advance(trial, "it broke")
    assert "  failed: it broke" in text(console)
    assert "1/1 after 0 s" in text(console)


def test_a_terminal_has_the_table_and_follows_the_steps(trial: Transfer) -> None:
    console = written(terminal=True)
    with phase(console, "Dev trials", 2, Told()) as stage:
        assert stage.follows
        stage.follow({trial.id: 17})
        stage.advance(trial)
    assert "table with steps" in text(console)
    assert "rate 0.01" not in text(console)
