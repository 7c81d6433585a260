"""The training loop: load, forward, backward, clip, step, log, save."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.data.loading import Batch
from scaling.data.ordering import hashed
from scaling.specs import Recipe
from scaling.storage import Storage
from scaling.training import state
from scaling.training.averaging import running_average
from scaling.training.devices import Device, broadcast, mean_over_workers
from scaling.training.ledger import Ledger, NonFiniteLossError
from scaling.training.microbatches import accumulate
from scaling.training.objective import Objective
from scaling.training.optim import make_optimizer
from scaling.training.schedules import learning_rate
from scaling.training.state import State

Report = Callable[[int, dict[str, Any]], None]
CURVE_POINTS = 200  # at most, over a training
SAVE_SECONDS = 15.0  # between two checkpoints
SAVE_SHARE = 0.05  # of the time, at most: slow checkpoints are made less often
READ_STEPS = 10  # losses are read, and a checkpoint is decided on, at every tenth step: a read waits for the device


@dataclass(frozen=True)
class Training:
    """What is trained, whatever for. A batch and the objective must be pure functions of the step."""

    id: str
    recipe: Recipe
    base_lr: float
    steps: int
    seed: int
    batches: Callable[[int, int], Iterator[Batch]]  # of the steps from the first to before the second
    objective: Objective
    until: int | None = None  # pause here, with a checkpoint, to go on another time; None: train to the end
    evaluate: Callable[[nn.Module], float] | None = None  # accuracy on held-out images, at some of the curve's points
    evaluations: int = 0  # how many of them, evenly spread, the last at the end
    early_stopping: int | None = None  # end after so many evaluations that were no better, keep the best one's weights


@dataclass(frozen=True)
class Trained:
    steps: int  # fewer than were planned when the training was stopped early
    curve: list[dict[str, Any]]  # step, lr, train_loss, dev_top1
    train_loss: float  # mean of the last tenth of the planned number of steps
    dev_top1: float | None  # of the weights that were kept


def train(
    module: nn.Module,
    what: Training,
    *,
    storage: Storage,
    device: Device,
    ledger: Ledger,
    report: Report,
    save_seconds: float = SAVE_SECONDS,
) -> Trained:
    """Train `module` (on the device) in place, from the newest committed checkpoint if there is one.

    It ends with the weights to keep: the last, their running average, or the best evaluation's. The weights after step
    n depend on (what, n) alone; on one machine bit for bit, however often it was interrupted.
    Raises NonFiniteLossError with the step. `save_seconds` 0: a checkpoint at every chance, whatever it costs.
    """
    now = _begin(module, what, storage, device)
    ledger.begin(now.step)
    model = _prepared(module, device)
    eval_steps = _spread(what.steps, what.evaluations) if what.evaluate else set()
    log_steps = _spread(what.steps, CURVE_POINTS) | eval_steps
    unread: list[Tensor] = []  # losses still on the device
    saves = _Saves(save_seconds)
    stop = min(what.until or what.steps, what.steps)
    batches = what.batches(now.step, stop)
    module.train()

    for step in range(now.step, stop):
        with ledger.doing("waiting"):
            images, labels = next(batches)
        with ledger.doing("training"):
            rate = learning_rate(step, base_lr=what.base_lr, steps=what.steps, recipe=what.recipe)
            for group in now.optimizer.param_groups:
                group["lr"] = rate
            device.seed(hashed(what.seed, step, device.rank))  # dropout: no state to carry from step to step
            unread.append(accumulate(model, what.objective, step, images, labels, device))
            if what.recipe.grad_clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), what.recipe.grad_clip)
            now.optimizer.step()
            now.optimizer.zero_grad()
            if now.average is not None:
                now.average.update_parameters(module)
            ledger.step = now.step = step + 1
            if now.step in log_steps or now.step % READ_STEPS == 0 or now.step == stop:
                now.recent.extend(_read(unread, saves, now.step, device))
        if now.step in log_steps:
            now.curve.append({"step": now.step, "lr": rate, "train_loss": now.recent[-1], "dev_top1": None})
            report(now.step, {"train_loss": now.recent[-1]})
        if now.step in eval_steps:
            with ledger.doing("evaluating"):
                ended = _evaluate(now, what)
            if ended:
                break
            module.train()
        if (saves.wanted or now.step == stop) and now.step < what.steps:
            saves.save(storage, what.id, now, device)
            ledger.commit(now.step)
        ledger.beat()
    now.finish()
    return Trained(now.step, now.curve, sum(now.recent) / len(now.recent), _dev_top1(now))


def _begin(module: nn.Module, what: Training, storage: Storage, device: Device) -> State:
    """The initial state, or that of the newest checkpoint."""
    average = None if what.recipe.polyak is None else running_average(module, what.recipe.polyak)
    recent: deque[float] = deque(maxlen=max(1, what.steps // 10))
    now = State(module, make_optimizer(module, what.recipe), average, recent)
    found = broadcast(state.latest(storage, what.id), device)  # one decision for all ranks
    if found:
        state.resume(storage, found, now)
    return now


def _prepared(module: nn.Module, device: Device) -> nn.Module:
    """What a training step calls: the module itself, compiled in place where asked for, behind DDP for several workers.

    Evaluation calls `module.forward`, which is not compiled, and the names of the state dict stay plain.
    """
    if device.compile:
        torch.compiler.reset()  # forgets the trainings before in this process: there is a limit to what is kept
        module.compile()
    return DistributedDataParallel(module) if device.world > 1 else module


def _evaluate(now: State, what: Training) -> bool:
    """Put the accuracy into the curve's last point and keep the best weights; whether the training is to end here."""
    assert what.evaluate is not None
    now.curve[-1]["dev_top1"] = what.evaluate(now.judged)
    if what.early_stopping is None:
        return False
    scores = [point["dev_top1"] for point in now.curve if point["dev_top1"] is not None]
    since = len(scores) - 1 - scores.index(max(scores))  # evaluations since the first of the best
    if since == 0:
        now.remember()
    return since >= what.early_stopping


