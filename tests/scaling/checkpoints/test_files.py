import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import safetensors.torch
import torch

from scaling.checkpoints.classifier import load_classifier
from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture
from tests.helpers.kinds import known
from tests.helpers.weights import arrays, before_linen, random_model, rename_all, same_weights, write_npz

Arrays = dict[str, np.ndarray]
Change = Callable[[Arrays], Mapping[str, Any]]
VIT = ViT(patch_size=8, width=12, depth=2, mlp_dim=20, num_heads=3)
POST = ResNet((1, 2), width=8, groups=4)
PRE = ResNet((2, 1), width=8, groups=4, activation="pre")
HYBRID = Hybrid(POST, ViT(patch_size=1, width=12, depth=1, mlp_dim=20, num_heads=2))
POSITIONS = "Transformer/posembed_input/pos_embedding"


# --- what files hold ---------------------------------------------------------------------------------------------


def stacked(given: Arrays) -> Arrays:
    rest = {name: array for name, array in given.items() if "encoderblock_" not in name}
    first = [name for name in given if "encoderblock_0/" in name]
    layers = [[given[name.replace("_0", f"_{layer}", 1)] for layer in range(2)] for name in first]
    return rest | {name.replace("_0/", "/", 1): np.stack(pair) for name, pair in zip(first, layers, strict=True)}


def as_void(given: Arrays) -> Arrays:
    return {
        name: torch.from_numpy(array).bfloat16().view(torch.int16).numpy().view("V2") for name, array in given.items()
    }


def test_stacked_layers_are_named_once(tmp_path: Path) -> None:
    given = stacked(arrays(random_model(VIT), tmp_path))
    given["Transformer/encoderblock/extra"] = np.zeros((2, 12), np.float32)
    with pytest.raises(ValueError, match=r"model: left over: Transformer/encoderblock/extra$"):
        load_weights(random_model(VIT), given)


