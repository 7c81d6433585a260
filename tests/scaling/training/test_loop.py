"""The loop: exact resume, non-finite losses, what is kept in the end, compiled steps."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from scaling.checkpoints.upstream import read_weights
from scaling.flops.counts import pretrain_flops
from scaling.models.build import build
from scaling.runs.pretrain import pretrain
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.identity import from_json
from scaling.specs.models import Architecture
from scaling.specs.pretraining import Pretrain
from scaling.specs.recipe import Recipe
from scaling.store import frames, results
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.ledger import NonFiniteLossError, PreemptedError, TrainingInterruptedError
from scaling.training.saving import Stop

VIT = ViT(8, 16, 1, 32, 2)
MODELS: dict[str, Architecture] = {
    "vit": VIT,
    "resnet": ResNet((1,), width=8, groups=8, stem="small"),
    "hybrid": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2)),
}


class Killed(BaseException):
    """Stands for a kill: no exception that the code may catch."""


def ignore(step: int, metrics: dict[str, Any]) -> None:
    pass


def train(run: Pretrain, storage: Storage, kill_at: int | None = None, *, compiled: bool = False) -> None:
    def report(step: int, metrics: dict[str, Any]) -> None:
        if step == kill_at:
            raise Killed

    device = local_device(Execution(compile=compiled))
    pretrain(run, storage=storage, study="x", device=device, report=report, save_seconds=0.0)


def test_the_thread_that_prepares_batches_ends_with_the_training(tiny_run: Pretrain, storage: Storage) -> None:
    """While its error is still held: left to the garbage collector, the wait for it once hung in another's start."""

    def preparing() -> set[int | None]:
        return {thread.ident for thread in threading.enumerate() if thread.name.startswith("batches")}

    before = preparing()
    with pytest.raises(Killed) as held:
        train(tiny_run, storage, kill_at=13)
    assert preparing() <= before, held


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("kind", MODELS)
def test_an_interrupted_run_ends_in_the_same_bits(
    tiny_run: Pretrain, tmp_path: Path, kind: str, optimizer: Literal["adamw", "sgd"]
) -> None:
    """Killed twice between checkpoints, with dropout, momentum and augmentation on."""
    run = replace(tiny_run, model=MODELS[kind], recipe=replace(tiny_run.recipe, optimizer=optimizer))
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")
    train(run, whole)
    for kill_at in (13, 19):
        with pytest.raises(Killed):
            train(run, torn, kill_at)
    train(run, torn)
    first, second = (frames.read_table(s, "pretrain").drop("checkpoint") for s in (whole, torn))
    assert first.equals(second)  # the weights' SHA-256 among the columns
    assert frames.read_table(whole, "curve").equals(frames.read_table(torn, "curve"))
    attempts = frames.read_table(torn, "attempt").sort("started")
    assert attempts["first_step"].to_list() == [0, 12, 18]
    assert attempts["outcome"].to_list() == ["killed", "killed", "done"]
    assert torn.list(f"checkpoints/{run.id}") == ["final"]


def test_a_training_that_is_asked_to_stop_does_so_with_a_checkpoint(tiny_run: Pretrain, tmp_path: Path) -> None:
    """And repeats no step."""
    whole, stopped = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "stopped")
    train(tiny_run, whole)
    with pytest.raises(TrainingInterruptedError, match="asked to stop after step 14"):
        pretrain(
            tiny_run,
            storage=stopped,
            study="x",
            device=local_device(),
            report=lambda step, metrics: step == 13,
            save_seconds=1000,
        )
    assert stopped.list(f"checkpoints/{tiny_run.id}") == ["000000014"]
    train(tiny_run, stopped)
    attempts = frames.read_table(stopped, "attempt").sort("started")
    assert attempts["outcome"].to_list() == ["interrupted", "done"]
    assert attempts["first_step"].to_list() == [0, 14]
    assert attempts["last_step"].to_list() == [14, 24]
    assert attempts["seconds_lost"].to_list() == [0, 0]
    first, second = (frames.read_table(s, "pretrain").drop("checkpoint") for s in (whole, stopped))
    assert first.equals(second)