def _dev_top1(now: State) -> float | None:
    """Accuracy of the weights that are kept."""
    if now.best is None:
        return now.curve[-1]["dev_top1"]
    return max(point["dev_top1"] for point in now.curve if point["dev_top1"] is not None)


class _Saves:
    """When checkpoints are made: every `seconds`, and less often when they take more than SAVE_SHARE of the time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.wanted = seconds, False
        self._at, self._cost = time.monotonic(), 0.0

    def due(self) -> bool:
        return time.monotonic() - self._at > max(self.seconds, self._cost / SAVE_SHARE)

    def save(self, storage: Storage, unit_id: str, now: State, device: Device) -> None:
        began, self.wanted = time.monotonic(), False
        if device.rank == 0:
            state.save(storage, unit_id, now)
        self._at = time.monotonic()
        self._cost = self._at - began if self.seconds else 0.0


def _spread(steps: int, count: int) -> set[int]:
    """At most `count` step numbers in 1..steps, evenly spread, the last one among them."""
    return {-(-steps * i // count) for i in range(1, count + 1)}


def _read(unread: list[Tensor], saves: _Saves, last_step: int, device: Device) -> list[float]:
    """The workers' mean losses of the steps before `last_step`; a checkpoint is wanted when any worker finds it due."""
    flag = torch.tensor([float(saves.due())], device=unread[0].device)
    *values, anyone = mean_over_workers(torch.cat([torch.stack(unread).float(), flag]), device).tolist()
    unread.clear()
    saves.wanted = anyone > 0
    for step, value in enumerate(values, start=last_step - len(values)):
        if not math.isfinite(value):
            raise NonFiniteLossError(f"loss {value} at step {step}: lower base_lr or set grad_clip")
    return values
