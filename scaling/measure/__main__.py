"""What models cost on the device at hand: `python -m scaling.measure MODEL ... [--resolution 64 128] [--storage URI]`.

Figure 12 of the ViT paper (§D.5): images per second of inference at the best batch, and the largest batch that fits;
beside them the time of a training step, its share of the device's own rate of matrix products, and what the input
pipeline delivers. With --storage, rows of table measure: `run_study.py --plan --measured URI` plans by them.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import torch
import tyro

from scaling.checks import check, say
from scaling.console import WideTable, check_flag, command_line, console, storage_of
from scaling.data.sources import open_split
from scaling.flops import parameters, train_flops
from scaling.measure import memory, steps
from scaling.measure.timing import GEMM_SIZES, gemm_rate
from scaling.models import build, count_model
from scaling.specs import Architecture, Custom, Execution, Precision, family, to_json, whole_patches, zoo_model
from scaling.store import write_rows
from scaling.training import Device, local_device

SIZES = (64, 128, 224, 384, 512)  # Figure 12
GIB = 2**30
TRAINING_BYTES = 16  # of a parameter in float32 with its gradient and AdamW's moments
RENAMED = {  # flags, old to new
    "--sizes": "--resolution",
    "--batch": "--batch-size",
    "--max-batch": "--max-batch-size",
    "--classes": "--num-classes",
}


@dataclass(frozen=True)
class Options:
    """Measure what models cost on this device: speed, memory and input.

    python -m scaling.measure ViT-Ti/16 --resolution 64 128
    python -m scaling.measure ViT-B/16 R50x1 --batch-size 4096 --storage results/measured
    """

    models: tyro.conf.Positional[tuple[str, ...]]
    """Models of the zoo, of timm ("timm:resnet18"), or your own by their import path ("my_models:convnext")."""
    resolution: tuple[int, ...] = SIZES
    """Pixels a side; lowered to whole patches."""
    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    threads: int = 1
    """CPU threads."""
    compile: bool = False
    """Time a training step that is compiled, as --compile trains: minutes per model and size. Inference never is."""
    batch_size: int | None = None
    """Images of a training step, such as a study's. Default: inference's best batch; halved until there is room."""
    max_batch_size: int = 1024
    """Images of inference, at most, to look for the best rate."""
    num_classes: int = 1000
    """Classes of the classifier."""
    seconds: float = 1.0
    """Seconds of each timing, at least."""
    memory: float | None = None
    """GiB that the largest batch has to fit into. Default: what the GPU, or this machine, has."""
    data: str | None = None
    """JPEGs for the input rate, such as parquet:PATH. Default: made on the spot, 348 pixels a side."""
    storage: str | None = None
    """Directory or URI for the rows. Default: none are kept."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    pairs = _models_and_resolutions(options)
    device = local_device(Execution(options.precision, options.compile), options.threads)
    out = console(options.json)
    kinds = " and ".join(GEMM_SIZES)
    check(device.kind in GEMM_SIZES, f"costs are measured on {kinds} so far, and this is {device.kind}")
    place = None if options.storage is None else storage_of(options.storage)
    if options.data is not None:
        open_split(options.data, None)  # said before anything is measured
    limit = memory.memory_limit(device) if options.memory is None else round(options.memory * GIB)
    specs = {pair: _costed(*pair, options.num_classes) for pair in pairs}
    for (name, resolution), spec in specs.items():
        _check_memory(name, spec, resolution, options.num_classes, limit)
    if place is not None:
        place.make()
    gemm = gemm_rate(device, device.precision)
    how = device.precision + (", steps compiled" if device.execution.compile else "")
    out.print(f"{device.name}, {device.cores} core(s), {how}: {gemm:.3g} TFLOP/s of matrix products")
    # Input is measured once per resolution: it does not depend on the model.
    inputs, rows = cache(partial(steps.input_rate, options.data)), []
    for name, resolution in pairs:
        row = measure(name, specs[name, resolution], resolution, options, limit, device, gemm, inputs(resolution))
        out.print(_progress_line(row), markup=False, soft_wrap=True)
        rows.append(row)
        if place is not None:
            write_rows(place, "measure", [row])
    if options.json:
        print(json.dumps(rows, indent=1, default=str))
    else:
        out.print(_table(rows))
    return 0


def _models_and_resolutions(options: Options) -> list[tuple[str, int]]:
    """The pairs to measure, with resolutions in whole patches, each once. Raises ValueError for a wrong option."""
    check(options.models != (), "give the models to measure, such as ViT-B/16 R50x1")
    check(options.resolution != (), "--resolution needs at least one number of pixels")
    for name in ("threads", "max_batch_size", "num_classes", "batch_size", "memory", "seconds"):
        check_flag(name, getattr(options, name))
    for size in options.resolution:
        check_flag("resolution", size, zero=True)
    pairs: dict[tuple[str, int], None] = {}  # a dict keeps their order and drops repetitions
    for name in options.models:
        for size in options.resolution:
            resolution = whole_patches(zoo_model(name), size)
            check(
                resolution > 0,
                f"images of {size} pixels are smaller than a patch of {name}: leave it out of --resolution",
            )
            pairs[name, resolution] = None
    return list(pairs)


