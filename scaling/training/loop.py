"""The training loop: load, forward, backward, clip, step, log, save."""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.data.pipeline import Batch
from scaling.models import standardized
from scaling.randomness import hashed
from scaling.specs import Recipe
from scaling.store import Storage
from scaling.training import state
from scaling.training.devices import Device, broadcast, mean_over_workers
from scaling.training.ledger import Ledger, NonFiniteLossError, TrainingInterruptedError
from scaling.training.objective import Objective
from scaling.training.optim import learning_rate, make_optimizer, running_average
from scaling.training.state import State

Report = Callable[[int, dict[str, Any]], bool | None]  # (steps done, metrics) -> whether the training is to stop
CURVE_POINTS = 200  # at most, over a training
SAVE_SECONDS = 15.0  # between two checkpoints
SAVE_SHARE = 0.05  # of the time, at most: slow checkpoints are made less often
READ_STEPS = 10  # losses are read and decisions made at every tenth step at most: a read waits for the device
READ_SECONDS = 1.0  # and as often as that where steps are slow


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
    probe: Callable[[nn.Module], float] | None = None  # few-shot accuracy, at the same points; decides nothing
    evaluations: int = 0  # how many of them, evenly spread, the last at the end
    early_stopping: int | None = None  # end after so many evaluations that were no better, keep the best one's weights


@dataclass(frozen=True)
class Trained:
    steps: int  # fewer than were planned when the training was stopped early
    curve: list[dict[str, Any]]  # step, lr, train_loss, dev_top1, fewshot_top1
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
    Raises NonFiniteLossError with the step, and TrainingInterruptedError, with a checkpoint, soon after `report` of any
    worker has said that it is to stop. `save_seconds` 0: a checkpoint at every chance, whatever it costs.
    """
    now = _begin(module, what, storage, device)
    ledger.begin(now.step)
    model = _prepared(module, device)
    eval_steps = _spread(what.steps, what.evaluations) if what.evaluate or what.probe else set()
    log_steps = _spread(what.steps, CURVE_POINTS) | eval_steps
    unread: list[Tensor] = []  # losses still on the device
    pulse = _Pulse(save_seconds, now.step)
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
            device.exchange(module)
            if what.recipe.grad_clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), what.recipe.grad_clip)
            now.optimizer.step()
            now.optimizer.zero_grad()
            if now.average is not None:
                now.average.update_parameters(module)
            device.run()
            ledger.step = now.step = step + 1
            reading = now.step in log_steps or now.step >= pulse.next or now.step == stop
            if reading:
                now.recent.extend(_read(unread, pulse, now.step, device))
        if reading:
            pulse.asked = bool(report(now.step, {"train_loss": now.recent[-1]}))
        if now.step in log_steps:
            point = {"step": now.step, "lr": rate, "train_loss": now.recent[-1]}
            now.curve.append({**point, "dev_top1": None, "fewshot_top1": None})
        if now.step in eval_steps:
            with ledger.doing("evaluating"):
                ended = _evaluate(now, what)
            if ended:
                break
            module.train()
        if (pulse.saving or now.step == stop) and now.step < what.steps:
            pulse.save(storage, what.id, now, device)
            ledger.commit(now.step)
            if pulse.stopping:
                raise TrainingInterruptedError(f"asked to stop after step {now.step}")
        ledger.beat()
    now.finish()
    device.run()
    return Trained(now.step, now.curve, sum(now.recent) / len(now.recent), _dev_top1(now))


def _begin(module: nn.Module, what: Training, storage: Storage, device: Device) -> State:
    """The initial state, or that of the newest checkpoint."""
    average = None if what.recipe.polyak is None else running_average(module, what.recipe.polyak)
    recent: deque[float] = deque(maxlen=max(1, what.steps // 10))
    now = State(module, make_optimizer(module, what.recipe, fused=device.fused), average, recent)
    found = broadcast(state.latest(storage, what.id), device)  # one decision for all ranks
    if found:
        state.resume(storage, found, now)
    return now


def _prepared(module: nn.Module, device: Device) -> nn.Module:
    """What a training step calls: the module itself, compiled in place where asked for, joined to other workers'.

    Evaluation calls `module.forward`, which is not compiled, and the names of the state dict stay plain.
    """
    if device.compile:
        torch.compiler.reset()  # forgets the trainings before in this process: there is a limit to what is kept
    return device.joined(device.compiled(module))


def _evaluate(now: State, what: Training) -> bool:
    """Put the accuracies into the curve's last point and keep the best weights; whether the training is to end here."""
    if what.probe is not None:
        now.curve[-1]["fewshot_top1"] = what.probe(now.judged)
    if what.evaluate is not None:
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


