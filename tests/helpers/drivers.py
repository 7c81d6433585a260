"""A tiny study as a process on Ray, and the processes that work for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = """
from scaling.data.catalog import ifs
from scaling.specs import FewShot, Pretrain, Recipe, ResNet, Study, Task, ViT
RECIPE = Recipe(batch_size=16, warmup_steps=5, dropout=0.1, grad_clip=1.0, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=16, warmup_steps=5, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=8, images=60, size=16)
MODELS = {"a": ViT(4, 32, 2, 64, 2), "b": ResNet((1, 1), width=8, groups=8), "c": ViT(8, 32, 2, 64, 2)}
STUDY = Study(
    "kills",
    tuple(Pretrain(n, m, DATA, 1e-3, 15, RECIPE, resolution=16, dev_fraction=0.1) for n, m in MODELS.items()),
    (Task("t", DATA, (0.01, 0.1), 60, TUNING, dev_fraction=0.2, resolution=16),),
    (FewShot(DATA, shots=(1, 5), resolution=16),),
    seeds=(0, 1),
)
"""
WORKERS = ("ray::RayTrainWorker", "ray::ImplicitFunc", "ray::do_alone")  # what trains or evaluates, by Ray's titles
Driver = subprocess.Popen[bytes]


def start(
    study: Path, storage: Path, save_seconds: str = "0.3", log: int = subprocess.DEVNULL, *options: str
) -> Driver:
    front_door: list[str | Path] = [sys.executable, ROOT / "scaling" / "run_study.py"]
    command = [*front_door, study, "--storage", storage, "--save-seconds", save_seconds, *options]
    return subprocess.Popen(command, stdout=log, stderr=log)


def raylets_of(driver: int) -> list[int]:
    """Process ids of the raylets that a driver has started."""
    return [pid for pid, parent, args in _processes() if parent == driver and "/raylet" in args]


def workers_of(driver: int, titles: tuple[str, ...] = WORKERS) -> list[int]:
    """Process ids of what trains or evaluates under the driver: its raylets' children."""
    raylets = raylets_of(driver)
    return [pid for pid, parent, args in _processes() if parent in raylets and args.startswith(titles)]


def processes_of(driver: int) -> list[int]:
    """Process ids of all that the driver has started, and what that has started."""
    found: list[int] = []
    parents = {driver}
    while parents:
        parents = {pid for pid, parent, _ in _processes() if parent in parents}
        found += parents
    return found


def _processes() -> list[tuple[int, int, str]]:
    """Process id, parent and command of all processes."""
    listing = subprocess.run(["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    fields = [line.split(None, 2) for line in listing.splitlines()[1:]]
    return [(int(pid), int(parent), args) for pid, parent, args in fields]
