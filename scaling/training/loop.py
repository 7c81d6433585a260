"""The training loop: load, forward, backward, clip, step, log, save."""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.data.pipeline import Batch
from scaling.models import check_finite_weights, standardized
from scaling.randomness import hashed
from scaling.specs import Recipe
from scaling.store import Storage
from scaling.training.devices import Device, broadcast, mean_over_workers
from scaling.training.ledger import (
    Ledger,
    NonFiniteLossError,
    PreemptedError,
    TrainingInterruptedError,
    evaluated_at,
)
from scaling.training.objective import Objective
from scaling.training.optim import learning_rate, make_optimizer, running_average, set_learning_rate
from scaling.training.saving import SAVE_SECONDS, Decision, SaveTimer, Stop, decide, request
from scaling.training.state import State, latest_state, resume_state, save_state

# (steps done, the last one's loss and what comes next) -> whether the training is to stop
Report = Callable[[int, dict[str, Any]], Stop]
CURVE_POINTS = 200  # at most, over a training


@dataclass(frozen=True)
class Training:
    """What is trained, for whatever purpose. A batch and the objective must be pure functions of the step."""

    id: str
    recipe: Recipe
    base_lr: float
    steps: int
    seed: int
    batches: Callable[[int, int], Generator[Batch]]  # of the steps from the first to before the second
    objective: Objective
    until: int | None = None  # pause here, with a checkpoint, to go on another time; None: train to the end
    evaluate: Callable[[nn.Module], float] | None = None  # accuracy on held-out images, at some of the curve's points
    probe: Callable[[nn.Module], float] | None = None  # few-shot accuracy, at the same points; decides nothing
    evaluations: int = 0  # how many of them, evenly spread, the last at the end
    early_stopping: int | None = None  # end after so many evaluations that were no better, keep the best one's weights

    @property
    def evaluated_steps(self) -> set[int]:
        """Numbers of steps done at which the training is evaluated."""
        return _spread(self.steps, self.evaluations) if self.evaluate or self.probe else set()

    @property
    def curve_steps(self) -> set[int]:
        """Numbers of steps done at which the curve has a point."""
        return _spread(self.steps, CURVE_POINTS) | self.evaluated_steps


@dataclass(frozen=True)
class Trained:
    steps: int  # fewer than were planned when the training was stopped early
    curve: list[dict[str, Any]]  # step, lr, train_loss, dev_top1, fewshot_top1
    train_loss: float  # mean of the last tenth of the planned number of steps
    dev_top1: float | None  # of the weights that were kept


