"""The benchmark on tiny models: who is measured, and how ratios are taken. No time is judged."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import peers, plain
from benchmarks.train_step import Contestant, Mode, Options, main, make_step, ratio
from scaling.flops.counts import parameters, train_flops
from scaling.measure import timing
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.models import Architecture
from scaling.specs.zoo import ZOO
from scaling.training.devices import local_device

VIT, RESNET = ViT(4, 12, 1, 20, 3), ResNet((1, 1), width=8, groups=4)
SPECS = [VIT, RESNET, replace(RESNET, stem="small"), Hybrid(RESNET, ViT(1, 12, 1, 20, 3))]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_the_plain_models_are_the_same_architectures(spec: Architecture) -> None:
    module = plain.build(spec, 5, 32)
    assert sum(p.numel() for p in module.parameters()) == parameters(spec, num_classes=5, resolution=32)
    assert module(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_other_forms_have_no_plain_implementation() -> None:
    with pytest.raises(ValueError, match="no plain implementation of this form of a vit"):
        plain.build(replace(VIT, pool="gap"), 5, 32)


@pytest.mark.parametrize("mode", ["fp32", "bf16"])
def test_a_step_trains(mode: Mode) -> None:
    linear = nn.Linear(48, 5)
    module, before = nn.Sequential(nn.Flatten(), linear), linear.weight.clone()
    make_step(module, mode, torch.randn(2, 3, 4, 4), torch.tensor([1, 2]), local_device(Execution("fp32"), 1))()
    assert not torch.equal(linear.weight, before)
    assert linear.weight.grad is None


def test_ratios_are_taken_round_by_round() -> None:
    mine, other = (Contestant("m", "ours", "", "fp32", 1e12, step=lambda: None) for _ in range(2))
    mine.seconds, other.seconds = [1.0, 2.0, 4.0], [3.0, 10.0, 4.0]
    assert ratio(mine, other) == (3.0, 1.0, 5.0)
    assert mine.tflops == 0.5


def test_both_sides_of_a_model_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timing, "GEMM_SIZES", {"cpu": (8,)})
    monkeypatch.setitem(ZOO, "tiny", VIT)
    options = Options(("tiny",), ("fp32", "bf16"), rounds=2, seconds=0, batch_size=2, resolution=8, json=True)
    assert main(options) == 0
    told = json.loads(capsys.readouterr().out)
    found = told["contestants"]
    assert [(c["side"], c["mode"]) for c in found] == [
        (side, mode) for mode in ("fp32", "bf16") for side in ("ours", "peer")
    ]
    assert all(len(c["seconds"]) == 2 and c["flops"] == train_flops(VIT, 8, 1000, 2) for c in found)
    assert main(Options(("tiny",), ("fp32",), rounds=1, seconds=0, batch_size=2, resolution=8)) == 0
    assert "tiny against a plain implementation" in capsys.readouterr().out


def test_every_named_peer_is_of_the_zoo() -> None:
    assert set(peers.TIMM) - {"BiT-R50x1"} <= set(ZOO)
