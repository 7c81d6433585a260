"""The loss that a training minimises: a recipe's, with label smoothing, MixUp and CutMix, or the user's own.

Shapes: b images of a worker's share or of a microbatch, K classes of the model, k <= K of multi-hot labels.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Num, Shaped, UInt8
from torch import Tensor, nn

from scaling.checks import check, named_error, short
from scaling.models import normalise
from scaling.randomness import hashed
from scaling.specs import Loss, Recipe, named_function

Labels = Int[Tensor, " b"] | Num[Tensor, "b k"]  # class numbers, or multi-hot rows
Box = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are outside
# (model, step, images, labels or other targets) -> mean loss: all on the device, under autocast
Objective = Callable[[nn.Module, int, UInt8[Tensor, "b 3 R R"], Shaped[Tensor, "b ..."]], Float[Tensor, ""]]


def classification(recipe: Recipe, seed: int) -> Objective:
    """The recipe's loss of a model's logits.

    With MixUp (Zhang et al. 2018) every image is mixed with its neighbour in the batch, all with the share drawn for
    the step, and so is the loss, which is linear in the targets. With CutMix (Yun et al. 2019) a box of the neighbour's
    pixels replaces the image's own, and the loss is mixed by its area; where both are set each step draws one of them
    evenly. So b must be even. A `Loss` of the user's, which need not be linear, gets the mixed targets.
    """

    def loss(model: nn.Module, step: int, images: UInt8[Tensor, "b 3 R R"], labels: Labels) -> Float[Tensor, ""]:
        x = normalise(images)
        if recipe.tied == 1:
            return loss_of(model(x), labels, recipe)
        if cuts(recipe, seed, step):
            box = cutmix_box(recipe.cutmix, seed, step, x.shape[-1])
            x, share = pasted(x, box), 1 - area(box) / x.shape[-1] ** 2
        else:
            share = mixup_share(recipe.mixup, seed, step)
            x = torch.lerp(neighbours(x), x, share)
        logits = model(x)
        if isinstance(recipe.loss, Loss):
            return named_loss(
                recipe.loss,
                logits,
                torch.lerp(indicators(neighbours(labels), logits), indicators(labels, logits), share),
            )
        return share * loss_of(logits, labels, recipe) + (1 - share) * loss_of(logits, neighbours(labels), recipe)

    return loss


def mixup_share(alpha: float, seed: int, step: int) -> float:
    """The share of the image itself in its mixture, from Beta(alpha, alpha): one draw per step, for all workers."""
    return float(np.random.default_rng(hashed(seed, step)).beta(alpha, alpha))


def cuts(recipe: Recipe, seed: int, step: int) -> bool:
    """Whether a step's mixture is CutMix: with MixUp beside it, half of the steps, the same for all workers."""
    return recipe.cutmix > 0 and (recipe.mixup == 0 or np.random.default_rng(hashed(seed, step, 1)).random() < 0.5)


def cutmix_box(alpha: float, seed: int, step: int, resolution: int) -> Box:
    """The box that is pasted in a step: sides are sqrt(1 - Beta(alpha, alpha)) of the image's, before clipping.

    Its centre is uniform over the pixels, as in the authors' code (clovaai/CutMix-PyTorch, `rand_bbox`).
    """
    rng = np.random.default_rng(hashed(seed, step, 2))
    half = int(resolution * np.sqrt(1 - rng.beta(alpha, alpha))) // 2
    y, x = rng.integers(0, resolution, 2).tolist()
    return max(y - half, 0), min(y + half, resolution), max(x - half, 0), min(x + half, resolution)


def area(box: Box) -> int:
    """Pixels of a box."""
    top, bottom, left, right = box
    return (bottom - top) * (right - left)


def pasted(x: Float[Tensor, "b 3 R R"], box: Box) -> Float[Tensor, "b 3 R R"]:
    """x with the neighbours' pixels inside the box."""
    top, bottom, left, right = box
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = neighbours(x)[..., top:bottom, left:right]
    return mixed


