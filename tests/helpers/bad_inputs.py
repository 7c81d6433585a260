"""A folder of files that are what a user's command does not expect: for `tests/test_bad_inputs.py`."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from scaling.models import build
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Dataset, Pretrain
from scaling.specs.zoo import zoo_model
from tests.helpers.specs import RECIPE, TINY

BEGIN = """\
from dataclasses import replace
from scaling.data import DIGITS, ifs
from scaling.specs import *
DATA = ifs(classes=4, images=300, size=16)
RECIPE = Recipe(batch_size=8, warmup_steps=2, loss="softmax")
TUNING = Recipe(optimizer="sgd", batch_size=8, warmup_steps=1, schedule="cosine", loss="softmax")
RUN = Pretrain("tiny", ViT(8, 16, 1, 32, 2), DATA, 1e-3, 1, RECIPE, resolution=16)
TASK = Task("digits", DIGITS, (0.1,), 6, TUNING, resolution=16)
def of(run=RUN, task=TASK, **more):
    return Study("s", (run,), (task,), **more)
"""
SPARSE = 40 * 2**30  # bytes that a file says it has


def prepare(root: Path) -> None:
    """Everything but the study files."""
    for name in (
        "fifo",
        "fifo.npz",
        "fifo.safetensors",
        "fifo.yaml",
        "fifo.csv",
        "fifo.json",
        "fifo.py",
        "fifo.parquet",
    ):
        os.mkfifo(root / name)
    for name in ("sparse.npz", "sparse.safetensors", "sparse.yaml", "sparse.py", "sparse.json"):
        with (root / name).open("wb") as file:
            file.truncate(SPARSE)
    for name in ("folder", "folder.py", "folder.json", "folder.yaml", "folder.npz", "empty"):
        (root / name).mkdir()
    (root / "file").write_text("")
    (root / "binary.json").write_bytes(bytes(range(256)))
    (root / "deep.json").write_text("[" * 10**5)
    (root / "null.json").write_text("null")
    (root / "number.json").write_text("3")
    (root / "list.json").write_text("[]")
    (root / "torn.json").write_text('{"name": "s", "runs": [')
    (root / "pickle.pt").write_bytes(b"\x80\x04.")
    _images(root / "images")
    _checkpoints(root)
    _weights(root)
    _yaml(root)
    _tables(root)


def _images(folder: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(10 * number + i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def _checkpoints(root: Path) -> None:
    data = Dataset("pictures", f"imagefolder:{root}/images", num_classes=2, num_train=8)
    run = Pretrain("tiny", TINY, data, 1e-3, 2, RECIPE, resolution=16)
    resnet = Pretrain("r", zoo_model("R-micro-S"), data, 1e-3, 2, RECIPE, resolution=16)
    whole = json.loads(to_json(run))
    specs: dict[str, str | None] = {
        "run": to_json(run),
        "resnet": to_json(resnet),
        "null": "null",
        "number": "3",
        "list": "[]",
        "nested": '{"model":' * 10**5,
        "deep": json.dumps(whole | {"model": whole["model"] | {"depth": 10**9}}),
        "wide": json.dumps(whole | {"model": whole["model"] | {"width": 2**40}}),
        "scalar": json.dumps(whole | {"recipe": whole["recipe"] | {"betas": 0.9}}),
        "infinite": json.dumps(whole | {"base_lr": float("inf")}),
        "fifo-spec": None,
        "fifo-weights": to_json(run),
        "empty-weights": to_json(run),
    }
    for name, text in specs.items():
        folder = root / "checkpoints" / name
        folder.mkdir(parents=True)
        if text is None:
            os.mkfifo(folder / "spec.json")
        else:
            (folder / "spec.json").write_text(text)
        weights = folder / "model.safetensors"
        if name == "fifo-weights":
            os.mkfifo(weights)
        elif name == "empty-weights":
            weights.write_bytes(b"")
        else:
            module = build((resnet if name == "resnet" else run).model, 2, resolution=16)
            save_file({key: value.contiguous() for key, value in module.state_dict().items()}, weights)


def _weights(root: Path) -> None:
    bomb = zipfile.ZipFile(root / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with bomb, bomb.open("head/bias.npy", "w") as entry:
        shape = (2**30,)  # 4 GiB, of which a tenth is there
        np.lib.format.write_array_header_1_0(entry, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _ in range(400):
            entry.write(bytes(2**20))
    np.savez(root / "other.npz", a=np.zeros(3))
    with (root / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    (root / "cut.npz").write_bytes((root / "other.npz").read_bytes()[:100])


def _yaml(root: Path) -> None:
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))
    texts = {
        "bomb": f"cluster_name: x\na0: &a0 [x]\n{levels}",
        "deep": "cluster_name: " + "[" * 10**5,
        "self": "cluster_name: &a [*a]",
        "none": "- 1",
        "nothing": "",
        "twice": "cluster_name: a\ncluster_name: b",
        "date": "cluster_name: 2026-99-99",
        "tag": "cluster_name: !!python/object/apply:os.system [ls]",
        "two": "a: 1\n---\nb: 2",
    }
    for name, text in texts.items():
        (root / f"{name}.yaml").write_text(text)
    (root / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")


def _tables(root: Path) -> None:
    (root / "runs.csv").write_text("n,f,c,e\na,vit,1,0.5\nb,vit,2,0.4\n")
    (root / "empty.csv").write_text("n,f,c,e\n")
    (root / "nothing.csv").write_text("")
    (root / "binary.parquet").write_bytes(bytes(range(256)))
