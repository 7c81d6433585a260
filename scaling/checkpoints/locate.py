"""Find trained weights: by a checkpoint's directory, by an id or name in a study's storage, or as a file."""

import json

from scaling import store
from scaling.checkpoints.whole import check_whole
from scaling.checks import check, check_regular
from scaling.specs import Architecture, Pretrain, Transfer, from_json, zoo_model
from scaling.store import Storage, checkpoint_name

WEIGHT_SUFFIXES = (".npz", ".safetensors")  # of the official codes, timm, and our own
LARGEST_SPEC = 2**24  # bytes


def is_weights_file(checkpoint: str) -> bool:
    """Whether it is a file of weights, which does not say of which model, rather than a checkpoint's directory."""
    return checkpoint.split("?")[0].endswith(WEIGHT_SUFFIXES)


def model_of_file(path: str, name: str | None) -> Architecture:
    """The zoo's model that the user says a file holds. Raises ValueError without a name or for an unknown one."""
    check(name is not None, f"{path} does not say which model it is: give --model, such as ViT-B/16")
    assert name is not None
    return zoo_model(name)


def checkpoint_directory(checkpoint: str, runs: str | None) -> Storage:
    """The directory of a checkpoint, with model.safetensors and spec.json.

    Args:
        checkpoint: path or URI of the directory, or of the directory of a run above it; with `runs`, the name of a run,
            or the beginning of the id of a run or of a final fine-tuning that was kept.
        runs: storage of the study that trained it.

    Raises ValueError when there is no such checkpoint, or several, or when it is damaged.
    """
    directory = _directory_in(runs, checkpoint) if runs else Storage.of(checkpoint)
    if directory.exists("final"):  # a finished run's, beside the checkpoints that it resumes from
        directory = Storage.of(directory.path("final"))
    for name in ("model.safetensors", "spec.json"):
        check(directory.exists(name), f"{checkpoint} is no checkpoint: it has no {name}")
    check_whole(directory)
    return directory


def read_spec(directory: Storage) -> Pretrain | Transfer:
    """The spec of the run, or of the fine-tuning, whose checkpoint a directory holds.

    Raises ValueError, naming the file, when it is none.
    """
    if directory.local is not None:
        check_regular(directory.local / "spec.json", LARGEST_SPEC)
    try:
        content = directory.read("spec.json")
        value = json.loads(content)
        kind = Transfer if isinstance(value, dict) and "upstream" in value else Pretrain
        return from_json(kind, content)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{directory.path('spec.json')}: {why}") from None


def read_classes(directory: Storage, count: int) -> list[str] | None:
    """Names of a checkpoint's `count` classes, by number; None where none are kept, as before there were any.

    Raises ValueError for a file that is no list of names.
    """
    if not directory.exists("classes.json"):
        return None
    try:
        names = json.loads(directory.read("classes.json"))
    except (ValueError, RecursionError):
        names = None
    check(
        isinstance(names, list) and all(isinstance(name, str) for name in names),
        f"{directory.path('classes.json')} must be a JSON list of the names of classes",
    )
    return list(names[:count])


def _directory_in(runs: str, name: str) -> Storage:
    """The directory of the one unit of a storage that has this name, or an id that begins with it."""
    storage = Storage.of(runs)
    rows = store.read_table(storage, "pretrain").select("run_id", "name")
    finals = store.read_table(storage, "transfer").select("transfer_id")
    ids = [
        *rows.filter(rows["run_id"].str.starts_with(name) | (rows["name"] == name))["run_id"],
        *finals.filter(finals["transfer_id"].str.starts_with(name))["transfer_id"],
    ]
    if len(ids) != 1:
        known = ", ".join(f"{run_id} ({run})" for run_id, run in rows.sort("name").rows())
        raise ValueError(f"{name!r} is {len(ids)} runs of {runs}, which has {known or 'none'}")
    return Storage.of(storage.path(checkpoint_name(ids[0])))
