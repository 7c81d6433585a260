"""Rows of table measure for tests, without measuring."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from scaling.flops.counts import train_flops
from scaling.specs.identity import to_json
from scaling.specs.models import Architecture, family
from scaling.specs.zoo import zoo_model


def measured(
    name: str, resolution: int, *, day: int = 1, spec: Architecture | None = None, **facts: Any
) -> dict[str, Any]:
    """The row of a model of the zoo on one H100: 100 images/s in inference, 40 in training, but for what is given."""
    found = spec or zoo_model(name)
    row: dict[str, Any] = {
        "measured_at": datetime(2026, 1, day, tzinfo=UTC),
        "device": "NVIDIA H100 80GB HBM3",
        "precision": "bf16",
        "compiled": False,
        "cores": 1,
        "torch": "2",
        "name": name,
        "family": family(found),
        "spec": to_json(found),
        "resolution": resolution,
        "num_classes": 1000,
        "images_per_second": 100.0,
        "batch": 8,
        "batches": [4, 8],
        "rates": [90.0, 100.0],
        "largest_batch": 64,
        "largest_batch_by": "trial",
        "memory_limit": 2**36,
        "train_batch": 8,
        "step_seconds": 0.2,
        "train_images_per_second": 40.0,
        "train_flops": train_flops(found, resolution, 1000, 8),
        "gemm_tflops": 600.0,
        "mfu": 0.4,
        "peak_memory": 2**35,
        "input_images_per_second": 800.0,
    } | facts
    text = json.dumps(row, default=str, sort_keys=True)
    return {"measure_id": hashlib.sha256(text.encode()).hexdigest()[:16], **row}