TRAINING: Arrays = {"opt/state/step": np.array(7), "opt/state/mu/head/kernel": np.zeros(3), "chrono": np.array(1)}
FILES: dict[str, Change] = {
    "before linen": lambda given: rename_all(given, before_linen),
    "optimizer's target": lambda given: TRAINING | rename_all(given, lambda name: f"opt/target/{name}"),
    "target": lambda given: rename_all(given, lambda name: f"target/{name}"),
    "big_vision's training": lambda given: TRAINING | rename_all(given, lambda name: f"params/{name}"),
    "big_vision's positions": lambda given: rename_all(given, lambda n: "pos_embedding" if n == POSITIONS else n),
    "big_vision's old ones": lambda given: rename_all(given, lambda n: n.replace("posembed_input/", "")),
    "scan": stacked,
    "big-endian": lambda given: {name: array.astype(">f4") for name, array in given.items()},
    "double": lambda given: {name: array.astype(np.float64) for name, array in given.items()},
    "tensors": lambda given: {name: torch.from_numpy(array) for name, array in given.items()},
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("file", [True, False], ids=["file", "mapping"])
def test_forms_of_vision_transformer_files(form: str, file: bool, tmp_path: Path) -> None:
    source, target = random_model(VIT), random_model(VIT, seed=1)
    given = FILES[form](arrays(source, tmp_path))
    if file:
        write_npz(tmp_path / "changed.npz", given)
    load_weights(target, tmp_path / "changed.npz" if file else given)
    assert same_weights(source, target)


@pytest.mark.parametrize("form", [as_void, lambda given: {n: a.view(np.uint16) for n, a in as_void(given).items()}])
def test_bfloat16_in_an_npz_is_two_bytes_of_void(form: Change, tmp_path: Path) -> None:
    source, target = random_model(VIT).bfloat16().float(), random_model(VIT, seed=1)
    write_npz(tmp_path / "half.npz", form(arrays(source, tmp_path)))
    load_weights(target, tmp_path / "half.npz")
    assert same_weights(source, target)


def test_a_class_token_added_after_the_positions_has_none(tmp_path: Path) -> None:
    source, target = random_model(VIT), random_model(VIT, seed=1)
    with torch.no_grad():
        known(torch.Tensor, source.pos_embed)[:, 0] = 0
    given = arrays(source, tmp_path)
    given["pos_embedding"] = given.pop(POSITIONS)[:, 1:]
    load_weights(target, given)
    assert same_weights(source, target)


@pytest.mark.parametrize("spec", [HYBRID, POST], ids=lambda spec: spec.kind)
def test_norms_of_old_hybrids_are_stored_as_images(spec: Architecture, tmp_path: Path) -> None:
    source, target = random_model(spec), random_model(spec, seed=1)
    given = arrays(source, tmp_path)
    load_weights(target, {name: array[None, None, None] if "gn" in name else array for name, array in given.items()})
    assert same_weights(source, target)


def test_numbered_convolutions_of_big_transfer(tmp_path: Path) -> None:
    source, target = random_model(PRE), random_model(PRE, seed=1)
    given = rename_all(
        arrays(source, tmp_path), lambda name: name.replace("b/standardized_conv2d", "b/standardized_conv2d_3")
    )
    load_weights(target, given)
    assert same_weights(source, target)


# --- reading and writing -----------------------------------------------------------------------------------------


def test_uris(tmp_path: Path) -> None:
    source = random_model(VIT)
    for uri in ("memory://bucket/model.npz", "memory://bucket/model.npz?signature=a.b", f"file://{tmp_path}/model.npz"):
        save_npz(source, uri)
        target = random_model(VIT, seed=1)
        load_weights(target, uri)
        assert same_weights(source, target)
    save_safetensors(source, "memory://bucket/model.safetensors")
    load_weights(target := random_model(VIT, seed=1), "memory://bucket/model.safetensors")
    assert same_weights(source, target)


def test_one_parameter_under_two_names(tmp_path: Path) -> None:
    given = arrays(random_model(VIT), tmp_path)
    given["pos_embedding"] = given[POSITIONS]
    with pytest.raises(ValueError, match=f"has one parameter twice: {POSITIONS} and pos_embedding"):
        load_weights(random_model(VIT), given)


@pytest.mark.parametrize("value", [np.zeros(5, np.int64), np.array(["a"] * 5), torch.zeros(5, dtype=torch.int32)])
def test_weights_are_floating(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^the mapping has no weights in head/bias: its type is"):
        load_weights(random_model(VIT), arrays(random_model(VIT), tmp_path) | {"head/bias": value})


def test_names_of_no_layout() -> None:
    with pytest.raises(ValueError, match=r"names of no layout known here .*such as a, b$"):
        load_weights(random_model(VIT), {"a": np.zeros(1), "b": np.zeros(1)})


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('it ran')",))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".bin", ".pt", ".h5", ""])
def test_nothing_is_unpickled(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(pickle.dumps({"head/bias": Bomb()}))
    with pytest.raises(ValueError, match=r"cannot be read|a pickle \(.pth, .bin, .pt\) can run code"):
        load_weights(random_model(VIT), path)
    if suffix == ".npz":
        write_npz(path, {"head/bias": np.array([Bomb()], dtype=object)})
        with pytest.raises(ValueError, match=r"bomb.npz cannot be read: Object arrays cannot be loaded"):
            load_weights(random_model(VIT), path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.savez(whole, a=np.zeros(1000))
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    (tmp_path / "cut.npz").write_bytes(whole.getvalue()[:4000])
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.safetensors").write_bytes(safetensors.torch.save({"a": torch.zeros(9)})[:-4])
    (tmp_path / "folder.npz").mkdir()
    for name in ("single.npz", "cut.npz", "empty.npz", "cut.safetensors", "folder.npz"):
        with pytest.raises(ValueError, match=f"{name} cannot be read: .+") as error:
            load_weights(random_model(VIT), tmp_path / name)
        assert "\n" not in str(error.value)
    for missing in (tmp_path / "none.npz", "memory://none.npz"):
        with pytest.raises(ValueError, match=r"there is no file .*none.npz"):
            load_weights(random_model(VIT), missing)
    with pytest.raises(ValueError, match="cannot be read: Protocol not known: nowhere"):
        load_weights(random_model(VIT), "nowhere://model.npz")


def bomb(path: Path) -> None:
    """100 MB of zeros in 100 kB, under the name of a parameter."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole, whole.open("head/bias.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "<f4", "fortran_order": False, "shape": (25 * 2**20,)})
        for _ in range(100):
            entry.write(bytes(2**20))


@pytest.mark.parametrize("prefix", ["", "memory://", "file://"])
def test_a_small_file_that_unpacks_to_more_than_a_model_is_refused_unread(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb(tmp_path / "bomb.npz")
    place = f"{prefix}{tmp_path}/bomb.npz"
    if prefix == "memory://":
        with fsspec.open(place, "wb") as file:
            file.write((tmp_path / "bomb.npz").read_bytes())
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *_: pytest.fail("it was read"))
    for load in (
        lambda: load_weights(random_model(VIT), place),
        lambda: load_classifier(place, runs=None, model="ViT-micro-S/4", resolution=16),
    ):
        with pytest.raises(ValueError, match=r"bomb.npz cannot be read: it.* 104,857,\d+"):
            load()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_fifo_or_a_file_of_any_size_is_refused(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / f"fifo{suffix}")
    for place in (fifo, f"file://{fifo}"):
        with pytest.raises(ValueError, match=f"fifo{suffix} cannot be read: .* is a FIFO, where a file is needed"):
            load_weights(random_model(VIT), place)
    with (tmp_path / f"sparse{suffix}").open("wb") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(ValueError, match=f"sparse{suffix} cannot be read: it has 42,949,672,960 bytes of weights"):
        load_weights(random_model(VIT), tmp_path / f"sparse{suffix}")


@pytest.mark.parametrize(("uri", "package"), [("gs://b/m.npz", "gcsfs"), ("s3://b/m.safetensors", "s3fs")])
def test_a_missing_driver_is_named(uri: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=f"needs the package {package}: pip install {package}$"):
        load_weights(random_model(VIT), uri)