def train(
    module: nn.Module,
    training: Training,
    *,
    storage: Storage,
    device: Device,
    ledger: Ledger,
    report: Report,
    save_seconds: float = SAVE_SECONDS,
) -> Trained:
    """Train `module` (on the device) in place, from the newest committed checkpoint if there is one.

    It ends with the weights to keep: the last, their running average, or the best evaluation's. The weights after step
    n depend on (training, n) alone; on one machine bit for bit, however often it was interrupted. `save_seconds` 0: a
    checkpoint at every chance, whatever it costs. Raises NonFiniteLossError with the step; TrainingInterruptedError,
    with a checkpoint, soon after `report` of any worker has said to stop, and as PreemptedError if it said why.
    """
    state = _begin(module, training, storage, device)
    ledger.begin(state.step, state.account)
    model = _prepared(module, device)
    recipe, stop = training.recipe, min(training.until or training.steps, training.steps)
    curve_steps, evaluated_steps = training.curve_steps, training.evaluated_steps
    timer, decision = SaveTimer(save_seconds, time.monotonic()), Decision(state.step + 1, time.monotonic())
    told: Stop = None  # what this worker's report said last
    unread: list[Float[Tensor, ""]] = []  # losses still on the device: to read one is to wait for its step
    module.train()

    # Closed here, however it ends: the garbage collector would join its threads from any other, and hang.
    with contextlib.closing(training.batches(state.step, stop)) as batches:
        for step in range(state.step, stop):
            with ledger.doing("waiting"):
                images, labels = next(batches)
            with ledger.doing("training"):
                lr = learning_rate(step, base_lr=training.base_lr, steps=training.steps, recipe=recipe)
                set_learning_rate(state.optimizer, lr)  # no scheduler, whose state a checkpoint would need
                device.seed(hashed(training.seed, step, device.rank))  # dropout: no state to carry from step to step
                step_loss = torch.zeros((), device=device.torch)
                for x, y, share in microbatches(model, images, labels, device, recipe.batch_size, recipe.tied):
                    with device.autocast():
                        loss = training.objective(model, step, x, y) * share
                    loss.backward()  # outside autocast: its operations have the dtypes of the forward pass already
                    step_loss += loss.detach()
                device.exchange(module)  # before clipping, which is of the mean gradient over all workers
                if recipe.grad_clip is not None:
                    nn.utils.clip_grad_norm_(module.parameters(), recipe.grad_clip)
                state.optimizer.step()
                state.optimizer.zero_grad()
                state.update_average()
                device.run()  # under XLA all of the step up to here is one program
                unread.append(step_loss)
                ledger.step = state.step = step + 1
                reading = state.step in curve_steps or state.step >= decision.next_step or state.step == stop
                if reading:
                    decision = _read(unread, state, request(timer, told, decision, time.monotonic()), device)
            if reading:
                # Acted on at the next reading, by all together: one that stopped alone would leave others hanging.
                coming = _coming(state.step, stop, evaluated_steps, decision)
                told = report(state.step, {"train_loss": state.recent[-1], "next": coming})
            if state.step in curve_steps:
                state.add_point(lr)
            # Before the checkpoint: a training that is resumed there goes on after this step, and needs its point.
            if state.step in evaluated_steps and _evaluate(state, training, device, ledger):
                break  # early stopping
            if reading and (decision.save or state.step == stop) and state.step < training.steps:
                state.account = ledger.account(state.step)  # a kill after the save finds it there
                timer = _save(storage, training.id, state, timer, device)  # not at the end: final weights follow
                ledger.commit(state.step)
                if decision.stop:  # who asks to stop has asked to save as well, see `request`
                    raise _interruption(decision, state.step)
    return _kept(state, device)


def microbatches(
    model: nn.Module,
    images: UInt8[Tensor, "b 3 R R"],
    labels: Shaped[Tensor, "b ..."],
    device: Device,
    batch_size: int,
    tied: int = 1,
) -> Iterator[tuple[UInt8[Tensor, "m 3 R R"], Shaped[Tensor, "m ..."], float]]:
    """The parts of a worker's share of a step's batch, on the device: (images, labels, weight of their mean loss).

    With a microbatch in `device.execution`, at most that many images at a time, a multiple of `tied`. `batch_size` is
    that of all workers together. Losses times their weights, averaged over the workers, give the gradients of the whole
    batch's mean loss to float tolerance, but that dropout draws its masks part by part. Filters are standardized once
    for all parts, and workers exchange gradients once, with the last part.
    """
    images, labels = device.put(images), device.put(labels)
    size = (device.execution.microbatch or 0) // tied * tied or len(images)
    parts = list(zip(images.split(size), labels.split(size), strict=True))
    # A single part standardizes its filters in its own forward pass.
    with standardized(model) if len(parts) > 1 else contextlib.nullcontext():
        for x, y in parts[:-1]:
            with _gradients_stay_here(model):
                yield x, y, len(x) * device.world / batch_size
        x, y = parts[-1]
        # Not the part's share of this worker's images: the mean over workers counts each of them once, whatever it has.
        yield x, y, len(x) * device.world / batch_size