def _costed(name: str, resolution: int, num_classes: int) -> Architecture:
    """The model of a name; a `Custom` one has been tried, and its costs counted."""
    model = zoo_model(name)
    if not isinstance(model, Custom):
        return model
    count, unknown = count_model(model, num_classes, resolution)
    if unknown:
        say([f"{name}: {', '.join(unknown)} cannot be counted: its FLOPs are too few"])
    return replace(model, counts=(count,))


def _check_memory(name: str, model: Architecture, resolution: int, num_classes: int, limit: int) -> None:
    least = TRAINING_BYTES * parameters(model, num_classes=num_classes, resolution=resolution)
    check(
        least <= limit,
        f"{name} needs {least / GIB:,.1f} GiB to be trained (weights, gradients and AdamW's moments), and there are "
        f"{limit / GIB:,.1f}: leave it out, or give --memory what this machine has",
    )


def measure(
    name: str,
    spec: Architecture,
    resolution: int,
    options: Options,
    limit: int,
    device: Device,
    gemm: float,
    inputs: float,
) -> dict[str, Any]:
    """The row of one model at one resolution.

    `limit` is the memory in bytes, `gemm` the device's rate of matrix products in TFLOP/s, and `inputs` the images/s
    that one core decodes and crops.
    """
    module = build(spec, options.num_classes, resolution=resolution, head_bias=0.0).to(device.torch)
    memory.restrict_memory(device, limit)
    budget = steps.Budget(options.seconds, options.max_batch_size, limit)
    rates = steps.inference_rates(module, resolution, budget, device)
    best = max(rates, key=rates.__getitem__)
    largest_by, largest = steps.largest_batch(module, resolution, device, limit, max(rates))
    requested = options.batch_size or best
    batch, seconds, peak = steps.training_step(module, options.num_classes, resolution, requested, budget, device)
    flops = train_flops(spec, resolution, options.num_classes, batch)
    columns = {
        "measured_at": datetime.now(UTC),
        "device": device.name,
        "precision": device.precision,
        "compiled": device.execution.compile,
        "cores": device.cores,
        "torch": str(torch.__version__),
        "name": name,
        "family": family(spec),
        "spec": to_json(spec),
        "resolution": resolution,
        "num_classes": options.num_classes,
        "images_per_second": rates[best],
        "batch": best,
        "batches": list(rates),
        "rates": list(rates.values()),
        "largest_batch": largest,
        "largest_batch_by": largest_by,
        "memory_limit": limit,
        "train_batch": batch,
        "step_seconds": seconds,
        "train_images_per_second": batch / seconds,
        "train_flops": flops,
        "gemm_tflops": gemm,
        "mfu": flops / seconds / 1e12 / gemm,
        "peak_memory": peak,
        "input_images_per_second": inputs,
    }
    text = json.dumps(columns, default=str, sort_keys=True)
    return {"measure_id": hashlib.sha256(text.encode()).hexdigest()[:16], **columns}


def _progress_line(row: dict[str, Any]) -> str:
    inference, training = (_three_digits(row[key]) for key in ("images_per_second", "train_images_per_second"))
    return f"  {row['name']} at {row['resolution']}: inference {inference} images/s, training {training}"


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "model": lambda row: row["name"],
    "pixels": lambda row: str(row["resolution"]),
    "images/s": lambda row: _three_digits(row["images_per_second"]),
    "at batch": lambda row: str(row["batch"]),
    "largest batch": lambda row: _or_dash(row["largest_batch"]),
    "step s": lambda row: f"{row['step_seconds']:.3g}",
    "of images": lambda row: str(row["train_batch"]),
    "trained/s": lambda row: _three_digits(row["train_images_per_second"]),
    "MFU": lambda row: f"{row['mfu']:.0%}",
    "GiB": lambda row: _or_dash(row["peak_memory"] and row["peak_memory"] / GIB),
    "input/s": lambda row: _three_digits(row["input_images_per_second"]),
}


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _table(rows: list[dict[str, Any]]) -> WideTable:
    limits = ", ".join(sorted({f"{row['memory_limit'] / GIB:.1f}" for row in rows}))
    how = {"line": "by the line through the peaks of smaller batches", "trial": "by trial", None: "not known"}
    by = " and ".join(sorted({how[row["largest_batch_by"]] for row in rows}))
    caption = (
        f"Inference at its best batch, and the largest batch of it in {limits} GiB, {by}. GiB: highest while training. "
        "MFU: of the rate of matrix products. Input: of one core."
    )
    cells = tuple(tuple(show(row) for show in COLUMNS.values()) for row in rows)
    return WideTable("Measured costs", tuple(COLUMNS), cells, labels=2, caption=caption)


if __name__ == "__main__":
    command_line(main, Options, renamed=RENAMED)
