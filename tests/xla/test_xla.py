"""Training on XLA's CPU devices: the same curves as torch's, no program a step, checkpoints that travel, SPMD."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.xla import PLAIN, RUNS, Done, Job, logits


def losses(storage: Storage, name: str) -> np.ndarray:
    """The training losses of all steps."""
    curve = frames.read_table(storage, "curve")
    mine = curve.filter(curve["run_id"] == RUNS[name].id).sort("step")
    assert mine["step"].to_list() == list(range(1, RUNS[name].steps + 1))
    return mine["train_loss"].to_numpy()


def row(storage: Storage, name: str) -> dict[str, Any]:
    """The row of a finished run."""
    table = frames.read_table(storage, "pretrain")
    (found,) = table.filter(table["run_id"] == RUNS[name].id).to_dicts()
    return found


def answers(storage: Storage, name: str) -> torch.Tensor:
    """The logits of a run's committed weights by torch on the CPU."""
    return logits(storage, RUNS[name], local_device(kind="cpu", threads=1))


@pytest.mark.parametrize("name", [*PLAIN, "sgd"])
def test_xla_trains_as_torch_does(on_cpu: Storage, on_xla: Done, name: str) -> None:
    assert RUNS[name].steps >= 20
    np.testing.assert_allclose(losses(on_xla.storage, name), losses(on_cpu, name), rtol=1e-4)
    assert row(on_xla.storage, name)["dev_top1"] == row(on_cpu, name)["dev_top1"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_checkpoint_from_xla_answers_on_the_cpu_as_there(on_cpu: Storage, on_xla: Done, name: str) -> None:
    """The logits that XLA's device gave in that process, and those of the run that never was on one."""
    mine = answers(on_xla.storage, name)
    there = torch.tensor(on_xla.logits[list(RUNS).index(name)])
    torch.testing.assert_close(mine, there, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mine, answers(on_cpu, name), rtol=1e-3, atol=1e-3)


def test_no_step_after_the_third_compiles_anything(on_xla: Done) -> None:
    """Evaluations have programs of their own, made by the first of them, after step 12 of 24."""
    for name, counts in zip(RUNS, on_xla.compiled, strict=True):
        steps = RUNS[name].steps
        assert len(counts) == steps
        assert counts[0] > 0  # else nothing was counted
        assert set(counts[2 : steps // 2]) == {counts[2]}
        assert set(counts[steps // 2 :]) == {counts[-1]}


def test_a_resumed_run_ends_in_the_same_bits(job: Job, on_xla: Done, tmp_path: Path) -> None:
    """Killed between two checkpoints, with dropout and a running average; it goes on in a new process."""
    torn = job(tmp_path / "torn", [("dropout", 13)], 1)
    assert len(torn.compiled[0]) == 13
    ended = job(tmp_path / "torn", [("dropout", None)], 1)
    assert len(ended.compiled[0]) == RUNS["dropout"].steps - 12
    assert row(ended.storage, "dropout")["weights_sha256"] == row(on_xla.storage, "dropout")["weights_sha256"]
    np.testing.assert_array_equal(losses(ended.storage, "dropout"), losses(on_xla.storage, "dropout"))


def test_two_devices_train_as_one(job: Job, on_xla: Done, tmp_path: Path) -> None:
    """SPMD: half of every batch on each device."""
    two = job(tmp_path / "two", [(name, None) for name in PLAIN], 2)
    assert (on_xla.split, two.split) == ("", "{devices=[2,1]0,1}")
    for name in PLAIN:
        np.testing.assert_allclose(losses(two.storage, name), losses(on_xla.storage, name), rtol=1e-4)
        torch.testing.assert_close(answers(two.storage, name), answers(on_xla.storage, name), rtol=1e-3, atol=1e-3)
    attempts = frames.read_table(two.storage, "attempt")
    assert set(attempts["cores"]) == {2}
