"""Top-1 and top-5 of a classifier on any images: `python -m scaling.evaluate --checkpoint DIR --data URI`."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from scaling.checkpoints import Classifier, load_classifier
from scaling.checks import check, check_flag, say
from scaling.console import command_line, console, storage_of
from scaling.data import parse_uri
from scaling.data.pipeline import eval_images
from scaling.data.sources import Images, are_numbers, class_numbers, open_announced, read_text, split_facts
from scaling.evaluate.center_crop import center_crops
from scaling.evaluate.targets import Targets, by_labels, by_lists, by_mapping
from scaling.specs import Execution, Precision
from scaling.store import Storage, row_file, write_rows
from scaling.training import local_device, topk


@dataclass(frozen=True)
class Options:
    """Measure a classifier's top-1 and top-5 accuracy on any images.

    python -m scaling.evaluate --checkpoint R-micro-S --runs results/quickstart --data ifs:classes=10,images=50,size=16
    python -m scaling.evaluate --checkpoint ViT-B_16.npz --model ViT-B/16 --data imagefolder:/data/val --resize 256
    """

    checkpoint: str
    """A checkpoint's directory or URI; or, with --runs, its id or a run's name; or a .npz or .safetensors file."""
    data: str
    """URI of the images, such as parquet:PATH or imagefolder:DIR."""
    runs: str | None = None
    """Storage of a study that trained the checkpoint, or kept it of a fine-tuning."""
    model: str | None = None
    """Name in the zoo of the model that a file is of, such as ViT-B/16."""
    labels: str | None = None
    """JSON list of the right classes of every image, in the order of the data (ImageNet-ReaL's real.json)."""
    classes: str | None = None
    """JSON object from the data's classes to lists of the classifier's (ObjectNet)."""
    resolution: int | None = None
    """Pixels a side. Default: the run's own, 224 for a file."""
    resize: int | None = None
    """Pixels of the short side before a central crop. Default: no crop, the image is resized, aspect not kept."""
    storage: str | None = None
    """Directory or URI for the row (table evaluation). Default: none is kept."""
    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    check(
        options.labels is None or options.classes is None,
        "--labels and --classes both say which classes are right: give one of them",
    )
    for name in ("resolution", "resize"):
        check_flag(name, getattr(options, name))
    place = None if options.storage is None else storage_of(options.storage)
    classifier = load_classifier(
        options.checkpoint, runs=options.runs, model=options.model, resolution=options.resolution
    )
    resize = options.resize
    check(
        resize is None or resize >= classifier.resolution,
        f"--resize must be at least the crop's {classifier.resolution} pixels, got {resize}",
    )
    images = open_announced(options.data)
    row = evaluation(classifier, images, _targets(options, images, classifier), options)
    if place is not None:
        place.make()
        write_rows(place, "evaluation", [row])
    if options.json:
        print(json.dumps(row, indent=1))
    else:
        _show(row, place)
    return 0


def evaluation(classifier: Classifier, images: Images, targets: Targets, options: Options) -> dict[str, Any]:
    """The row of the table `evaluation`."""
    device = local_device(Execution(options.precision))
    resize, resolution = options.resize, classifier.resolution

    def prepare(index: np.ndarray) -> Tensor:
        if resize is None:
            return eval_images(images, index, resolution)
        return center_crops(images, index, resize, resolution)

    top1, top5 = topk(
        classifier.module.to(device.torch),
        targets.evaluated,
        prepare=prepare,
        right=targets.right.__getitem__,
        where=images.where,
        allowed=targets.allowed,
        device=device,
    )
    fingerprint = split_facts(parse_uri(options.data)).fingerprint
    key = (
        classifier.weights_sha256,
        fingerprint,
        _content(options, images, classifier),
        resolution,
        resize,
        device.precision,
    )
    return {
        "evaluation_id": hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16],
        "run_id": classifier.run_id,
        "name": classifier.name,
        "family": classifier.family,
        "checkpoint": classifier.source,
        "weights_sha256": classifier.weights_sha256,
        "data": options.data,
        "fingerprint": fingerprint,
        "truth": "real" if options.labels else "classes" if options.classes else "labels",
        "images": len(targets.evaluated),
        "left_out": len(images) - len(targets.evaluated),
        "resolution": resolution,
        "resize": resize,
        "top1": top1,
        "top5": top5,
    }


def _targets(options: Options, images: Images, classifier: Classifier) -> Targets:
    num_classes = classifier.num_classes
    if options.labels is not None:
        return by_lists(options.labels, len(images), num_classes)
    if options.classes is not None:
        return by_mapping(options.classes, images.labels, num_classes)
    if classifier.classes is None and images.classes is not None and not are_numbers(images.classes):
        say([f"{classifier.source} keeps no names of its classes: the data's classes are taken by their numbers"])
    return by_labels(images.labels, num_classes, images.classes, classifier.classes)


def _content(options: Options, images: Images, classifier: Classifier) -> str:
    """What says which classes are right, besides the labels: a part of the evaluation's id.

    The content of a file, as its place is not; or the names of the data's classes, where these are renumbered.
    """
    if options.labels is not None:
        return "real " + read_text(options.labels, "labels")
    if options.classes is not None:
        return "classes " + read_text(options.classes, "class mapping")
    if class_numbers(images.classes, classifier.classes) is not None:
        return "names " + json.dumps(images.classes)
    return ""


def _show(row: dict[str, Any], place: Storage | None) -> None:
    out = console()
    how = f"short side {row['resize']}, centre " if row["resize"] else ""
    left_out = f", {row['left_out']:,} left out" if row["left_out"] else ""
    out.print(f"{row['name']} on {row['data']} ({how}{row['resolution']} pixels)", markup=False, soft_wrap=True)
    scores = f"[bold]top-1 {row['top1']:.2%}, top-5 {row['top5']:.2%}[/bold]"
    out.print(f"{scores} of {row['images']:,} images{left_out}", markup=True)
    if place is not None:
        out.print(place.path(row_file("evaluation", row["evaluation_id"])), markup=False, soft_wrap=True)


if __name__ == "__main__":
    command_line(main, Options)
