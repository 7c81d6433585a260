"""Training on a GPU: losses as on the CPU, no recompilation after the first steps, resuming. Skipped without a GPU."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.models.build import build
from scaling.models.layers import norm_by_sums
from scaling.runs.pretrain import pretrain
from scaling.specs.execution import Execution
from scaling.specs.pretraining import Pretrain
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import Device, local_device
from tests.helpers.xla import MODELS, PLAIN, RECIPE

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
    pytest.mark.filterwarnings("default"),  # the compiler has some
]
EPOCHS = 19  # of 87 images in batches of 8: 200 steps and a few
FIRST = 3  # steps in which everything is compiled


class Killed(BaseException):
    """Stands for a kill: no exception that the code may catch."""


def trained(run: Pretrain, folder: Path, device: Device, kill_at: int | None = None) -> tuple[np.ndarray, list[int]]:
    """The losses of all steps (as many as the curve keeps), and how many graphs were compiled after each report."""
    storage, compiled = Storage.of(folder), []

    def report(step: int, values: dict[str, Any]) -> None:
        compiled.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        if step == kill_at:
            raise Killed

    torch._dynamo.utils.counters.clear()
    pretrain(run, storage=storage, study="x", device=device, report=report, save_seconds=0.0)
    return frames.read_table(storage, "curve").sort("step")["train_loss"].to_numpy(), compiled


@pytest.mark.parametrize("kind", MODELS)
def test_200_steps_in_bf16_lose_what_the_cpu_loses(kind: str, tmp_path: Path) -> None:
    run = replace(PLAIN[kind], recipe=replace(RECIPE, warmup_steps=20), epochs=EPOCHS)
    assert run.steps >= 200
    exact, _ = trained(run, tmp_path / "cpu", local_device(Execution("fp32"), 4, kind="cpu"))
    for compiled in (False, True):
        device = local_device(Execution(compile=compiled), kind="cuda")
        assert device.precision == "bf16"
        rounded, graphs = trained(run, tmp_path / f"cuda-{compiled}", device)
        ends = " and ".join(f"{losses[-10:].mean():.4f}" for losses in (exact, rounded))
        print(f"{kind}, {'compiled' if compiled else 'eager'}: loss at the end {ends} (CPU in float32, GPU in bf16)")
        np.testing.assert_allclose(rounded[:20], exact[:20], rtol=0.02)  # later, roundings have grown
        np.testing.assert_allclose(rounded[-20:].mean(), exact[-20:].mean(), rtol=0.1)
        if compiled:
            assert graphs[0] >= 1
            assert set(graphs[FIRST:]) == {graphs[FIRST]}


@pytest.mark.parametrize("kind", MODELS)
def test_fp32_on_a_gpu_computes_what_the_cpu_does(kind: str) -> None:
    torch.manual_seed(0)
    model = build(MODELS[kind], 5, resolution=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    images = torch.randn(4, 3, 16, 16)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.testing.assert_close(model.cuda()(images.cuda()).cpu(), model.cpu()(images), rtol=1e-4, atol=1e-5)


def test_the_compilers_group_norm_is_the_librarys() -> None:
    layer, x = torch.nn.GroupNorm(8, 64, eps=1e-6).cuda(), torch.randn(4, 64, 9, 9, device="cuda")
    by_sums = torch.compile(norm_by_sums)
    torch.testing.assert_close(by_sums(x, layer), layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(kind: str, tmp_path: Path) -> None:
    """To rounding: a GPU's sums of gradients have no fixed order."""
    run, device = PLAIN[kind], local_device(kind="cuda")
    whole, _ = trained(run, tmp_path / "whole", device)
    with pytest.raises(Killed):
        trained(run, tmp_path / "torn", device, kill_at=13)
    torn, reports = trained(run, tmp_path / "torn", device)
    assert len(reports) <= run.steps - 12
    print(f"{kind}: resumed {'in the same bits' if np.array_equal(torn, whole) else 'to rounding'}")
    np.testing.assert_allclose(torn, whole, rtol=0.02)
