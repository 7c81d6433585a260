"""States of trainings in checkpoints: safetensors and JSON, committed whole, resumed exactly. Nothing is unpickled."""

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from scaling.store import Storage, checkpoint_name


@dataclass
class State:
    """A training between two steps: all that an exact resume needs."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None  # of the weights, where the recipe has one
    recent: deque[float]  # the last steps' losses
    step: int = 0  # steps done
    curve: list[dict[str, Any]] = field(default_factory=list)  # the points so far
    best: dict[str, Tensor] | None = None  # of early stopping: weights of the best evaluation, on the CPU

    @property
    def judged(self) -> nn.Module:
        """The weights that are evaluated, and kept in the end: the running average where there is one."""
        return self.module if self.average is None else self.average.module

    @property
    def dev_top1(self) -> float | None:
        """The curve's accuracy of the weights that are kept: the best ones of early stopping, else the last."""
        if self.best is None:
            top1: float | None = self.curve[-1]["dev_top1"]
            return top1
        best: float | None = max(point["dev_top1"] for point in self.curve if point["dev_top1"] is not None)
        return best

    def update_average(self) -> None:
        """Move the running average towards the weights, where the recipe has one."""
        if self.average is not None:
            self.average.update_parameters(self.module)

    def add_point(self, lr: float) -> None:
        """Add this step to the curve: the learning rate that it was made with and its loss, which has been read."""
        point = {"step": self.step, "lr": lr, "train_loss": self.recent[-1]}
        self.curve.append({**point, "dev_top1": None, "fewshot_top1": None})

    def remember(self) -> None:
        """Keep a copy of the present weights, the best so far."""
        # Cloned, because on a CPU `.cpu()` is the tensor itself, which training goes on to change.
        self.best = {name: tensor.cpu().clone() for name, tensor in self.judged.state_dict().items()}

    def finish(self) -> None:
        """Load into the module the weights to keep: the best evaluation's, else their average, else the last."""
        if self.best is not None or self.average is not None:
            self.module.load_state_dict(self.best or self.judged.state_dict())


def save_state(storage: Storage, unit_id: str, state: State) -> None:
    """Commit a state; the two newest are kept."""

    def fill(folder: Path) -> None:
        for name, tensors in _tensors(state).items():
            save_file(tensors, folder / f"{name}.safetensors")
        progress = {"step": state.step, "curve": state.curve, "recent": list(state.recent)}
        # NaN would be no JSON; a loss that is none has ended the training before.
        (folder / "state.json").write_text(json.dumps(progress, allow_nan=False))

    # Padded with zeros, so that the sorted names of `_steps` are in the order of steps.
    storage.commit_directory(checkpoint_name(unit_id, f"{state.step:09d}"), fill)
    for name in _steps(storage, unit_id)[:-2]:
        storage.delete(name)


def _tensors(state: State) -> dict[str, dict[str, Tensor]]:
    """The tensors of each of a state's files, by the file's name."""
    parts = {"model": _contiguous(state.module.state_dict()), "optimizer": _flatten(state.optimizer)}
    if state.average is not None:
        parts["average"] = _contiguous(state.average.module.state_dict())
    if state.best is not None:
        parts["best"] = state.best
    return parts


def latest_state(storage: Storage, unit_id: str) -> str | None:
    """Path of the newest committed checkpoint of an unfinished training, or None."""
    steps = _steps(storage, unit_id)
    return steps[-1] if steps else None


def resume_state(storage: Storage, name: str, state: State) -> None:
    """Load a checkpoint into the state of a training that has not begun."""

    def tensors(part: str) -> dict[str, Tensor]:
        return load(storage.read(f"{name}/{part}.safetensors"))

    state.module.load_state_dict(tensors("model"))
    _unflatten(state.optimizer, tensors("optimizer"))
    if state.average is not None:
        state.average.module.load_state_dict(tensors("average"))
    if storage.exists(f"{name}/best.safetensors"):
        state.best = tensors("best")
    progress = json.loads(storage.read(f"{name}/state.json"))
    state.step, state.curve = progress["step"], progress["curve"]
    state.recent.extend(progress["recent"])


def save_final_weights(
    storage: Storage, unit_id: str, module: nn.Module, spec: str, classes: Sequence[str] | None = None
) -> str:
    """Commit the trained weights with the spec (JSON) they belong to, and the names of the classes if they have some.

    Returns the SHA-256 of the weights' file.
    """

    def fill(folder: Path) -> None:
        save_file(_contiguous(module.state_dict()), folder / "model.safetensors")
        (folder / "spec.json").write_text(spec)
        if classes is not None:
            (folder / "classes.json").write_text(json.dumps(list(classes)))  # names that are no UTF-8 become escapes

    name = checkpoint_name(unit_id)
    storage.commit_directory(name, fill)
    # Of the file as it lies there: if an earlier attempt has committed it, that one stays.
    return hashlib.sha256(storage.read(f"{name}/model.safetensors")).hexdigest()


def clear_checkpoints(storage: Storage, unit_id: str) -> None:
    """Remove the checkpoints of a finished training; final weights stay where there are some."""
    for name in _steps(storage, unit_id):
        storage.delete(name)
    if not storage.committed(checkpoint_name(unit_id)):
        storage.delete(_root(unit_id))


def _root(unit_id: str) -> str:
    return PurePosixPath(checkpoint_name(unit_id)).parent.as_posix()


def _steps(storage: Storage, unit_id: str) -> list[str]:
    """Directories of the committed states of an unfinished training, by step."""
    names = [checkpoint_name(unit_id, step) for step in storage.list(_root(unit_id)) if step.isdigit()]
    return [name for name in names if storage.committed(name)]


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # Contiguous tensors are all that safetensors writes.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    # Its groups are left out: they follow from the recipe, and the learning rate from the step.
    state = optimizer.state_dict()["state"]
    return {
        f"{index}/{key}": torch.as_tensor(value).cpu() for index, slot in state.items() for key, value in slot.items()
    }


def _unflatten(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)  # brings each tensor to its parameter's device
