"""A look inside a Transformer: `python -m scaling.inspection --checkpoint DIR --data URI --storage OUT`.

Attention distance, rollout, filters and positions (§4.5, D.7, D.8) as rows; `python -m analysis inspection OUT` draws.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from scaling.checkpoints import Classifier, load_classifier
from scaling.checks import check, check_flag
from scaling.console import command_line, console, storage_of
from scaling.data import parse_uri
from scaling.data.pipeline import eval_images
from scaling.data.sources import Images, open_announced, split_facts
from scaling.inspection.attention import (
    mean_distances,
    position_similarities,
    principal_filters,
    reduce_attention,
    rollout,
)
from scaling.models import NonFiniteError, VisionTransformer, non_finite_origin, normalise
from scaling.store import Storage, write_rows
from scaling.training import FP32, Device, local_device

TABLES = ("attention_distance", "filters", "position_similarity", "rollout")
BATCH = 8  # images whose attention is held at once: 60 MB per image in a layer of L/16 at 384 pixels
MAX_SIDE = 112  # pixels a side, at most, of an image that is stored beside its rollout
Rows = dict[str, list[dict[str, Any]]]  # by table


@dataclass(frozen=True)
class Options:
    """Write what a ViT or hybrid attends to, its filters and its positions as rows.

    python -m scaling.inspection --checkpoint ViT-micro-L/4 --runs results/quickstart --data digits:test --storage OUT
    python -m scaling.inspection --checkpoint ViT-L_16.npz --model ViT-L/16 --data imagefolder:/data/val --storage OUT
    """

    checkpoint: str
    """A checkpoint's directory or URI; or, with --runs, its id or a run's name; or a .npz or .safetensors file."""
    data: str
    """URI of the images, such as parquet:PATH or imagefolder:DIR."""
    storage: str
    """Directory or URI for the rows: that of the study, or another one."""
    runs: str | None = None
    """Storage of a study that trained the checkpoint, or kept it of a fine-tuning."""
    model: str | None = None
    """Name in the zoo of the model that a file is of, such as ViT-L/16."""
    resolution: int | None = None
    """Pixels a side. Default: that of its training, 224 for a file."""
    images: int = 128
    """Images that the attention distance is the mean over (§D.7); of fewer, all."""
    rollouts: int = 6
    """Of these, images that are shown with what the output attends to."""
    components: int = 28
    """Principal components of the filters (Figure 7)."""
    seed: int = 0
    """Seed of the choice of images."""
    json: bool = False
    """Print the rows as one JSON value instead of text."""


def main(options: Options) -> int:
    for flag, least in (("images", 1), ("rollouts", 0), ("components", 1)):
        if (value := getattr(options, flag)) < least:
            raise ValueError(f"--{flag} must be at least {least}, got {value}")
        check_flag(flag, value, zero=True)
    check_flag("resolution", options.resolution)
    check(options.seed >= 0, f"--seed must not be negative, got {options.seed}")
    storage = storage_of(options.storage)
    classifier = load_classifier(
        options.checkpoint, runs=options.runs, model=options.model, resolution=options.resolution
    )
    tables = inspection_rows(classifier, open_announced(options.data), options, local_device(FP32))
    storage.make()
    for table, rows in tables.items():
        if rows:
            write_rows(storage, table, rows)
    if options.json:
        print(json.dumps(tables, indent=1))
    else:
        _print_summary(classifier, tables, storage)
    return 0


def inspection_rows(classifier: Classifier, images: Images, options: Options, device: Device) -> Rows:
    """The rows of all tables.

    A hybrid has no rows of filters, since its patches are of features and not of pixels; a model without tables of
    positions has no rows of these. Raises ValueError for a ResNet, which has no attention.
    """
    module, resolution = classifier.module, classifier.resolution
    if not isinstance(module, VisionTransformer):
        raise ValueError(f"{classifier.name} has no attention to look at: take a ViT or a hybrid")
    module = module.to(device.torch).eval()
    chosen = _choose_images(len(images), options.images, options.seed)
    fingerprint = split_facts(parse_uri(options.data)).fingerprint
    digest = (
        classifier.weights_sha256,
        fingerprint,
        resolution,
        chosen.tolist(),
        options.rollouts,
        options.components,
    )
    common = {
        "inspection_id": hashlib.sha256(json.dumps(digest).encode()).hexdigest()[:16],
        "run_id": classifier.run_id,
        "name": classifier.name,
        "family": classifier.family,
        "checkpoint": classifier.source,
        "weights_sha256": classifier.weights_sha256,
        "resolution": resolution,
    }
    data_columns = {"data": options.data, "fingerprint": fingerprint}
    distances, shares = distances_and_rollouts(module, images, chosen, options.rollouts, resolution, device)
    return {
        "attention_distance": [
            common | row | data_columns for row in _distance_rows(distances, len(chosen), resolution, module)
        ],
        "filters": [common | row for row in _filter_rows(module, options.components)],
        "position_similarity": [common | row for row in _position_rows(module)],
        "rollout": [
            common | row | data_columns for row in _rollout_rows(images, chosen[: len(shares)], shares, resolution)
        ],
    }


def _choose_images(count: int, most: int, seed: int) -> np.ndarray:
    """The indices of at most `most` of `count` images, in random order; the first of them are shown with rollouts."""
    return np.random.default_rng(seed).permutation(count)[:most]


def distances_and_rollouts(
    module: VisionTransformer, images: Images, chosen: np.ndarray, rollouts: int, resolution: int, device: Device
) -> tuple[Tensor, Tensor]:
    """Attention distances [layers, k] in patches, averaged over images, and rollouts [n, N] of the first n of them.

    Raises NonFiniteError where attention weights are NaN or infinite.
    """
    class_token = module.cls_token is not None
    sums, shares = torch.zeros((), dtype=torch.float64), []

    def reduce(weights: Tensor) -> tuple[Tensor, Tensor]:
        return mean_distances(weights, class_token).sum(0), weights.mean(1)  # [k], [B, S, S]

    for start in range(0, len(chosen), BATCH):
        x = normalise(eval_images(images, chosen[start : start + BATCH], resolution).to(device.torch))
        layers = reduce_attention(module, x, reduce)
        sums = sums + torch.stack([distance for distance, _ in layers]).cpu()
        if not torch.isfinite(sums).all():
            where, why = images.where(int(chosen[start])), non_finite_origin(module, x)
            raise NonFiniteError(f"attention in {where} or those after it is NaN or infinite: {why}")
        if start < rollouts:
            shares.append(rollout([heads for _, heads in layers], class_token).cpu())
    return sums / len(chosen), torch.cat(shares)[:rollouts] if shares else torch.zeros(0, 0)


def _grid(module: VisionTransformer, resolution: int) -> int:
    """Patches a side of an image, found by embedding one: a hybrid's stem has a stride of its own."""
    with torch.no_grad():
        x = torch.zeros(1, 3, resolution, resolution, device=module.head.weight.device)
        side: int = round(module.embed(x).shape[1] ** 0.5)
        return side