@pytest.mark.parametrize(("told", "reason"), [(True, "interrupted"), ("preemption", "preemption")])
def test_the_next_start_knows_who_stopped_the_training(
    tiny_run: Pretrain, storage: Storage, told: Stop, reason: str
) -> None:
    with pytest.raises(PreemptedError if told == "preemption" else TrainingInterruptedError) as stopped:
        pretrain(tiny_run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: told)
    train(tiny_run, storage)
    attempts = frames.read_table(storage, "attempt").sort("started")
    assert attempts["outcome"].to_list() == ["interrupted", "done"]
    assert attempts["start_reason"].to_list() == ["first", reason]
    assert attempts["reason"].to_list() == [f"{stopped.type.__name__}: {stopped.value}", ""]


def test_a_finished_runs_checkpoint_holds_its_spec(tiny_run: Pretrain, storage: Storage) -> None:
    train(tiny_run, storage)
    assert from_json(Pretrain, storage.read(f"checkpoints/{tiny_run.id}/final/spec.json").decode()) == tiny_run


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step(
    tiny_run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter(range(100))
    monkeypatch.setattr(
        "scaling.training.objective.loss_of",
        lambda logits, labels, recipe: logits.mean() * (float("nan") if next(steps) == 7 else 1.0),
    )
    with pytest.raises(NonFiniteLossError, match="loss nan at step 7"):
        train(tiny_run, storage)
    assert results.finished_ids(storage, "pretrain") == set()
    (row,) = frames.read_table(storage, "attempt").to_dicts()
    assert row["outcome"] == "diverged"
    assert "step 7" in row["reason"]


def test_a_run_learns(tiny_run: Pretrain, storage: Storage) -> None:
    train(
        replace(
            tiny_run,
            epochs=20,
            base_lr=1e-2,
            model=replace(VIT, width=32),
            recipe=replace(tiny_run.recipe, crop="none", dropout=0.0),
        ),
        storage,
    )
    curve = frames.read_table(storage, "curve").sort("step")
    losses = curve["train_loss"].to_numpy()
    assert losses[-20:].mean() < 0.7 * losses[:5].mean()
    assert curve["dev_top1"].drop_nulls().len() == 5


def final_weights(run: Pretrain, storage: Storage) -> dict[str, torch.Tensor]:
    return read_weights(Storage.of(storage.path(f"checkpoints/{run.id}/final")))


def initial_weights(run: Pretrain) -> dict[str, torch.Tensor]:
    assert run.data.num_classes
    torch.manual_seed(run.seed)
    return build(run.model, run.data.num_classes, resolution=run.resolution).state_dict()


@pytest.fixture
def one_step(tiny_run: Pretrain) -> Pretrain:
    """A single step of plain gradient descent at rate 1."""
    recipe = replace(tiny_run.recipe, optimizer="sgd", momentum=0.0, weight_decay=0.0, warmup_steps=0, grad_clip=None)
    return replace(tiny_run, epochs=0.05, base_lr=1.0, recipe=recipe)


def test_the_polyak_average_is_what_is_kept(one_step: Pretrain, storage: Storage) -> None:
    averaged = replace(one_step, recipe=replace(one_step.recipe, polyak=0.25))
    for run in (one_step, averaged):
        train(run, storage)
    start, end, found = initial_weights(one_step), final_weights(one_step, storage), final_weights(averaged, storage)
    assert any(not torch.equal(start[name], end[name]) for name in start)
    for name in start:
        torch.testing.assert_close(found[name], 0.25 * start[name] + 0.75 * end[name], msg=name)


def test_gradients_are_clipped_at_their_global_norm(one_step: Pretrain, storage: Storage) -> None:
    """At rate 1 the weights move by the gradient: as far as the clip allows, in the same direction."""
    moves = []
    for clip in (None, 0.01, 1e3):
        run = replace(one_step, recipe=replace(one_step.recipe, grad_clip=clip))
        train(run, storage)
        start, end = initial_weights(run), final_weights(run, storage)
        moves.append(torch.cat([(end[name] - start[name]).flatten() for name in start]))
    free, clipped, loose = moves
    assert free.norm() > 0.1
    assert clipped.norm().item() == pytest.approx(0.01, rel=1e-3)
    torch.testing.assert_close(clipped / clipped.norm(), free / free.norm(), rtol=1e-3, atol=1e-4)
    assert torch.equal(loose, free)


def digest(module: torch.nn.Module) -> str:
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in module.state_dict().values())).hexdigest()


