"""A checkpoint's spec.json that is none is one line that names the file."""

import json
import os
import re
from pathlib import Path

import pytest

from scaling.checkpoints.formats import load_weights
from scaling.checkpoints.locate import checkpoint_directory, read_spec
from scaling.checkpoints.upstream import read_weights
from scaling.models.build import build
from scaling.specs.architectures import ViT
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.store.results import checkpoint_name
from scaling.store.storage import Storage
from scaling.training.state import save_final_weights


def with_field(run: Pretrain, field: str, value: object) -> bytes:
    """The run's JSON with another value of a field, a path with dots."""
    whole = json.loads(to_json(run))
    *above, last = field.split(".")
    at = whole
    for name in above:
        at = at[name]
    at[last] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"null", "not a Pretrain: the whole: Input should be an object, got None"),
        (b"3", "the whole: Input should be an object, got 3"),
        (b"[]", "the whole: Input should be an object, got []"),
        (b'["upstream"]', "the whole: Input should be an object"),
        (b'{"upstream": 1}', "not a Transfer: upstream"),
        (b"\xff{}", "codec can't decode byte"),
        (b"[" * 10**5, "nested too deeply"),
        (b'{"model":' * 10**5, "nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    ],
)
def test_what_is_no_spec_names_its_file(content: bytes, message: str, storage: Storage) -> None:
    storage.write("spec.json", content)
    with pytest.raises(ValueError, match=rf"^{storage.uri}/spec\.json: .*{re.escape(message)}") as raised:
        read_spec(storage)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model.depth", 10**9, "depth of ViT must be at most 10,000, got 1000000000"),
        ("model.depth", [1, 1], "model.ViT.depth: Input should be a valid integer"),
        ("model", {"kind": "resnet", "depths": 3}, "model.ViT.patch_size: Field required"),
        ("recipe.betas", 0.9, "recipe.betas: Input should be a valid array, got 0.9"),
        ("recipe.betas", [0.9], "recipe.betas.1: Field required"),
        ("data.train", "webdataset:a-{0..9999999999}.tar", None),  # nothing is expanded until it is opened
        ("seed", 2**80, "seed"),
        ("epochs", 1e30, "epochs of tiny must be at most 1,000,000, got 1e+30"),
        ("base_lr", float("nan"), "base_lr of tiny must be positive, got nan"),
        ("resolution", None, "resolution: Input should be a valid integer, got None"),
    ],
)
def test_a_field_that_no_run_can_have_is_named(
    field: str, value: object, message: str | None, tiny_run: Pretrain, storage: Storage
) -> None:
    storage.write("spec.json", with_field(tiny_run, field, value))
    if message is None:
        assert isinstance(read_spec(storage), Pretrain)
        return
    with pytest.raises(ValueError, match=rf"^{storage.uri}/spec\.json: not a Pretrain: .*{re.escape(message)}"):
        read_spec(storage)


@pytest.mark.parametrize("name", ["spec.json", "model.safetensors"])
def test_a_fifo_in_a_checkpoint_is_named(name: str, tiny_run: Pretrain, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(to_json(tiny_run))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    place = checkpoint_directory(str(tmp_path), None)
    with pytest.raises(ValueError, match=f"{name} is a FIFO, where a file is needed"):
        read_spec(place) if name == "spec.json" else read_weights(place)


def test_a_spec_of_any_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "spec.json").open("wb") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(ValueError, match=r"spec\.json has 42,949,672,960 bytes"):
        read_spec(Storage.of(tmp_path))


def test_weights_that_are_named_by_their_file_are_checked_too(tiny_run: Pretrain, storage: Storage) -> None:
    """Of a checkpoint of ours, which has their digest beside them."""
    assert isinstance(tiny_run.model, ViT)
    module = build(tiny_run.model, 10, resolution=16)
    save_final_weights(storage, tiny_run.id, module, to_json(tiny_run), None)
    file = Path(storage.path(checkpoint_name(tiny_run.id))) / "model.safetensors"
    load_weights(build(tiny_run.model, 10, resolution=16), file)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_weights(module, file)
    apart = file.rename(file.parent.parent / "model.safetensors")  # a file alone says nothing of itself
    load_weights(module, apart)
