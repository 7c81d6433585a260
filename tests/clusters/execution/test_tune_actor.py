"""What a Tune actor imports before its first trial, and that it keeps what trials have in common."""

import subprocess
import sys
from typing import Any

from ray import cloudpickle

from clusters.execution.tune_actor import _unpickled


def test_an_actor_starts_without_torch_or_rows() -> None:
    assert not loaded("clusters.execution.tune_actor", {"torch", "polars", "clusters.execution.trials"})


def test_a_trial_loads_neither_optuna_nor_polars_nor_what_parses_a_command_line() -> None:
    assert not loaded("clusters.execution.trials", {"optuna", "polars", "tyro", "clusters.execution.ray_tune"})


def loaded(module: str, others: set[str]) -> set[str]:
    """Those of some modules that another one imports."""
    asked = f"import sys, {module}; print(*({others} & set(sys.modules)))"
    return set(subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split())


def test_what_trials_have_in_common_is_unpickled_once() -> None:
    dumps: Any = cloudpickle.dumps  # without annotations
    job: bytes = dumps({"study": "x", "flag": object()})
    assert _unpickled(job) is _unpickled(bytes(job))
