"""Losses and schedules by their path, and the focal loss: formulas, equal trainings, mistakes."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.runs.finetune import finetune
from scaling.runs.pretrain import pretrain
from scaling.specs.augmentation import RandAugment, RandomErasing
from scaling.specs.functions import Augmentation, Loss, Schedule, check_schedule
from scaling.specs.identity import from_json
from scaling.specs.pretraining import Pretrain, Scratch
from scaling.specs.recipe import FINETUNE, Recipe
from scaling.specs.study import Task, Transfer
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.objective import check_loss, classification, loss_of
from scaling.training.optim import learning_rate
from tests.helpers.specs import at

HERE = "tests.helpers.functions"
MINE = Loss(f"{HERE}:cross_entropy")


def binary_focal(logit: float, target: float, gamma: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -target * math.pow(1 - p, gamma) * math.log(p) - (1 - target) * math.pow(p, gamma) * math.log(1 - p)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_by_hand(smoothing: float, gamma: float) -> None:
    logits, labels, s = [[2.0, -1.0, 0.5], [0.0, 3.0, -9.0]], [0, 2], smoothing
    total = sum(
        binary_focal(logit, 1 - s if k == label else s, gamma)
        for row, label in zip(logits, labels, strict=True)
        for k, logit in enumerate(row)
    )
    recipe = Recipe(loss="focal", focal_gamma=gamma, label_smoothing=s)
    assert loss_of(torch.tensor(logits), torch.tensor(labels), recipe).item() == pytest.approx(total / 2, rel=1e-5)


def test_focal_loss_without_focus_is_the_sigmoid_loss_and_torchvisions_with() -> None:
    logits, labels = 5 * torch.randn(6, 4), torch.tensor([1, 0, 2, 2, 1, 3])
    plain, none, two = (
        loss_of(logits, labels, recipe)
        for recipe in (Recipe(), Recipe(loss="focal", focal_gamma=0.0), Recipe(loss="focal", focal_gamma=2.0))
    )
    torch.testing.assert_close(none, plain)
    assert two < plain
    ops = pytest.importorskip("torchvision.ops", reason="torchvision is the other implementation")
    targets = torch.nn.functional.one_hot(labels, 4).float()
    torch.testing.assert_close(two, ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=2, reduction="sum") / 6)


@given(st.floats(-200, 200), st.floats(0, 100), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=60, deadline=None)
def test_focal_loss_is_finite_with_its_gradient(logit: float, gamma: float, smoothing: float) -> None:
    logits = torch.tensor([[logit, -logit]], requires_grad=True)
    recipe = Recipe(loss="focal", focal_gamma=gamma, label_smoothing=smoothing * 0.9)
    loss = loss_of(logits, torch.tensor([0]), recipe)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.5}, {"cutmix": 1.0}, {"mixup": 0.5, "cutmix": 1.0}])
@pytest.mark.parametrize("rows", [False, True])
def test_a_loss_of_the_users_is_what_it_would_be_inside(mixing: dict[str, float], rows: bool) -> None:
    labels = torch.tensor([0, 2, 1, 1])
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))  # it knows a class that no label has
    given = torch.eye(3, dtype=torch.int64)[labels] if rows else labels
    for step in range(3):
        mine, ours = (
            classification(Recipe(loss=loss, head_bias=0.0, **mixing), 0)(model, step, images, given)  # type: ignore[arg-type]
            for loss in (MINE, "softmax")
        )
        torch.testing.assert_close(mine, ours)


def test_several_labels_of_an_image_are_ones() -> None:
    seen = []

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(targets)
        return logits.sum()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{HERE}.summed", loss)
        rows = torch.tensor([[1, 0, 1], [0, 0, 0]])
        loss_of(torch.zeros(2, 4, dtype=torch.bfloat16), rows, Recipe(loss=Loss(f"{HERE}:summed")))
    assert seen[0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert seen[0].dtype == torch.float32


def test_schedules_of_the_users_are_those_inside() -> None:
    mine = Recipe(schedule=Schedule(f"{HERE}:cosine"), warmup_steps=0)
    for step in range(0, 1000, 97):
        ours = learning_rate(step, base_lr=0.3, steps=1000, recipe=replace(mine, schedule="cosine"))
        assert learning_rate(step, base_lr=0.3, steps=1000, recipe=mine) == pytest.approx(ours, rel=1e-12)
    warm = replace(mine, warmup_steps=10, schedule=Schedule(f"{HERE}:restarts", {"cycles": 4}))
    assert learning_rate(5, base_lr=1.0, steps=1000, recipe=warm) == pytest.approx(0.5, abs=1e-3)
    assert learning_rate(250, base_lr=1.0, steps=1000, recipe=warm) == 1.0


class Killed(BaseException):
    """Stands for a kill."""


def test_everything_of_the_users_resumes_to_the_bit(tiny_run: Pretrain, tiny_task: Task, tmp_path: Path) -> None:
    """Augmentation, loss and schedule by path, repeats and mixing: killed, and in a fine-tuning."""
    recipe = replace(
        tiny_run.recipe,
        augment=(RandAugment(), Augmentation(f"{HERE}:fade"), RandomErasing()),
        repeats=2,
        loss=MINE,
        schedule=Schedule(f"{HERE}:restarts", {"cycles": 3}),
        mixup=0.2,
        cutmix=1.0,
    )
    run, place = replace(tiny_run, recipe=recipe), tmp_path
    whole, torn = Storage.of(place / "whole"), Storage.of(place / "torn")

    def train(storage: Storage, kill_at: int | None = None) -> None:
        def report(step: int, metrics: dict[str, Any]) -> None:
            if step == kill_at:
                raise Killed

        pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)

    train(whole)
    with pytest.raises(Killed):
        train(torn, 11)
    train(torn)
    first, second = (frames.read_table(storage, "pretrain") for storage in (whole, torn))
    assert first.drop("checkpoint").equals(second.drop("checkpoint"))  # the weights' SHA-256 among the columns
    assert from_json(Pretrain, first["spec"][0]) == run
    task = replace(tiny_task, recipe=replace(recipe, optimizer="sgd", warmup_steps=1))
    transfer = Transfer(Scratch("tiny", run.model), task, at(task, 0.01), 0, "final")
    device = local_device()
    finetune(transfer, checkpoint=None, storage=whole, study="x", device=device, report=lambda step, metrics: None)
    assert np.isfinite(frames.read_table(whole, "transfer")["train_loss"][0])


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("no_such:f", {}, "Loss no_such:f cannot be imported: ModuleNotFoundError"),
        (f"{HERE}:broken", {}, "broken fails for logits and targets [4, 7]: KeyError: 'no\\nsuch'"),
        (f"{HERE}:cross_entropy", {"heat": 2}, "unexpected keyword argument 'heat'"),
        (f"{HERE}:summed", {}, "summed must be a mean over the images: it is "),
        (f"{HERE}:by_image", {}, "by_image must give a tensor without dimensions, it gives a tensor [4]"),
        (f"{HERE}:as_number", {}, "as_number must give a tensor without dimensions, it gives 2."),
        (f"{HERE}:detached", {}, "detached has no gradient: RuntimeError"),
        (f"{HERE}:flat", {}, "flat must have finite gradients, not all 0"),
        (f"{HERE}:infinite", {}, "infinite must be finite, it is nan for logits and targets [4, 7]"),
    ],
)
def test_a_loss_that_cannot_be_used_is_one_line(path: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        check_loss(Loss(path, options), 7)
    assert str(raised.value).count(path) == 1
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("no_such:f", {}, "Schedule no_such:f cannot be imported: ModuleNotFoundError"),
        (f"{HERE}:broken", {}, "broken fails at step 0 of 100: KeyError: 'no\\nsuch'"),
        (f"{HERE}:restarts", {"cycle": 2}, "unexpected keyword argument 'cycle'"),
        (f"{HERE}:negative", {}, "must give a number of at least 0, it gives -0.49 at step 99 of 100"),
        (f"{HERE}:as_text", {}, "must give a number of at least 0, it gives 'half' at step 0 of 100"),
    ],
)
def test_a_schedule_that_cannot_be_used_is_one_line(path: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        check_schedule(Schedule(path, options), 100)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("num_classes", [1, 2, 1000])
def test_what_can_be_used_passes(num_classes: int) -> None:
    check_loss(Loss(f"{HERE}:cross_entropy", {"temperature": 2.0}), max(num_classes, 2))
    check_loss(Loss("torch.nn.functional:binary_cross_entropy_with_logits"), num_classes)
    check_schedule(Schedule(f"{HERE}:restarts"), num_classes)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"loss": "focal"}, "loss 'focal' needs a focal_gamma, such as 2.0"),
        ({"focal_gamma": 2.0}, "focal_gamma belongs to loss 'focal', got 2.0 without it"),
        ({"loss": "focal", "focal_gamma": -1.0}, "focal_gamma must be 0 to 100, got -1.0"),
        ({"loss": MINE, "label_smoothing": 0.1}, "label_smoothing is not for Loss tests.helpers.functions:cross"),
        ({"loss": "hinge"}, "loss of Recipe must be 'sigmoid' or 'softmax' or 'focal' or Loss, got 'hinge'"),
        ({"schedule": math.cos}, "or Schedule, got <built-in function cos>"),
        ({"schedule": Schedule(f"{HERE}:cosine"), "timescale": 3}, "timescale belongs to schedule 'rsqrt', got 3"),
    ],
)
def test_recipes_refuse_what_does_not_go_together(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        replace(FINETUNE, **fields)
    assert "\n" not in str(raised.value)
