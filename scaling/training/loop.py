"""The training loop: load, forward, backward, clip, step, log, save."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.data.ordering import hashed
from scaling.data.preprocessing import normalise
from scaling.specs import Recipe
from scaling.storage import Storage
from scaling.training import state
from scaling.training.devices import Device, broadcast, mean_over_workers
from scaling.training.ledger import Ledger
from scaling.training.optim import loss_of, make_optimizer
from scaling.training.schedules import learning_rate

Batch = tuple[Tensor, Tensor]  # images uint8 [b, 3, R, R], labels int64 [b, ...]: this worker's share
Report = Callable[[int, dict[str, Any]], None]
CURVE_POINTS = 200  # at most, over a training
SAVE_SECONDS = 15.0  # between two checkpoints
SAVE_SHARE = 0.05  # of the time, at most: slow checkpoints are made less often
READ_STEPS = 10  # losses are read, and a checkpoint is decided on, at every tenth step: a read waits for the device


class NonFiniteLossError(RuntimeError):
    """The loss of a step is NaN or infinite."""


def classification(model: nn.Module, x: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """The recipe's loss on class numbers [b]."""
    return loss_of(model(x), labels, recipe)


@dataclass(frozen=True)
class Training:
    """What is trained, whatever for. `batch(step)` must be a pure function of the step."""

    id: str
    recipe: Recipe
    base_lr: float
    steps: int
    seed: int
    batch: Callable[[int], Batch]
    loss: Callable[[nn.Module, Tensor, Tensor, Recipe], Tensor] = classification  # of normalised images, and labels
    evaluate: Callable[[nn.Module], float] | None = None  # accuracy on held-out images, at some of the curve's points
    evaluations: int = 0  # how many of them, the last at the end


@dataclass(frozen=True)
class Trained:
    curve: list[dict[str, Any]]  # step, lr, train_loss, dev_top1
    train_loss: float  # mean of the last tenth of the steps


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

    The weights after step n depend on (what, n) alone; on one machine bit for bit, however often it was interrupted.
    Raises NonFiniteLossError with the step. `save_seconds` 0: a checkpoint at every chance, whatever it costs.
    """
    optimizer = make_optimizer(module, what.recipe)
    found = broadcast(state.latest(storage, what.id), device)  # one decision for all ranks
    progress = state.resume(storage, found, module, optimizer) if found else state.Progress(0, [], [])
    ledger.begin(progress.step)
    curve = list(progress.curve)
    recent = deque(progress.recent, maxlen=max(1, what.steps // 10))
    model = DistributedDataParallel(module) if device.world > 1 else module
    eval_steps = _spread(what.steps, what.evaluations) if what.evaluate else set()
    log_steps = _spread(what.steps, CURVE_POINTS) | eval_steps
    unread: list[Tensor] = []  # losses still on the device
    saved_at, save_cost, save = time.monotonic(), 0.0, False
    batches = _prefetch(what.batch, progress.step, what.steps)
    module.train()

    for step in range(progress.step, what.steps):
        with ledger.doing("waiting"):
            images, labels = next(batches)
        with ledger.doing("training"):
            rate = learning_rate(step, base_lr=what.base_lr, steps=what.steps, recipe=what.recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate
            device.seed(hashed(what.seed, step, device.rank))  # dropout: no state to carry from step to step
            images, labels = (part.to(device.torch, non_blocking=True) for part in (images, labels))
            with device.autocast():
                loss = what.loss(model, normalise(images), labels, what.recipe)
            loss.backward()
            if what.recipe.grad_clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), what.recipe.grad_clip)
            optimizer.step()
            optimizer.zero_grad()
            unread.append(loss.detach())
            ledger.step = done = step + 1
            if done in log_steps or done % READ_STEPS == 0:
                due = time.monotonic() - saved_at > max(save_seconds, save_cost / SAVE_SHARE)
                losses, save = _read(unread, due, done, device)
                recent.extend(losses)
                unread.clear()
        if done in log_steps:
            curve.append({"step": done, "lr": rate, "train_loss": recent[-1], "dev_top1": None})
            report(done, {"train_loss": recent[-1]})
        if done in eval_steps and what.evaluate:
            with ledger.doing("evaluating"):
                curve[-1]["dev_top1"] = what.evaluate(module)
            module.train()
        if save and done < what.steps:
            began, save = time.monotonic(), False
            if device.rank == 0:
                state.save(storage, what.id, module, optimizer, state.Progress(done, curve, list(recent)))
            saved_at = time.monotonic()
            save_cost = saved_at - began if save_seconds else 0.0
            ledger.commit(done)
        ledger.beat()
    return Trained(curve, sum(recent) / len(recent))


def _spread(steps: int, count: int) -> set[int]:
    """At most `count` step numbers in 1..steps, evenly spread, the last one among them."""
    return {-(-steps * i // count) for i in range(1, count + 1)}


def _read(losses: list[Tensor], due: bool, last_step: int, device: Device) -> tuple[list[float], bool]:
    """The workers' mean losses of the steps before `last_step`, and whether any worker finds a checkpoint due."""
    flag = torch.tensor([float(due)], device=losses[0].device)
    *values, anyone = mean_over_workers(torch.cat([torch.stack(losses).float(), flag]), device).tolist()
    for step, value in enumerate(values, start=last_step - len(values)):
        if not math.isfinite(value):
            raise NonFiniteLossError(f"loss {value} at step {step}: lower base_lr or set grad_clip")
    return values, anyone > 0


def _prefetch(batch: Callable[[int], Batch], start: int, stop: int) -> Iterator[Batch]:
    """batch(start), ..., batch(stop - 1), each made while the one before is trained on."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        ahead = deque(pool.submit(batch, step) for step in range(start, min(start + 2, stop)))
        for step in range(start, stop):
            if step + 2 < stop:
                ahead.append(pool.submit(batch, step + 2))
            yield ahead.popleft().result()
