"""A small made study, written as real rows: 3 families x 3 sizes x 2 tasks x 3 seeds, one control from scratch."""

import math
import random
from datetime import UTC, datetime
from typing import Any

from scaling.store.results import write_rows
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage

FLOPS = {"vit": (1e14, 4e14, 1.6e15), "resnet": (1.3e14, 5e14, 2.1e15), "hybrid": (2e14, 6e14, 1.8e15)}
NAMES: dict[str, tuple[str, ...]] = {
    "vit": ("ViT-Ti/8", "ViT-S/8", "ViT-S/4"),
    "resnet": ("ResNet-8", "ResNet-14", "ResNet-20"),
    "hybrid": ("R8+ViT-Ti", "R8+ViT-S", "R14+ViT-S"),
}
BASE = {"vit": 0.52, "resnet": 0.60, "hybrid": 0.61}
SLOPE = {"vit": 0.10, "resnet": 0.055, "hybrid": 0.07}
TASKS = {"digits": 0.08, "fashion": 0.0}
RATES = (0.003, 0.03)
CHOSEN = 0.03
SCRATCH = "scratch-vit-1"


def row(table: str, **values: Any) -> dict[str, Any]:
    """A row of a table: what is not given is null."""
    return dict.fromkeys(TABLES[table].names) | values


def setting(rate: float) -> dict[str, Any]:
    return {"base_lr": rate, "setting_id": str(rate), "steps": 1}


def run_id(family: str, size: int) -> str:
    return f"run-{family}-{size}"


def top1(family: str, size: int, task: str) -> float:
    return BASE[family] + TASKS[task] + SLOPE[family] * math.log2(FLOPS[family][size] / 1e14) / 2


def pretrain(storage: Storage, family: str, size: int) -> None:
    about = {"run_id": run_id(family, size), "name": NAMES[family][size], "family": family}
    flops = FLOPS[family][size]
    write_rows(
        storage,
        "pretrain",
        [
            row(
                "pretrain",
                **about,
                parameters=10**5 * 4**size,
                epochs=10.0,
                train_flops=flops * 1.03,
                train_flops_valid=flops,
            )
        ],
    )
    noise = random.Random(size)
    loss = [(step, 4.6 * (1 + step) ** -(0.12 + 0.04 * size) + noise.gauss(0, 0.03)) for step in range(0, 400, 4)]
    curve = [row("curve", **about, step=s, images=s * 256, lr=0.001, train_loss=value) for s, value in loss]
    write_rows(storage, "curve", curve)


def transfer(storage: Storage, about: dict[str, Any], task: str, accuracy: float) -> None:
    about = about | {"task": task, "task_id": f"task-{task}"}
    noise = random.Random(about["run_id"] + task)
    for rate in RATES:
        dev = accuracy - (0.0 if rate == CHOSEN else 0.1)
        name = f"trial-{about['run_id']}-{task}-{rate}"
        write_rows(
            storage,
            "trial",
            [
                row(
                    "trial",
                    trial_id=name,
                    **about,
                    base_lr=rate,
                    setting_id=str(rate),
                    steps=1,
                    steps_done=1,
                    seed=0,
                    dev_top1=dev,
                    dev_loss=1.0,
                )
            ],
        )
    for seed in range(3):
        final = row(
            "transfer",
            **about,
            base_lr=CHOSEN,
            setting_id=str(CHOSEN),
            seed=seed,
            test_top1=accuracy + noise.gauss(0, 0.008),
        )
        write_rows(storage, "transfer", [final | {"transfer_id": f"final-{about['run_id']}-{task}-{seed}"}])


def fewshot(storage: Storage, about: dict[str, Any], accuracy: float) -> None:
    rows = [
        row("fewshot", probe_id=f"probe-{about['run_id']}", **about, dataset="digits", shots=shots, seed=seed, l2=1.0)
        | {"test_top1": accuracy - 0.25 / shots**0.5 + 0.01 * seed}
        for shots in (1, 5, 10, 25)
        for seed in range(3)
    ]
    write_rows(storage, "fewshot", rows)


def attempt(storage: Storage, attempt_id: str, kind: str, **values: Any) -> None:
    usual = {
        **{
            "attempt_id": attempt_id,
            "unit_id": f"unit-{attempt_id}",
            "kind": kind,
            "study": "made",
            "name": "ViT-S/4",
            "family": "vit",
        },
        **{
            "device": "cpu",
            "precision": "fp32",
            "workers": 1,
            "cores": 2,
            "host": "a",
            **{"hosts": 1, "slice": None, "start_reason": "first", "seconds_queued": 0.0, "seconds_starting": 0.0},
            "first_step": 0,
            "last_step": 400,
        },
        **{"started": datetime(2026, 1, 1, tzinfo=UTC), "committed_step": 400, "outcome": "done", "reason": None},
        **{"seconds_total": 100.0, "seconds_training": 80.0, "seconds_evaluating": 5.0, "seconds_waiting": 7.0},
        **{"seconds_lost": 0.0, "corrupt_images": 0, "first_corrupt": "", "train_flops_valid": 4e12},
    }
    write_rows(storage, "attempt", [usual | values])


def attempts(storage: Storage) -> None:
    """A killed attempt and the one that follows it, a failed one, and one of each other kind."""
    killed = {
        "outcome": "running",
        "seconds_lost": 30.0,
        "last_step": 300,
        "committed_step": 200,
        "train_flops_valid": 2e12,
    }
    attempt(storage, "a1", "pretrain", unit_id="run-vit-2", **killed)
    attempt(storage, "a2", "pretrain", unit_id="run-vit-2", first_step=200, train_flops_valid=2e12, seconds_total=96.0)
    attempt(storage, "a3", "pretrain", name="ResNet-8", family="resnet", seconds_total=400.0, seconds_training=350.0)
    attempt(
        storage,
        "a4",
        "trial",
        outcome="failed",
        reason="loss is nan at step 7",
        seconds_lost=80.0,
        train_flops_valid=0.0,
    )
    attempt(storage, "a5", "transfer", seconds_total=200.0, seconds_training=120.0)
    attempt(
        storage,
        "a6",
        "fewshot",
        seconds_training=0.0,
        seconds_evaluating=90.0,
        seconds_total=98.0,
        train_flops_valid=0.0,
    )


def study(
    storage: Storage, families: tuple[str, ...] = ("vit", "resnet", "hybrid"), sizes: tuple[int, ...] = (0, 1, 2)
) -> None:
    """Write the whole study into a storage."""
    for family in families:
        for size in sizes:
            about = {"run_id": run_id(family, size), "name": NAMES[family][size], "family": family}
            pretrain(storage, family, size)
            for task in TASKS:
                transfer(storage, about | {"pretrained": True}, task, top1(family, size, task))
            fewshot(storage, about, top1(family, size, "digits"))
    control = {"run_id": SCRATCH, "name": NAMES["vit"][1], "family": "vit", "pretrained": False}
    for task in TASKS:
        transfer(storage, control, task, 0.41 + TASKS[task])
    attempts(storage)
    storage.write("study.json", b'{"name": "made-study", "runs": []}')