def neighbours(x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
    """x with positions 2j and 2j+1 exchanged: partners are on one worker, however many there are (`Recipe.tied`)."""
    y: Shaped[Tensor, "b ..."] = x.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
    return y


def loss_of(logits: Float[Tensor, "b K"], labels: Labels, recipe: Recipe) -> Float[Tensor, ""]:
    """The mean loss over the batch, in float32.

    Sigmoid: binary cross-entropy summed over classes, targets 1 - s and s with smoothing s. Softmax: cross-entropy with
    targets 1 - s + s/K and s/K; the n labels of an image have 1/n each. Focal: that of the sigmoid with each term times
    the g-th power of what its probability lacks to 1 (Lin et al. 2017, eq. 4).
    """
    logits = logits.float()
    if isinstance(recipe.loss, Loss):
        return named_loss(recipe.loss, logits, indicators(labels, logits))
    smoothing = recipe.label_smoothing
    if recipe.loss == "softmax":
        return F.cross_entropy(logits, distribution(labels, logits.shape[1]), label_smoothing=smoothing)
    if labels.ndim == 1:
        # The paper gives no formula; the official code has 1 - s and s here, not s spread over the classes.
        targets = torch.full_like(logits, smoothing).scatter_(1, labels[:, None], 1 - smoothing)
    else:
        targets = smoothing + (1 - 2 * smoothing) * indicators(labels, logits)
    if recipe.loss == "focal":
        assert recipe.focal_gamma is not None
        return focal(logits, targets, recipe.focal_gamma).sum() / len(labels)
    # Summed over classes and averaged over images, as in the official code: a mean over both is K times less.
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)


def focal(logits: Float[Tensor, "b K"], targets: Float[Tensor, "b K"], gamma: float) -> Float[Tensor, "b K"]:
    """The focal loss of each class, linear in the targets: at gamma 0 it is the binary cross-entropy."""
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)  # logarithms of the probability and of 1 - it
    return -(targets * (gamma * no).exp() * yes + (1 - targets) * (gamma * yes).exp() * no)


def named_loss(spec: Loss, logits: Float[Tensor, "b K"], targets: Float[Tensor, "b K"]) -> Tensor:
    """What the user's loss gives, of float32: `check_loss` has looked at it when the study was read."""
    loss: Tensor = named_function(spec)(logits.float(), targets, **dict(spec.options))
    return loss


def check_loss(spec: Loss, num_classes: int) -> None:
    """Raise ValueError unless the user's loss is a finite mean over the images, which gradients flow from."""
    function, label, shape = named_function(spec), f"Loss {spec.path}", f"[4, {num_classes}]"
    logits = torch.linspace(-1, 1, 4 * num_classes).view(4, num_classes).requires_grad_()
    targets = F.one_hot(torch.arange(4) % num_classes, num_classes).float()
    try:
        loss, again = (
            function(x, y, **dict(spec.options))
            for x, y in ((logits, targets), (torch.cat([logits] * 2), torch.cat([targets] * 2)))
        )
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} fails for logits and targets {shape}: {named_error(error)}") from None
    for found in (loss, again):
        form = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else short(found)
        check(
            isinstance(found, Tensor) and found.ndim == 0,
            f"{label} must give a tensor without dimensions, it gives {form}",
        )
    check(bool(loss.isfinite()), f"{label} must be finite, it is {loss.item()} for logits and targets {shape}")
    mean = torch.isclose(loss, again, rtol=1e-3, atol=1e-6)
    check(
        bool(mean),
        f"{label} must be a mean over the images: it is {loss:.4g} for 4 of them, {again:.4g} for the same 4 twice",
    )
    try:
        loss.backward()
    except Exception as error:
        raise ValueError(f"{label} has no gradient: {named_error(error)}") from None
    check(
        logits.grad is not None and bool(logits.grad.isfinite().all()) and bool(logits.grad.any()),
        f"{label} must have finite gradients, not all 0, for logits and targets {shape}",
    )


def indicators(labels: Labels, logits: Float[Tensor, "b K"]) -> Float[Tensor, "b K"]:
    """1 for the label of an image, or its labels, and 0 for all other classes, in float32."""
    if labels.ndim == 1:
        return torch.zeros_like(logits, dtype=torch.float32).scatter_(1, labels[:, None], 1.0)
    # Padded, because a split may lack the highest classes that the classifier has.
    return F.pad(labels, (0, logits.shape[1] - labels.shape[1])).float()


def distribution(labels: Labels, num_classes: int) -> Int[Tensor, " b"] | Float[Tensor, "b K"]:
    """Class numbers as they are; multi-hot rows over K classes, each scaled to the sum 1 unless it is 0."""
    if labels.ndim == 1:
        return labels
    shared = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return F.pad(shared, (0, num_classes - labels.shape[1]))
