"""Where trained weights lie: a checkpoint's directory, something of a storage by its id or name, or a file."""

import json

from scaling import store
from scaling.checks import check
from scaling.specs import Architecture, Pretrain, Transfer, from_json, zoo_model
from scaling.store import Storage, checkpoint_name

FILES = (".npz", ".safetensors")  # of the official codes, timm, and our own


def is_weights_file(checkpoint: str) -> bool:
    """Whether it is a file of weights, which does not say what it is of."""
    return checkpoint.split("?")[0].endswith(FILES)


def model_of_file(path: str, name: str | None) -> Architecture:
    """The model of the zoo that a file is said to be of. Raises ValueError without a name or for an unknown one."""
    check(name is not None, f"{path} does not say which model it is: give --model, such as ViT-B/16")
    assert name is not None
    return zoo_model(name)


def checkpoint_directory(checkpoint: str, runs: str | None) -> Storage:
    """The directory of a checkpoint, with model.safetensors and spec.json.

    Args:
        checkpoint: path or URI of the directory or of the unit's own above it; with `runs`, the beginning of the id of
            a run or of a kept final fine-tuning, or the name of a run.
        runs: storage of the study that left it.

    Raises ValueError when there is none, or several.
    """
    place = _of_storage(checkpoint, runs) if runs else Storage.of(checkpoint)
    if place.exists("final"):
        place = Storage.of(place.path("final"))
    for name in ("model.safetensors", "spec.json"):
        check(place.exists(name), f"{checkpoint} is no checkpoint: it has no {name}")
    return place


def read_spec(place: Storage) -> Pretrain | Transfer:
    """What was trained there."""
    text = place.read("spec.json").decode()
    return from_json(Transfer, text) if "upstream" in json.loads(text) else from_json(Pretrain, text)


def _of_storage(wanted: str, runs: str) -> Storage:
    storage = Storage.of(runs)
    rows = store.read_table(storage, "pretrain").select("run_id", "name")
    finals = store.read_table(storage, "transfer").select("transfer_id")
    found = [
        *rows.filter(rows["run_id"].str.starts_with(wanted) | (rows["name"] == wanted))["run_id"],
        *finals.filter(finals["transfer_id"].str.starts_with(wanted))["transfer_id"],
    ]
    if len(found) != 1:
        known = ", ".join(f"{run_id} ({name})" for run_id, name in rows.sort("name").rows())
        raise ValueError(f"{wanted!r} is {len(found)} runs of {runs}, which has {known or 'none'}")
    return Storage.of(storage.path(checkpoint_name(found[0])))