class _Pulse:
    """When the workers look up from their steps, and what they then decide: all of them the same.

    Checkpoints are made every `seconds`, and less often when they take more than SAVE_SHARE of the time.
    """

    def __init__(self, seconds: float, step: int) -> None:
        self.seconds = seconds
        self.saving = self.stopping = False
        self.asked = False  # this worker was told to stop
        self.next = step + 1
        self._looked = self._saved = time.monotonic()
        self._cost = 0.0

    def wishes(self) -> list[float]:
        """This worker's, whose means over all workers are decided on: to save, to stop; and seconds since it looked."""
        now = time.monotonic()
        due = now - self._saved > max(self.seconds, self._cost / SAVE_SHARE)
        self._looked, since = now, now - self._looked
        return [float(due or self.asked), float(self.asked), since]

    def decide(self, step: int, steps: int, means: list[float]) -> None:
        """After `steps` steps since the last time."""
        save, stop, seconds = means
        self.saving, self.stopping = save > 0, stop > 0
        self.next = step + max(1, min(READ_STEPS, int(READ_SECONDS * steps / max(seconds, 1e-9))))

    def save(self, storage: Storage, unit_id: str, now: State, device: Device) -> None:
        began, self.saving = time.monotonic(), False
        if device.rank == 0:
            state.save(storage, unit_id, now)
        self._saved = time.monotonic()
        self._cost = self._saved - began if self.seconds else 0.0


def _spread(steps: int, count: int) -> set[int]:
    """At most `count` step numbers in 1..steps, evenly spread, the last one among them."""
    return {-(-steps * i // count) for i in range(1, count + 1)}


def _read(unread: list[Tensor], pulse: _Pulse, last_step: int, device: Device) -> list[float]:
    """The workers' mean losses of the steps up to `last_step`; with them goes what the workers wish."""
    steps = len(unread)
    losses = device.stacked(unread).float()
    unread.clear()
    wishes = torch.tensor(pulse.wishes(), device=losses.device)
    means = mean_over_workers(torch.cat([losses, wishes]), device).tolist()
    for step, value in enumerate(means[:steps], start=last_step - steps):
        if not math.isfinite(value):
            raise NonFiniteLossError(f"loss {value} at step {step}: lower base_lr or set grad_clip")
    pulse.decide(last_step, steps, means[steps:])
    return means[:steps]


def accumulate(
    model: nn.Module, objective: Objective, step: int, images: Tensor, labels: Tensor, device: Device
) -> Tensor:
    """Give the parameters the gradients of the mean loss of images uint8 [b, 3, R, R]; returns that loss [], detached.

    With `device.microbatch` that many images at a time, each part's loss weighted by its size: the step is the whole
    batch's to float tolerance, but that dropout draws its masks part by part. Filters are standardized once, and
    workers exchange gradients once, with the last part.
    """
    images, labels = device.put(images), device.put(labels)
    size = device.microbatch or len(images)
    parts = list(zip(images.split(size), labels.split(size), strict=True))
    total = torch.zeros((), device=images.device)
    with standardized(model) if len(parts) > 1 else contextlib.nullcontext():
        for number, (x, y) in enumerate(parts, start=1):
            with _alone(model) if number < len(parts) else contextlib.nullcontext():
                with device.autocast():
                    loss = objective(model, step, x, y) * (len(x) / len(images))
                loss.backward()
            total += loss.detach()
    return total


def _alone(model: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """Keep gradients on this worker."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()
