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
from scaling.checks import check
from scaling.console import command_line, console
from scaling.data import parse_uri
from scaling.data.pipeline import eval_images
from scaling.data.sources import Images, open_split, split_facts
from scaling.inspection.attention import look, mean_distances, position_similarities, principal_filters, rollout
from scaling.models import VisionTransformer, normalise
from scaling.store import Storage, write_rows
from scaling.training import FP32, Device, local_device

TABLES = ("attention_distance", "filters", "position_similarity", "rollout")
BATCH = 8  # images whose attention is held at once: 60 MB an image in a layer of L/16 at 384 pixels
SMALL = 112  # pixels a side, at most, of an image that is kept
Rows = dict[str, list[dict[str, Any]]]  # by table


@dataclass(frozen=True)
class Options:
    """What a ViT or hybrid attends to, its filters and its positions, as rows."""

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
        check(getattr(options, flag) >= least, f"--{flag} must be at least {least}, got {getattr(options, flag)}")
    found = load_classifier(options.checkpoint, runs=options.runs, model=options.model, resolution=options.resolution)
    made = inspection(found, open_split(options.data, None), options, local_device(FP32))
    place = Storage.of(options.storage)
    place.make()
    for table, rows in made.items():
        if rows:
            write_rows(place, table, rows)
    if options.json:
        print(json.dumps(made, indent=1))
    else:
        _show(found, made, place)
    return 0


def inspection(found: Classifier, images: Images, options: Options, device: Device) -> Rows:
    """The rows of all tables; none of filters for a hybrid, whose patches are of features, none of positions without a
    table. Raises ValueError for a ResNet, which has no attention."""
    module = found.module
    if not isinstance(module, VisionTransformer):
        raise ValueError(f"{found.name} has no attention to look at: take a ViT or a hybrid")
    module = module.to(device.torch).eval()
    chosen = _chosen(len(images), options.images, options.seed)
    fingerprint = split_facts(parse_uri(options.data)).fingerprint
    digest = (
        found.weights_sha256,
        fingerprint,
        found.resolution,
        chosen.tolist(),
        options.rollouts,
        options.components,
    )
    common = {
        "inspection_id": hashlib.sha256(json.dumps(digest).encode()).hexdigest()[:16],
        "run_id": found.run_id,
        "name": found.name,
        "family": found.family,
        "checkpoint": found.source,
        "weights_sha256": found.weights_sha256,
        "resolution": found.resolution,
    }
    where = {"data": options.data, "fingerprint": fingerprint}
    distances, shares = attention(module, images, chosen, options.rollouts, found.resolution, device)
    return {
        "attention_distance": [
            common | row | where for row in _distance_rows(distances, len(chosen), found.resolution, module)
        ],
        "filters": [common | row for row in _filter_rows(module, options.components)],
        "position_similarity": [common | row for row in _position_rows(module)],
        "rollout": [
            common | row | where for row in _rollout_rows(images, chosen[: len(shares)], shares, found.resolution)
        ],
    }


def _chosen(count: int, wanted: int, seed: int) -> np.ndarray:
    """Indices of images, in random order: the first of them are those that are shown."""
    return np.random.default_rng(seed).permutation(count)[:wanted]


def attention(
    module: VisionTransformer, images: Images, chosen: np.ndarray, rollouts: int, resolution: int, device: Device
) -> tuple[Tensor, Tensor]:
    """Attention distances [layers, k], in patches, mean over the images, and rollouts [n, N] of the first of them."""
    class_token = module.cls_token is not None
    sums, shares = torch.zeros((), dtype=torch.float64), []

    def see(weights: Tensor) -> tuple[Tensor, Tensor]:
        return mean_distances(weights, class_token).sum(0), weights.mean(1)  # [k], [B, S, S]

    for start in range(0, len(chosen), BATCH):
        x = normalise(eval_images(images, chosen[start : start + BATCH], resolution).to(device.torch))
        seen = look(module, x, see)
        sums = sums + torch.stack([distance for distance, _ in seen]).cpu()
        if start < rollouts:
            shares.append(rollout([heads for _, heads in seen], class_token).cpu())
    return sums / len(chosen), torch.cat(shares)[:rollouts] if shares else torch.zeros(0, 0)


def _grid(module: VisionTransformer, resolution: int) -> int:
    """Patches a side of an image."""
    with torch.no_grad():
        x = torch.zeros(1, 3, resolution, resolution, device=module.head.weight.device)
        return round(module.embed(x).shape[1] ** 0.5)


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
    side = min(resolution, SMALL)
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


def _show(found: Classifier, made: Rows, place: Storage) -> None:
    out = console()
    rows = made["attention_distance"]
    title = f"{found.name}: attention distance, mean over {rows[0]['images']} images of {found.resolution} pixels"
    out.print(title, markup=False, soft_wrap=True)
    table = Table("layer", "shortest head", "mean", "longest head")
    for layer in range(rows[-1]["layer"] + 1):
        values = [row["pixels"] for row in rows if row["layer"] == layer]
        table.add_row(str(layer), *(f"{v:.1f} px" for v in (min(values), sum(values) / len(values), max(values))))
    out.print(table)
    if not made["filters"]:
        out.print("No filters: its patches are of a ResNet's features, not of pixels.")
    if not made["position_similarity"]:
        out.print("No positions: it has no table of them.")
    out.print(f"Rows: {place.path(TABLES[0])} and beside it", markup=False, soft_wrap=True)
    out.print(f"Pictures: python -m analysis inspection {place.uri}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    command_line(main, Options)
