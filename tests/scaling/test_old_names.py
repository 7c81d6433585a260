"""Study files of users, as the README of 0.1.0 spelled them, still load."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import scaling
from scaling.specs import ZOO
from search_spaces.catalog import load_study

ROOT = Path(scaling.__file__).parent.parent
STUDY_FILE = """
from dataclasses import replace

from scaling.datasets import CIFAR10, FASHION, resolve
from scaling.specs import Dataset, FewShot, Pretrain, Recipe, Scratch, Study
from scaling.zoo import ZOO, model
from search_spaces.grids import TASKS
from search_spaces.vtab import vtab_tasks

CIFAR = Dataset("cifar10", train="parquet:/data/cifar10/train.parquet", test="parquet:/data/cifar10/test.parquet")
OURS = replace(CIFAR10, train="parquet:/data/cifar10/train.parquet", test="parquet:/data/cifar10/test.parquet")
RECIPE = Recipe(batch_size=128, warmup_steps=100, loss="softmax", head_bias=0.0, schedule="cosine")

STUDY = Study(
    name="cifar_upstream",
    runs=tuple(
        Pretrain(name, ZOO[name], data, base_lr=2e-3, epochs=5, recipe=RECIPE, resolution=32, dev_fraction=0.02)
        for name, data in (("ViT-micro-S/4", CIFAR), ("R-micro-S", OURS))
    ),
    tasks=(TASKS["fashion"], *vtab_tasks()),
    fewshot=(FewShot(resolve(FASHION), resolution=32),),
    scratch=(Scratch("ViT-micro-S/4", model("ViT-micro-S/4")),),
    seeds=(0, 1, 2),
)
"""
CHECKPOINTS = """
from scaling.models import build
from scaling.models.checkpoints import load, save_npz, save_safetensors
from scaling.specs import without_representation
from scaling.zoo import model

vit = build(without_representation(model("ViT-micro-S/4")), num_classes=10, resolution=16)
save_npz(vit, "vit.npz")
load(vit, "vit.npz", head="drop")
"""


def test_a_study_file(tmp_path: Path) -> None:
    (tmp_path / "my_study.py").write_text(STUDY_FILE)
    study = load_study(str(tmp_path / "my_study.py"))
    assert [run.name for run in study.runs] == ["ViT-micro-S/4", "R-micro-S"]
    assert study.runs[1].data.num_train == 50_000
    assert study.scratch[0].model == ZOO["ViT-micro-S/4"]
    assert len(study.tasks) == 20


def test_reading_and_writing_checkpoints(tmp_path: Path) -> None:
    """In a process of its own, in which nothing has loaded the new modules before."""
    command = [sys.executable, "-W", "error", "-c", CHECKPOINTS]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_the_package_loads_nothing_more() -> None:
    """The old names are looked up where they are used."""
    code = "import sys, scaling; sys.exit(' '.join(m for m in sys.modules if m.startswith('scaling.s')) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("old", scaling.OLD_MODULES)
def test_every_name_of_then_is_there_now(old: str) -> None:
    new, names = scaling.OLD_MODULES[old]
    for name, name_now in names.items():
        assert getattr(importlib.import_module(old), name) is getattr(importlib.import_module(new), name_now)
    with pytest.raises(ImportError, match=f"cannot import name 'other' from '{old}'"):
        exec(f"from {old} import other")
