"""Masked patch prediction in place of labels (§4.6, §B.1.2): the corruption, the targets, the loss.

Shapes: B images of R x R pixels, N patches of p x p, C of them corrupted, P predicted numbers per patch.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64, Num, Shaped, UInt8
from torch import Tensor, nn

from scaling.checks import check
from scaling.data.pipeline import Skipped, eval_images_left
from scaling.data.sources import Images
from scaling.models import (
    MASK,
    MaskedPatchPrediction,
    NonFiniteError,
    VisionTransformer,
    build,
    non_finite_origin,
    normalise,
)
from scaling.randomness import hashed, uniforms
from scaling.specs import MaskedPatches, Pretrain, ViT
from scaling.training import EVAL_BATCH, Device, Objective, sum_over_workers

STREAM = 0x3A5C  # keeps these random numbers apart from the crops', which have the same seed, epoch and index


def build_masked(run: Pretrain) -> MaskedPatchPrediction:
    """The run's model with fresh weights; its prediction layer starts at zero, like every classifier here."""
    masked, model = _parts(run)
    outputs = masked.outputs(model.patch_size)
    encoder = build(model, outputs, resolution=run.resolution, dropout=run.recipe.dropout)
    assert isinstance(encoder, VisionTransformer)
    return MaskedPatchPrediction(encoder)


def corruption(run: Pretrain, epochs: Int[np.ndarray, " B"], indices: Int[np.ndarray, " B"]) -> Int64[Tensor, "B C 2"]:
    """Which patches are corrupted, and how, as `MaskedPatchPrediction` reads it.

    C = round(corrupted * N) patches of every image. Each of them is masked, replaced or kept by chance, as in BERT, so
    that the shares hold however few they are. 'A random other patch embedding' is read as one of the same image, which
    makes the corruption a function of (seed, epoch, index), however images are spread over batches and workers.
    """
    masked, model = _parts(run)
    patches = (run.resolution // model.patch_size) ** 2
    count = masked.count(patches)
    u = uniforms(hashed(run.seed, STREAM), epochs, indices, patches + 2 * count)
    # Stable, so that equal numbers, however rare, fall alike on every machine.
    position = u[:, :patches].argsort(axis=1, kind="stable")[:, :count]
    kind, shift = u[:, patches : patches + count], u[:, patches + count :]
    # 1 to N - 1 places further on, round the image: never the patch itself.
    other = (position + 1 + (shift * (patches - 1)).astype(np.int64)) % patches
    source = np.where(kind < masked.masked, MASK, np.where(kind < masked.masked + masked.random, other, position))
    return torch.from_numpy(np.stack([position, source], axis=-1))


def targets(
    run: Pretrain, images: UInt8[Tensor, "B 3 R R"], position: Int64[Tensor, "B C"]
) -> Num[Tensor, "B C cells"]:
    """What is to be predicted for the patches `position`.

    Colour classes int64 [B, C, 1] of the patch's mean, or [B, C, 16] of the patch downsized to 4x4 in raster order
    (each of the 16 is the mean of the pixels that it overlaps, so that any patch size will do); or its pixels in
    [-1, 1], [B, C, 3 * p * p], channel by channel.
    """
    masked, model = _parts(run)
    grid = (-1, model.patch_size)
    x = images.unflatten(3, grid).unflatten(2, grid)  # [B, 3, rows, p, columns, p]
    x = x.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # [B, N, 3, p, p]
    x = x[torch.arange(len(x), device=x.device)[:, None], position]  # [B, C, 3, p, p]
    if masked.target == "pixels":
        return normalise(x).flatten(2)
    cells = F.adaptive_avg_pool2d(x.float().flatten(0, 1), 1 if masked.target == "mean_color" else 4)
    y: Num[Tensor, "B C cells"] = colour_class(cells.flatten(2), masked.bits).unflatten(0, position.shape)
    return y


def colour_class(colour: Num[Tensor, "*leading 3 n"], bits: int) -> Int64[Tensor, "*leading n"]:
    """Class r * 4^bits + g * 2^bits + b of colours in 0 to 255, each channel in 2^bits equal bins."""
    shades = 2**bits
    # Clamped, or 255 would have a bin of its own.
    r, g, b = (colour * shades / 255).long().clamp(max=shades - 1).unbind(-2)
    y: Int64[Tensor, "*leading n"] = (r * shades + g) * shades + b
    return y


def masked_prediction(run: Pretrain) -> Objective:
    """Mean over the corrupted patches of the cross-entropy of their colours, or of the squared error of their pixels.

    The batch's labels are its `corruption`. The recipe's own loss plays no part here.
    """

    def loss(
        model: nn.Module, step: int, images: UInt8[Tensor, "B 3 R R"], corrupted: Int64[Tensor, "B C 2"]
    ) -> Float[Tensor, ""]:
        predicted = model(normalise(images), corrupted).float()  # [B, C, P]
        target = targets(run, images, corrupted[..., 0])
        if not run.predicts_classes:
            return F.mse_loss(predicted, target)
        return F.cross_entropy(_by_cell(predicted, target).flatten(0, 2), target.flatten())

    return loss


@torch.no_grad()
def masked_accuracy(
    run: Pretrain,
    module: nn.Module,
    images: Images,
    indices: Int[np.ndarray, " n"],
    device: Device,
    skipped: Skipped | None = None,
) -> float:
    """Share of the colours predicted right in the corrupted patches of `images[indices]`, the same ones every time.

    Images that cannot be decoded are noted in `skipped` and left out; without `skipped` they raise CorruptImageError.
    Raises NonFiniteError for predictions that are NaN or infinite.
    """
    sums = torch.zeros(3, dtype=torch.float64, device=device.torch)  # right, all, not finite
    module.eval()
    own = indices[device.rank :: device.world]
    for index in (own[start : start + EVAL_BATCH] for start in range(0, len(own), EVAL_BATCH)):
        x, index = eval_images_left(images, index, run.resolution, skipped)
        if not len(index):
            continue
        x = device.put(x)
        corrupted = device.put(corruption(run, np.zeros_like(index), index))
        target = targets(run, x, corrupted[..., 0])  # [B, C, cells]
        with device.autocast():
            predicted = module.forward(normalise(x), corrupted)
        right = (_by_cell(predicted, target).argmax(-1) == target).sum()
        bad = (~torch.isfinite(predicted)).sum()
        sums += torch.stack([right, torch.full_like(right, target.numel()), bad]).double()
        device.run()
    right_sum, count, bad_sum = sum_over_workers(sums, device).tolist()
    if bad_sum:
        x = device.put(eval_images_left(images, indices[:1], run.resolution, None)[0])
        origin = non_finite_origin(module, normalise(x), device.put(corruption(run, np.zeros(1, int), indices[:1])))
        raise NonFiniteError(f"the predictions of {run.name} for masked patches are NaN or infinite: {origin}")
    check(count > 0, f"none of {len(indices)} images to judge by can be decoded")
    return float(right_sum / count)


def _by_cell(
    predicted: Float[Tensor, "B C P"], target: Shaped[Tensor, "B C cells"]
) -> Float[Tensor, "B C cells colours"]:
    """Scores of all cells of a patch, cell by cell."""
    y: Float[Tensor, "B C cells colours"] = predicted.unflatten(-1, (target.shape[-1], -1))
    return y


def _parts(run: Pretrain) -> tuple[MaskedPatches, ViT]:
    assert run.masked is not None
    assert isinstance(run.model, ViT)
    return run.masked, run.model
