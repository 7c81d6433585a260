"""Checkpoints: safetensors and JSON, committed whole, resumed exactly. Nothing is unpickled."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from scaling.results import checkpoint_name
from scaling.storage import Storage


@dataclass(frozen=True)
class Progress:
    """Where a training stands, beside its weights. `curve` holds the points so far, `recent` the last steps' losses."""

    step: int
    curve: list[dict[str, Any]]
    recent: list[float]


def save(
    storage: Storage, unit_id: str, module: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Commit all that an exact resume needs; the two newest checkpoints are kept."""

    def fill(folder: Path) -> None:
        save_file(_contiguous(module.state_dict()), folder / "model.safetensors")
        save_file(_flatten(optimizer), folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps(vars(progress), allow_nan=False))

    storage.commit_directory(checkpoint_name(unit_id, f"{progress.step:09d}"), fill)
    for name in _steps(storage, unit_id)[:-2]:
        storage.delete(name)


def latest(storage: Storage, unit_id: str) -> str | None:
    """Path of the newest committed checkpoint of an unfinished training, or None."""
    steps = _steps(storage, unit_id)
    return steps[-1] if steps else None


def resume(storage: Storage, name: str, module: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put a checkpoint's state into module and optimizer."""
    module.load_state_dict(load(storage.read(f"{name}/model.safetensors")))
    _unflatten(optimizer, load(storage.read(f"{name}/optimizer.safetensors")))
    return Progress(**json.loads(storage.read(f"{name}/state.json")))


def save_final(storage: Storage, unit_id: str, module: nn.Module, spec: str) -> str:
    """Commit the trained weights with the spec (JSON) they belong to. Returns the SHA-256 of the weights' file."""

    def fill(folder: Path) -> None:
        save_file(_contiguous(module.state_dict()), folder / "model.safetensors")
        (folder / "spec.json").write_text(spec)

    name = checkpoint_name(unit_id)
    storage.commit_directory(name, fill)
    return hashlib.sha256(storage.read(f"{name}/model.safetensors")).hexdigest()


def clear(storage: Storage, unit_id: str) -> None:
    """Remove the checkpoints of a finished training; final weights stay where there are some."""
    for name in _steps(storage, unit_id):
        storage.delete(name)
    if not storage.committed(checkpoint_name(unit_id)):
        storage.delete(_root(unit_id))


def _root(unit_id: str) -> str:
    return PurePosixPath(checkpoint_name(unit_id)).parent.as_posix()


def read_weights(checkpoint: Storage) -> dict[str, Tensor]:
    """The weights of a checkpoint directory. Raises ValueError when there are none."""
    try:
        if checkpoint.local is not None:
            return load_file(checkpoint.local / "model.safetensors")
        return load(checkpoint.read("model.safetensors"))
    except FileNotFoundError:
        raise ValueError(f"{checkpoint.uri} is no checkpoint: it has no model.safetensors") from None


def _steps(storage: Storage, unit_id: str) -> list[str]:
    """Directories of the committed states of an unfinished training, by step."""
    names = [checkpoint_name(unit_id, step) for step in storage.list(_root(unit_id)) if step.isdigit()]
    return [name for name in names if storage.committed(name)]


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{index}/{key}": torch.as_tensor(value).cpu() for index, slot in state.items() for key, value in slot.items()
    }


def _unflatten(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)
