"""kill -9 of drivers, workers and raylets of a study on Ray, at random moments, until it is done."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.storage import Storage
from tests.faults.outcome import results, wrong

ROOT = Path(__file__).parents[2]
STUDY = """
from scaling.data.catalog import ifs
from scaling.specs import FewShot, Pretrain, Recipe, ResNet, Study, Task, ViT
RECIPE = Recipe(batch_size=16, warmup_steps=5, dropout=0.1, grad_clip=1.0, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=16, warmup_steps=5, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=4, images=60, size=16)
MODELS = {"a": ViT(4, 32, 2, 64, 2), "b": ResNet((1, 1), width=8, groups=8)}
STUDY = Study(
    "kills",
    tuple(Pretrain(n, m, DATA, 1e-3, 20, RECIPE, resolution=16, dev_fraction=0.1) for n, m in MODELS.items()),
    (Task("t", DATA, (0.01, 0.1), 60, TUNING, dev_fraction=0.2, resolution=16),),
    (FewShot(DATA, shots=(1, 5), resolution=16),),
    seeds=(0, 1),
)
"""
KINDS = ("driver", "worker", "worker", "raylet")
WORKERS = ("ray::RayTrainWorker", "ray::ImplicitFunc", "ray::do_alone")


def start(study: Path, storage: Path) -> "subprocess.Popen[bytes]":
    door: list[str | Path] = [sys.executable, ROOT / "scaling" / "run_study.py"]
    words = [*door, study, "--storage", storage, "--save-seconds", "0.3"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def victims(driver: int, kind: str) -> list[int]:
    """Processes of a kind that are alive under a driver."""
    listing = subprocess.run(["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    processes = [line.split(None, 2) for line in listing.splitlines()[1:]]
    raylets = {pid for pid, parent, args in processes if int(parent) == driver and "/raylet" in args}
    if kind == "raylet":
        return sorted(map(int, raylets))
    if kind == "worker":
        return sorted(int(pid) for pid, parent, args in processes if parent in raylets and args.startswith(WORKERS))
    return [driver]


def killed_until_done(study: Path, place: Path, rng: random.Random, most: int) -> Counter[str]:
    """The kills of each kind that a study took until it was done."""
    kills = Counter[str]()
    while True:
        driver = start(study, place)
        while driver.poll() is None:
            time.sleep(rng.uniform(0.5, 12))
            kind = rng.choice(KINDS)
            found = victims(driver.pid, kind)
            if found and kills.total() < most and driver.poll() is None:
                os.kill(rng.choice(found), signal.SIGKILL)
                kills[kind] += 1
        if driver.wait() == 0:
            assert start(study, place).wait(timeout=600) == 0  # nothing to do but to close accounts
            return kills


@pytest.mark.faults
@pytest.mark.parametrize("count", [200])
def test_killed_on_ray(tmp_path: Path, count: int, record_property: Any) -> None:
    rng, complaints, kills, studies = random.Random(count), Counter[str](), Counter[str](), 0
    study = tmp_path / "kills.py"
    study.write_text(STUDY)
    assert start(study, tmp_path / "whole").wait(timeout=600) == 0
    whole = results(Storage.of(tmp_path / "whole"))
    while kills.total() < count:
        place = tmp_path / f"storage-{studies}"
        kills += killed_until_done(study, place, rng, min(20, count - kills.total()))
        complaints.update(wrong(Storage.of(place), whole))
        studies += 1
    told = ", ".join(f"{number} of {kind}s" for kind, number in sorted(kills.items()))
    record_property("campaign", f"kills on Ray: {told}; {studies} studies, {complaints.total()} complaints")
    assert not complaints