def _distance_rows(distances: Tensor, images: int, resolution: int, module: VisionTransformer) -> list[dict[str, Any]]:
    token = resolution / _grid(module, resolution)
    return [
        {"layer": layer, "head": head, "pixels": value * token, "token_pixels": token, "images": images}
        for layer, heads in enumerate(distances.tolist())
        for head, value in enumerate(heads)
    ]


def _filter_rows(module: VisionTransformer, count: int) -> list[dict[str, Any]]:
    if module.patch_embed.in_channels != 3:
        return []
    components, variance = principal_filters(module.patch_embed.weight.cpu(), count)
    return [
        {
            "component": place,
            "variance": share,
            "side": component.shape[-1],
            "values": component.permute(1, 2, 0).flatten().tolist(),
        }
        for place, (component, share) in enumerate(zip(components, variance.tolist(), strict=True))
    ]


def _position_rows(module: VisionTransformer) -> list[dict[str, Any]]:
    return [
        {"table": table, "grid": round(len(cosines) ** 0.5), "position": position, "cosines": row}
        for table, cosines in enumerate(position_similarities(module))
        for position, row in enumerate(cosines.tolist())
    ]


def _rollout_rows(images: Images, chosen: np.ndarray, shares: Tensor, resolution: int) -> list[dict[str, Any]]:
    if not len(chosen):
        return []
    side = min(resolution, MAX_SIDE)
    small = eval_images(images, chosen, side).permute(0, 2, 3, 1)  # [n, side, side, 3]
    return [
        {
            "image": index,
            "grid": round(len(share) ** 0.5),
            "shares": share.tolist(),
            "side": side,
            "pixels": pixels.flatten().tolist(),
        }
        for index, share, pixels in zip(chosen.tolist(), shares, small, strict=True)
    ]


def _print_summary(classifier: Classifier, tables: Rows, storage: Storage) -> None:
    out = console()
    rows = tables["attention_distance"]
    images, pixels = rows[0]["images"], classifier.resolution
    title = f"{classifier.name}: attention distance, mean over {images} images of {pixels} pixels"
    out.print(title, markup=False, soft_wrap=True)
    table = Table("layer", "shortest head", "mean", "longest head")
    for layer in range(rows[-1]["layer"] + 1):
        values = [row["pixels"] for row in rows if row["layer"] == layer]
        table.add_row(str(layer), *(f"{v:.1f} px" for v in (min(values), sum(values) / len(values), max(values))))
    out.print(table)
    if not tables["filters"]:
        out.print("No filters: the patches of this model are of a ResNet's features, not of pixels.")
    if not tables["position_similarity"]:
        out.print("No positions: this model has no table of them.")
    out.print(f"Rows: {storage.path(TABLES[0])} and the tables beside it", markup=False, soft_wrap=True)
    out.print(f"Pictures: python -m analysis inspection {storage.uri}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    command_line(main, Options)
