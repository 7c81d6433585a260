"""Losses, smoothing and MixUp against their formulas, worked out by hand."""

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.models.layers import normalise
from scaling.specs.recipe import Recipe
from scaling.training.objective import classification, cutmix_box, cuts, loss_of, mixup_share, neighbours


def binary(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def cross_entropy(logits: list[float], targets: list[float]) -> float:
    total = math.log(sum(map(math.exp, logits)))
    return sum(target * (total - logit) for logit, target in zip(logits, targets, strict=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sigmoid_loss_is_summed_over_classes_and_meant_over_images(smoothing: float) -> None:
    logits, labels, s = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]]), torch.tensor([0, 2]), smoothing
    first = binary(2.0, 1 - s) + binary(-1.0, s) + binary(0.5, s)
    second = 2 * binary(0.0, s) + binary(0.0, 1 - s)
    found = loss_of(logits, labels, Recipe(loss="sigmoid", label_smoothing=s))
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_softmax_loss_is_meant_over_images(smoothing: float) -> None:
    logits, s = [[2.0, -1.0, 0.5], [0.0, 1.0, 0.0]], smoothing
    on, off = 1 - s + s / 3, s / 3
    expected = (cross_entropy(logits[0], [off, on, off]) + cross_entropy(logits[1], [on, off, off])) / 2
    found = loss_of(torch.tensor(logits), torch.tensor([1, 0]), Recipe(loss="softmax", label_smoothing=s))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_neighbours_change_places() -> None:
    x = torch.arange(12).view(6, 2)
    assert neighbours(x)[:, 0].tolist() == [2, 0, 6, 4, 10, 8]
    assert neighbours(torch.tensor([5, 7, 8, 9])).tolist() == [7, 5, 9, 8]


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_mixup_by_hand(loss: Literal["sigmoid", "softmax"]) -> None:
    """Images of one pixel, a linear model: mixed inputs, and the loss against mixed targets."""
    recipe, seed, step = Recipe(loss=loss, mixup=0.7), 3, 11
    images = torch.tensor([10, 200, 90, 40], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 1, 1)
    labels, weights = torch.tensor([0, 2, 1, 1]), torch.tensor([1.0, -2.0, 0.5])
    share = mixup_share(0.7, seed, step)
    assert 0 < share < 1
    seen = []

    class Linear(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x[:, 0, 0, :] * weights

    found = classification(recipe, seed)(Linear(), step, images, labels)
    clean = normalise(images)
    total = 0.0
    for i, partner in enumerate((1, 0, 3, 2)):
        mixed = share * clean[i] + (1 - share) * clean[partner]
        torch.testing.assert_close(seen[0][i], mixed)
        logits = (mixed[0, 0, 0] * weights).tolist()
        targets = [share * (labels[i] == k) + (1 - share) * (labels[partner] == k) for k in range(3)]
        if loss == "softmax":
            total += cross_entropy(logits, [float(t) for t in targets]) / 4
        else:
            total += sum(binary(logit, float(t)) for logit, t in zip(logits, targets, strict=True)) / 4
    assert found.item() == pytest.approx(total, rel=1e-5)


def test_shares_are_a_function_of_seed_and_step_and_follow_beta() -> None:
    shares = np.array([mixup_share(0.4, 0, step) for step in range(4000)])
    assert mixup_share(0.4, 0, 17) == shares[17]
    assert mixup_share(0.4, 1, 17) != shares[17]
    assert len(set(shares)) > 3900
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05)  # of Beta(a, a)


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_hot_rows_have_the_loss_of_their_classes(loss: Literal["sigmoid", "softmax"], smoothing: float) -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([1, 0, 2, 2, 1])
    rows = torch.nn.functional.one_hot(labels, 3).float()  # and the model knows a fourth class
    recipe = Recipe(loss=loss, label_smoothing=smoothing)
    torch.testing.assert_close(loss_of(logits, rows, recipe), loss_of(logits, labels, recipe))


def test_several_labels_by_hand() -> None:
    logits, s = [2.0, -1.0, 0.5], 0.1
    rows = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    sigmoid = binary(2.0, 1 - s) + binary(-1.0, s) + binary(0.5, 1 - s) + 3 * binary(0.0, s)
    found = loss_of(torch.tensor([logits, [0.0] * 3]), rows, Recipe(loss="sigmoid", label_smoothing=s))
    assert found.item() == pytest.approx(sigmoid / 2, rel=1e-6)
    on, off = (1 - s) / 2 + s / 3, s / 3
    softmax = cross_entropy(logits, [on, off, on])
    found = loss_of(torch.tensor([logits]), rows[:1], Recipe(loss="softmax", label_smoothing=s))
    assert found.item() == pytest.approx(softmax, rel=1e-6)


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_mixup_of_rows_is_that_of_classes(loss: Literal["sigmoid", "softmax"]) -> None:
    recipe, labels = Recipe(loss=loss, mixup=0.5, label_smoothing=0.1), torch.tensor([0, 2, 1, 1])
    images = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    by_class, by_row = (classification(recipe, 0)(model, 5, images, some) for some in (labels, torch.eye(3)[labels]))
    torch.testing.assert_close(by_class, by_row)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 24), st.sampled_from([0.2, 1.0, 3.0]))
def test_share_of_cutmix_is_the_area_that_was_pasted(step: int, resolution: int, alpha: float) -> None:
    """Images of one colour each: what the model sees of the neighbour is its share of the loss."""
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, resolution, resolution)
    seen = []

    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.tensor([[0.5, -1.0], [0.5, -1.0]])

    recipe = Recipe(loss="softmax", cutmix=alpha)
    found = classification(recipe, 4)(Fixed(), step, images, torch.tensor([0, 1]))
    shares = [(seen[0][i] == normalise(images)[1 - i]).double().mean().item() for i in range(2)]
    assert shares[0] == shares[1]
    top, bottom, left, right = cutmix_box(alpha, 4, step, resolution)
    assert 0 <= top <= bottom <= resolution
    assert 0 <= left <= right <= resolution
    share = shares[0]
    expected = cross_entropy([0.5, -1.0], [1 - share, share]) + cross_entropy([0.5, -1.0], [share, 1 - share])
    assert found.item() == pytest.approx(expected / 2, rel=1e-5)


def test_mixup_and_cutmix_are_drawn_evenly() -> None:
    both = [cuts(Recipe(mixup=0.2, cutmix=1.0), 0, step) for step in range(2000)]
    assert np.mean(both) == pytest.approx(0.5, abs=0.04)
    assert cuts(Recipe(cutmix=1.0), 0, 5)
    assert not cuts(Recipe(mixup=0.2), 0, 5)