def test_early_stopping_keeps_the_best_and_resumes_in_the_same_bits(
    tiny_run: Pretrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MixUp and a Polyak average; the second of the evaluations every four steps is the best, the fifth the last.

    The scores are of the weights, so the interrupted run has them again only if it comes by the same weights.
    """
    recipe = replace(tiny_run.recipe, mixup=0.3, polyak=0.8)
    run = replace(tiny_run, recipe=recipe, evaluations=6, early_stopping=3)
    script, score_of = iter([0.1, 0.5, 0.3, 0.5, 0.2]), {}

    def accuracy(module: torch.nn.Module, *rest: object) -> tuple[float, float]:
        weights = digest(module)
        if weights not in score_of:
            score_of[weights] = next(script)
        return score_of[weights], 0.0

    monkeypatch.setattr(import_module("scaling.runs.pretrain"), "accuracy", accuracy)
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")
    train(run, whole)
    for kill_at in (13, 19):
        with pytest.raises(Killed):
            train(run, torn, kill_at)
    train(run, torn)
    first, second = (frames.read_table(s, "pretrain").drop("checkpoint") for s in (whole, torn))
    assert first.equals(second)
    assert frames.read_table(whole, "curve").equals(frames.read_table(torn, "curve"))

    (row,) = first.to_dicts()
    assert (row["steps"], row["images"], row["dev_top1"]) == (20, 160, 0.5)
    assert row["epochs"] == pytest.approx(2.2 * 20 / 24)
    assert row["train_flops"] == pytest.approx(pretrain_flops(run, valid=False) * 20 / 24)
    curve = frames.read_table(whole, "curve").sort("step")
    assert curve["step"].to_list() == list(range(1, 21))
    assert curve["dev_top1"].drop_nulls().to_list() == [0.1, 0.5, 0.3, 0.5, 0.2]
    kept = build(run.model, 4, resolution=16)
    kept.load_state_dict(final_weights(run, whole))
    assert digest(kept) == list(score_of)[1]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """What is compiled: traced, but not turned into machine code, which takes a minute; a slow test does that."""
    traced = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Any], **_options: Any) -> Callable[..., Any]:
        traced.append(graph)
        return graph.forward

    monkeypatch.setattr("torch.compile", partial(torch.compile, backend=backend))
    return traced


@pytest.mark.parametrize(("kind", "microbatch"), [("vit", None), ("resnet", None), ("hybrid", 3)])
def test_compiled_steps_are_the_same_steps(
    tiny_run: Pretrain, tmp_path: Path, graphs: list[torch.fx.GraphModule], kind: str, microbatch: int | None
) -> None:
    run = replace(tiny_run, epochs=0.6, model=MODELS[kind], recipe=replace(tiny_run.recipe, dropout=0.0))
    stores = []
    for compiled in (False, True):
        stores.append(Storage.of(tmp_path / str(compiled)))
        device = local_device(Execution(compile=compiled, microbatch=microbatch))
        pretrain(run, storage=stores[-1], study="x", device=device, report=ignore)
    assert 1 <= len(graphs) <= 2  # the last microbatch is smaller
    plain, traced = (final_weights(run, store) for store in stores)
    assert traced.keys() == initial_weights(run).keys()
    torch.testing.assert_close(traced, plain, rtol=1e-3, atol=1e-5)  # the compiler is given GELU in another form


@pytest.mark.parametrize("kind", MODELS)
def test_evaluations_between_steps_compile_nothing_anew(
    tiny_run: Pretrain, storage: Storage, graphs: list[torch.fx.GraphModule], kind: str
) -> None:
    run = replace(tiny_run, model=MODELS[kind], evaluations=4)
    pretrain(run, storage=storage, study="x", device=local_device(Execution(compile=True)), report=ignore)
    assert frames.read_table(storage, "curve")["dev_top1"].drop_nulls().len() == 4
    assert len(graphs) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
def test_compiled_runs_resume_in_the_same_bits(tiny_run: Pretrain, tmp_path: Path) -> None:
    """In machine code, with dropout, an encoder and convolutions."""
    run = replace(tiny_run, model=MODELS["hybrid"])
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")
    train(run, whole, compiled=True)
    with pytest.raises(Killed):
        train(run, torn, 15, compiled=True)
    train(run, torn, compiled=True)
    first, second = (frames.read_table(s, "pretrain").drop("checkpoint") for s in (whole, torn))
    assert first.equals(second)


def test_bf16_trains_too(tiny_run: Pretrain, storage: Storage) -> None:
    run = replace(tiny_run, recipe=Recipe(batch_size=8, warmup_steps=2))
    pretrain(run, storage=storage, study="x", device=local_device(Execution("bf16")), report=ignore)
    assert frames.read_table(storage, "attempt")["precision"].to_list() == ["bf16"]
