"""Optimizers by their path: updates as in their papers, resumed to the bit, groups of parameters, mistakes."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scaling.models.build import build
from scaling.runs.pretrain import pretrain
from scaling.specs import ParameterGroup, Recipe
from scaling.specs.architectures import ViT
from scaling.specs.functions import Optimizer
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Pretrain
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.lion import Lion
from scaling.training.muon import COEFFICIENTS, Muon
from scaling.training.optim import check_optimizer, make_optimizer, set_learning_rate
from scaling.training.parameters import layer_of
from tests.helpers.optimizers import Heavy

HERE = "tests.helpers.optimizers"
KINDS = {
    "lion": Optimizer(Lion, {"betas": (0.9, 0.98)}, layer_decay=0.8),
    "muon": Optimizer("scaling.training:Muon", groups=(ParameterGroup("head", lr=10.0),)),
    "torch": Optimizer("torch.optim:NAdam", {"decoupled_weight_decay": True}),
    "user": Optimizer(f"{HERE}:heavy", {"growth": 0.25}),
}


def gradients(shape: tuple[int, ...], steps: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(steps, *shape)))


def trained(optimizer: Any, start: np.ndarray, given: list[np.ndarray], **options: Any) -> np.ndarray:
    weight = nn.Parameter(torch.tensor(start))
    made = optimizer([{"params": [weight], **options}])
    for gradient in given:
        weight.grad = torch.tensor(gradient)
        made.step()
    return weight.detach().numpy()


def test_lion_is_that_of_its_paper() -> None:
    """Algorithm 2 of Chen et al. 2023, in NumPy."""
    start, given = np.ones((3, 4)), gradients((3, 4), 8)
    w, m = start.copy(), np.zeros_like(start)
    for g in given:
        c = 0.9 * m + 0.1 * g
        w = w - 0.01 * (np.sign(c) + 0.3 * w)
        m = 0.99 * m + 0.01 * g
    assert np.abs(trained(Lion, start, given, lr=0.01, weight_decay=0.3) - w).max() < 1e-12


@pytest.mark.parametrize("shape", [(3, 5), (6, 2), (4, 3, 2, 2)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_that_of_its_paper(shape: tuple[int, ...], nesterov: bool) -> None:
    """Liu et al. 2025, eq. 4 and §2.2, in NumPy."""
    start, given = np.ones(shape), gradients(shape, 6)
    w, m = start.reshape(shape[0], -1), np.zeros((shape[0], start.size // shape[0]))
    a, b, c = COEFFICIENTS
    for g in given:
        g = g.reshape(w.shape)
        m = 0.95 * m + g
        x = 0.95 * m + g if nesterov else m
        x = x / np.linalg.norm(x)
        for _ in range(5):
            x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
        w = w - 0.02 * (0.2 * max(w.shape) ** 0.5 * x + 0.1 * w)
    found = trained(Muon, start, given, lr=0.02, weight_decay=0.1, nesterov=nesterov)
    assert np.abs(found.reshape(w.shape) - w).max() < 1e-6


@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_what_muon_leaves_out_is_adamw(shape: tuple[int, ...]) -> None:
    start, given = np.ones(shape), gradients(shape, 6)
    options = {"lr": 0.02, "weight_decay": 0.1}
    assert (
        trained(Muon, start, given, kind="head", **options) == trained(torch.optim.AdamW, start, given, **options)
    ).all()


class Killed(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("kind", KINDS)
def test_five_kills_end_in_the_same_bits(tiny_run: Pretrain, tmp_path: Path, kind: str) -> None:
    run = replace(tiny_run, recipe=replace(tiny_run.recipe, optimizer=KINDS[kind]))
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")

    def train(storage: Storage, kill_at: int | None = None) -> None:
        def report(step: int, metrics: dict[str, Any]) -> None:
            if step == kill_at:
                raise Killed

        pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)

    train(whole)
    for kill_at in (3, 8, 13, 18, 23):
        with pytest.raises(Killed):
            train(torn, kill_at)
    train(torn)
    first, second = (frames.read_table(storage, "pretrain") for storage in (whole, torn))
    assert first.drop("checkpoint").equals(second.drop("checkpoint"))  # the weights' SHA-256 among the columns
    assert from_json(Pretrain, first["spec"][0]) == run


def test_groups_have_the_rates_and_decays_that_their_rules_say() -> None:
    module = build(ViT(8, 16, 2, 32, 2), 4, resolution=16)
    rules = (
        ParameterGroup("head", lr=10.0),
        ParameterGroup(named="blocks.*.attention.*", weight_decay=0.5),
        ParameterGroup("biases", lr=2.0, weight_decay=0.0),
    )
    recipe = Recipe(optimizer=Optimizer("torch.optim:AdamW", groups=rules, layer_decay=0.5), weight_decay=0.1)
    optimizer = make_optimizer(module, recipe)
    set_learning_rate(optimizer, 1.0)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    found = {
        names[id(p)]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]
    }
    assert found.keys() == set(names.values())  # each once
    expected = {
        "cls_token": (0.125, 0.0),
        "patch_embed.weight": (0.125, 0.1),
        "patch_embed.bias": (0.25, 0.0),
        "blocks.0.norm1.weight": (0.25, 0.0),
        "blocks.0.fc1.weight": (0.25, 0.1),
        "blocks.0.attention.qkv.weight": (0.25, 0.5),
        "blocks.1.attention.out.bias": (1.0, 0.0),
        "norm.weight": (1.0, 0.0),
        "head.weight": (10.0, 0.1),
        "head.bias": (10.0, 0.0),
    }
    assert {name: found[name] for name in expected} == expected
    assert layer_of(module)["blocks.1.fc2.weight"] == 2


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (
            Optimizer("no_such_module:Lion"),
            "no_such_module:Lion cannot be imported: ModuleNotFoundError: No module",
        ),
        (Optimizer("torch.optim:Lionn"), "torch.optim:Lionn cannot be imported: AttributeError"),
        (Optimizer(f"{HERE}:NUMBER"), "must be a function or class, it is int"),
        (
            Optimizer(f"{HERE}:heavy"),
            "cannot be made: TypeError: heavy() missing 1 required keyword-only argument",
        ),
        (Optimizer("torch.optim:NAdam", {"beta": 1}), "unexpected keyword argument 'beta'"),
        (Optimizer(f"{HERE}:no_optimizer"), "must make a torch.optim.Optimizer, it makes str"),
        (Optimizer(f"{HERE}:Secretive"), "0/history is a list: only tensors and numbers can be saved"),
        (Optimizer("torch.optim:LBFGS"), "torch.optim:LBFGS"),
    ],
)
def test_what_cannot_be_used_is_one_line(optimizer: Optimizer, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        check_optimizer(Recipe(optimizer=optimizer))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_used_passes(kind: str) -> None:
    check_optimizer(Recipe(optimizer=KINDS[kind]))


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("torch.optim", {}, "Optimizer path must be 'module:name', got 'torch.optim'"),
        ("a:b:c", {}, "must be 'module:name'"),
        ("study.py:f", {}, None),
        (lambda groups: None, {}, "can be imported"),
        (3, {}, "must be 'module:name', got 3"),
        ("a:b", {"f": lambda x: x}, "option f of a:b must be a number, a text"),
        ("a:b", {"t": torch.ones(2)}, "option t of a:b must be a number"),
        ("a:b", {"x": float("nan")}, "option x of a:b must be"),
        ("a:b", {"d": {"x": 1}}, "option d of a:b"),
        ("a:b", {1: 2}, "options of a:b need names, got 1"),
        ("a:b", 7, "options of a:b must be named values, got 7"),
    ],
)
def test_what_is_no_value_is_refused_by_name(path: Any, options: Any, said: str | None) -> None:
    if said is None:
        Optimizer(path, options)
        return
    with pytest.raises(ValueError, match=re.escape(said)):
        Optimizer(path, options)


def test_equal_optimizers_are_equal_however_they_were_written() -> None:
    ways = [
        Optimizer(Heavy, {"growth": 1, "lr": 0.5}),
        Optimizer(f"{HERE}:Heavy", (("lr", 0.5), ("growth", 1))),
        Optimizer(f"{HERE}:Heavy", [["lr", 0.5], ["growth", 1]]),  # type: ignore[arg-type]
    ]
    recipes = [Recipe(optimizer=each) for each in ways]
    assert len(set(recipes)) == 1
    assert from_json(Recipe, to_json(recipes[0])) == recipes[0]
