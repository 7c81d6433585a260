"""States of trainings in checkpoints: safetensors and JSON, committed whole, resumed exactly. Nothing is unpickled."""

import json
import os
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from scaling.checks import say
from scaling.store import (
    Committed,
    DamagedError,
    Storage,
    checkpoint_name,
    commit_directory,
    open_directory,
    set_aside,
    step_checkpoints,
)
from scaling.training.optimizer_state import load_optimizer, optimizer_tensors


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
    account: dict[str, Any] | None = None  # of the attempt that saves it, or of the one that saved what was resumed

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
            _save(tensors, folder / f"{name}.safetensors")
        progress = {"step": state.step, "curve": state.curve, "recent": list(state.recent)}
        progress["account"] = state.account
        # NaN would be no JSON; a loss that is none has ended the training before.
        (folder / "state.json").write_text(json.dumps(progress, allow_nan=False))

    # Padded with zeros, so that the sorted names of `step_checkpoints` are in the order of steps.
    commit_directory(storage, checkpoint_name(unit_id, f"{state.step:09d}"), fill)
    for name in step_checkpoints(storage, unit_id)[:-2]:
        storage.delete(name)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a file of tensors, straight from their memory. Raises OSError where there is no room."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error)) from None


def _tensors(state: State) -> dict[str, dict[str, Tensor]]:
    """The tensors of each of a state's files, by the file's name."""
    parts = {"model": _contiguous(state.module.state_dict()), "optimizer": optimizer_tensors(state.optimizer)}
    if state.average is not None:
        parts["average"] = _contiguous(state.average.module.state_dict())
    if state.best is not None:
        parts["best"] = state.best
    return parts


def latest_state(storage: Storage, unit_id: str) -> str | None:
    """Path of the newest whole checkpoint of an unfinished training, or None. Damaged ones are named and set aside."""
    for name in reversed(step_checkpoints(storage, unit_id)):
        try:
            state = open_directory(storage, name)
            state.check() if state.checked else _check_unlisted(state)
        except DamagedError as error:
            aside = set_aside(storage, name)
            say([f"{error}: it is now in {storage.shown(aside)}, and the training goes on from the checkpoint before"])
            continue
        if not state.checked:
            say([f"{storage.shown(name)} was written without digests: it is resumed, but cannot be checked"])
        return name
    return None


def resume_state(storage: Storage, name: str, state: State) -> None:
    """Load a checkpoint into the state of a training that has not begun. Raises DamagedError if it is not whole."""
    saved = open_directory(storage, name)

    def tensors(part: str) -> dict[str, Tensor]:
        return _loaded(saved, f"{part}.safetensors")

    state.module.load_state_dict(tensors("model"))
    load_optimizer(state.optimizer, tensors("optimizer"))
    if state.average is not None:
        state.average.module.load_state_dict(tensors("average"))
    if saved.has("best.safetensors"):
        state.best = tensors("best")
    progress = json.loads(saved.read("state.json"))
    state.step, state.curve = progress["step"], progress["curve"]
    state.recent.extend(progress["recent"])
    state.account = progress.get("account")


def save_final_weights(
    storage: Storage, unit_id: str, module: nn.Module, spec: str, classes: Sequence[str] | None = None
) -> str:
    """Commit the trained weights with the spec (JSON) they belong to, and the names of the classes if they have some.

    Returns the SHA-256 of the weights' file.
    """

    def fill(folder: Path) -> None:
        _save(_contiguous(module.state_dict()), folder / "model.safetensors")
        (folder / "spec.json").write_text(spec)
        if classes is not None:
            (folder / "classes.json").write_text(json.dumps(list(classes)))  # names that are no UTF-8 become escapes

    # Of the file as it lies there: if an earlier attempt has committed it whole, that one stays.
    return commit_directory(storage, checkpoint_name(unit_id), fill)["model.safetensors"][1]


def _loaded(saved: Committed, file: str) -> dict[str, Tensor]:
    """The tensors of a file. Raises DamagedError when it holds none."""
    try:
        return load(saved.read(file))
    except SafetensorError as error:
        raise DamagedError(f"{saved.path(file)} is damaged: {error}") from None


def _check_unlisted(saved: Committed) -> None:
    """What can be found out of a checkpoint without digests: whether its files are there and can be read."""
    for file in ("model.safetensors", "optimizer.safetensors", "state.json", "average.safetensors", "best.safetensors"):
        if file.endswith(".json"):
            try:
                json.loads(saved.read(file))
            except ValueError:
                raise DamagedError(f"{saved.path(file)} is damaged: it is no JSON") from None
        elif file[0] in "mo" or saved.has(file):
            _loaded(saved, file)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # Contiguous tensors are all that safetensors writes.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