def _gradients_stay_here(model: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """Backward passes inside exchange no gradients between workers."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()


def _begin(module: nn.Module, training: Training, storage: Storage, device: Device) -> State:
    """The initial state, or that of the newest checkpoint."""
    polyak = training.recipe.polyak
    average = None if polyak is None else running_average(module, polyak)
    recent: deque[float] = deque(maxlen=max(1, training.steps // 10))
    state = State(module, make_optimizer(module, training.recipe, fused=device.fused), average, recent)
    checkpoint = broadcast(latest_state(storage, training.id) if device.rank == 0 else None, device)
    if checkpoint:
        resume_state(storage, checkpoint, state)
    return state


def _prepared(module: nn.Module, device: Device) -> nn.Module:
    """What a training step calls: the module itself, compiled in place where asked for, joined to other workers'.

    Evaluation calls `module.forward`, which is not compiled, and the names of the state dict stay plain.
    """
    if device.execution.compile:
        torch.compiler.reset()  # forgets this process's earlier trainings: there is a limit to what is remembered
    return device.joined(device.compiled(module))


def _read(unread: list[Float[Tensor, ""]], state: State, asked: list[float], device: Device) -> Decision:
    """Bring the workers' mean losses of the steps since the last reading into the state, and decide what they ask for.

    `asked` is this worker's `request`. Raises NonFiniteLossError with the step.
    """
    now, steps = time.monotonic(), len(unread)
    losses = device.stacked(unread).float()
    unread.clear()
    # losses and requests in one tensor: one exchange between the workers
    together = torch.cat([losses, torch.tensor(asked, device=losses.device)])
    means = mean_over_workers(together, device).tolist()
    for step, value in enumerate(means[:steps], start=state.step - steps):
        if not math.isfinite(value):
            # On all workers alike, since these are means over them: none is left waiting for the others.
            # The first step's loss comes before any update.
            way_out = "lower base_lr or set grad_clip" if step else "no learning rate has acted yet, the weights do it"
            raise NonFiniteLossError(f"loss {value} at step {step}: {way_out}")
    state.recent.extend(means[:steps])
    return decide(means[steps:], step=state.step, steps=steps, now=now)


def _coming(step: int, stop: int, evaluated_steps: set[int], decision: Decision) -> str:
    """What comes next, for who would miss a step where something else takes its time."""
    if step == stop:
        return "end"
    return "evaluation" if step in evaluated_steps else "checkpoint" if decision.save else "step"


def _evaluate(state: State, training: Training, device: Device, ledger: Ledger) -> bool:
    """Put the accuracies into the curve's last point and keep the best weights; whether the training is to end here."""
    device.share_buffers(state.judged)
    with ledger.doing("evaluating"), evaluated_at(state.step):
        if training.probe is not None:
            state.curve[-1]["fewshot_top1"] = training.probe(state.judged)
        if training.evaluate is not None:
            state.curve[-1]["dev_top1"] = training.evaluate(state.judged)
    state.module.train()  # the evaluation has left it in evaluation mode
    if training.early_stopping is None:
        return False
    scores = [point["dev_top1"] for point in state.curve if point["dev_top1"] is not None]
    since = len(scores) - 1 - scores.index(max(scores))  # evaluations since the first of the best
    if since == 0:
        state.remember()
    return since >= training.early_stopping


def _kept(state: State, device: Device) -> Trained:
    """What was trained, with the weights to keep in the module. Raises NonFiniteLossError for weights that are none."""
    state.finish()
    device.share_buffers(state.module)
    device.run()
    with evaluated_at(state.step):  # the last step's loss was finite, the weights that it made need not be
        check_finite_weights(state.module.state_dict(), "the weights")
    return Trained(state.step, state.curve, sum(state.recent) / len(state.recent), state.dev_top1)


def _save(storage: Storage, unit_id: str, state: State, timer: SaveTimer, device: Device) -> SaveTimer:
    """Commit a checkpoint, which the first worker writes; the timer from now on."""
    began = time.monotonic()
    if device.rank == 0:
        save_state(storage, unit_id, state)
    return timer.after(began, time.monotonic())


def _interruption(decision: Decision, step: int) -> TrainingInterruptedError:
    if decision.preempted:
        return PreemptedError(f"a machine is about to be taken away: stopped after step {step}")
    return TrainingInterruptedError(f"asked to stop after step {step}")


def _spread(steps: int, count: int) -> set[int]:
    """At most `count` step numbers in 1..steps, evenly spread, the last one among them."""
    return {-(-steps * i // count) for i in range(1, count + 1)}  # rounded up: none is 0, the last is `steps`
