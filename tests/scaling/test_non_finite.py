"""A number that is none is no score: wherever an accuracy is taken, what is NaN or infinite is refused by name."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.data.sources.read import open_split
from scaling.evaluate.__main__ import Options as Evaluation
from scaling.evaluate.__main__ import main as evaluate
from scaling.inspection.__main__ import Options as Inspection
from scaling.inspection.__main__ import main as inspect
from scaling.models.build import build
from scaling.runs import masked
from scaling.runs.fewshot import probe, ridge_scores
from scaling.runs.finetune import finetune
from scaling.runs.pretrain import pretrain
from scaling.specs.identity import to_json
from scaling.specs.pretraining import FewShot, Pretrain, Released
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import Probe, Task, Transfer
from scaling.specs.zoo import zoo_model
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.ledger import NonFiniteLossError
from scaling.training.state import save_final_weights
from tests.helpers.specs import at

NAME = "ViT-micro-S/4"
DATA = "ifs:classes=4,images=5,size=16"


def ignore(step: int, metrics: dict[str, object]) -> None: ...


def poison(module: nn.Module, name: str, value: float) -> None:
    """One value of a parameter; or all of them."""
    with torch.no_grad():
        parameter = module.get_parameter(name)
        parameter.fill_(value) if np.isfinite(value) else parameter.view(-1)[:1].fill_(value)


def poisoned(run: Pretrain, storage: Storage, name: str, value: float) -> str:
    """A run's final weights, made on the spot, with such a parameter."""
    module = build(run.model, 4, resolution=16)
    poison(module, name, value)
    save_final_weights(storage, run.id, module, to_json(run))
    return storage.path(f"checkpoints/{run.id}/final")


# weights that are no numbers, and weights that are but make activations which are none
CASES = [
    ("blocks.0.norm1.weight", float("nan"), r"1 of the 16 values of blocks\.0\.norm1\.weight are NaN or infinite"),
    ("norm.bias", float("-inf"), r"1 of the 16 values of norm\.bias are NaN or infinite"),
    ("blocks.0.norm1.weight", 3e38, "layer blocks.0.norm1 overflows"),
]


@pytest.mark.parametrize(("name", "value", "said"), CASES)
def test_every_command_names_it(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, tmp_path: Path, name: str, value: float, said: str
) -> None:
    place = poisoned(tiny_run, storage, name, value)
    common = {"checkpoint": place, "storage": storage, "study": "x", "device": local_device()}
    few = FewShot(tiny_run.data, shots=(1,), seeds=(0,), resolution=16)
    trial = Transfer(tiny_run, tiny_task, at(tiny_task, 0.1), 0, "dev")
    commands: list[Callable[[], object]] = [
        lambda: evaluate(Evaluation(place, DATA)),
        lambda: inspect(Inspection(place, DATA, str(tmp_path / "out"))),
        lambda: probe(Probe(tiny_run, few), **common),  # type: ignore[arg-type]
    ]
    if not np.isfinite(value):  # else the first step of a fine-tuning finds it, as a loss
        commands.append(lambda: finetune(trial, report=ignore, **common))  # type: ignore[arg-type]
    for command in commands:
        with pytest.raises(ValueError, match=said):
            command()
    for table in ("fewshot", "trial", "evaluation", "attention_distance"):
        assert frames.read_table(storage, table).is_empty()
    assert not (tmp_path / "out").exists()
    reasons = frames.read_table(storage, "attempt")
    assert set(reasons["outcome"]) == {"failed"}  # and not diverged: no learning rate has done it


def test_a_classifiers_head_counts_where_it_is_used(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    place = poisoned(tiny_run, storage, "head.weight", float("nan"))
    with pytest.raises(ValueError, match=r"values of head\.weight are NaN"):
        evaluate(Evaluation(place, DATA))
    trial = Transfer(tiny_run, tiny_task, at(tiny_task, 0.1), 0, "dev")  # which has a new one
    finetune(trial, checkpoint=place, storage=storage, study="x", device=local_device(), report=ignore)


@pytest.mark.parametrize("kind", ["npz", "safetensors", "timm"])
def test_a_file_from_elsewhere_is_named_with_its_own_names(tmp_path: Path, kind: str) -> None:
    module = build(zoo_model(NAME), 10, resolution=16)
    poison(module, "blocks.0.attention.qkv.weight", float("nan"))
    path = tmp_path / f"w.{'npz' if kind == 'npz' else 'safetensors'}"
    save_npz(module, path) if kind == "npz" else save_safetensors(
        module, path, layout="timm" if kind == "timm" else "ours"
    )
    tensor = {"npz": "query/kernel", "timm": r"blocks\.0\.attn\.qkv\.weight"}.get(kind, r"blocks\.0\.attention\.qkv")
    fresh = build(zoo_model(NAME), 10, resolution=16)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(ValueError, match=rf"w\..* cannot be used: 1 of the .* values of .*{tensor}.* are NaN"):
        load_weights(fresh, path)
    assert all(torch.equal(before[name], value) for name, value in fresh.state_dict().items())


def test_a_value_beyond_float32_is_no_number_here(tmp_path: Path) -> None:
    module = build(zoo_model(NAME), 10, resolution=16)
    save_npz(module, tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as file:
        arrays = dict(file)
    arrays["head/bias"] = np.full(10, 1e300)
    with pytest.raises(ValueError, match="10 of the 10 values of head/bias are NaN or infinite"):
        load_weights(module, arrays)


def test_pre_training_diverges_at_its_evaluation(
    tiny_run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loss was finite, its logits on the held-out images are not."""
    pretraining = import_module("scaling.runs.pretrain")
    whole = pretraining.accuracy

    def broken(module: nn.Module, *rest: object) -> tuple[float, float]:
        poison(module, "norm.weight", float("inf"))
        result: tuple[float, float] = whole(module, *rest)
        return result

    monkeypatch.setattr(pretraining, "accuracy", broken)
    with pytest.raises(NonFiniteLossError, match=r"after step 5 the logits of 10 of 10 images .* of norm\.weight"):
        pretrain(tiny_run, storage=storage, study="x", device=local_device(), report=ignore)
    assert frames.read_table(storage, "attempt")["outcome"].to_list() == ["diverged"]
    assert frames.read_table(storage, "pretrain").is_empty()


def test_weights_that_the_last_step_broke_are_not_kept(
    tiny_run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any evaluation: each step's loss is of the weights before it."""
    monkeypatch.setattr("scaling.training.loop.learning_rate", lambda step, **_: np.inf)
    run = replace(tiny_run, dev_fraction=0.0, epochs=8 / 96, recipe=replace(tiny_run.recipe, warmup_steps=0))
    assert run.steps == 1
    with pytest.raises(NonFiniteLossError, match=r"after step 1 the weights cannot be used: .* lower base_lr"):
        pretrain(run, storage=storage, study="x", device=local_device(), report=ignore)
    assert not storage.exists(f"checkpoints/{run.id}/final")


def test_the_first_loss_is_no_fault_of_the_learning_rate(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    place = poisoned(tiny_run, storage, "blocks.0.norm1.weight", 3e38)
    trial = Transfer(tiny_run, tiny_task, at(tiny_task, 0.1), 0, "dev")
    with pytest.raises(NonFiniteLossError, match="at step 0: no learning rate has acted yet") as told:
        finetune(trial, checkpoint=place, storage=storage, study="x", device=local_device(), report=ignore)
    assert "base_lr" not in str(told.value)


def test_masked_prediction(tiny_run: Pretrain, storage: Storage) -> None:
    run = replace(tiny_run, masked=MaskedPatches())
    module = masked.build_masked(run)
    poison(module, "encoder.norm.weight", float("nan"))
    with pytest.raises(ValueError, match=r"predictions of tiny for masked patches .* of encoder\.norm\.weight are NaN"):
        masked.masked_accuracy(run, module, open_split(DATA, None), np.arange(4), local_device())


def test_a_regression_without_a_solution(tiny_run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.repeat(np.random.default_rng(0).normal(size=(9, 2)), 2, axis=1)  # two features, each of them twice
    scores = ridge_scores(x, np.arange(9) % 3, x, 3, 5e-324)
    assert np.isnan(scores).all() or np.abs(scores).max() < 1e6
    monkeypatch.setattr("scaling.runs.fewshot.ridge_scores", lambda *_: np.full((8, 4), np.nan))
    few = FewShot(tiny_run.data, shots=(5,), seeds=(0,), resolution=16, l2=1e-300)
    place = poisoned(tiny_run, storage, "head.weight", float("nan"))  # which a probe does not use
    with pytest.raises(ValueError, match=r"by 5 images a class \(seed 0, l2 1e-300\) are NaN or infinite: a larger l2"):
        probe(Probe(tiny_run, few), checkpoint=place, storage=storage, study="x", device=local_device())


def test_a_released_file(tiny_task: Task, storage: Storage, tmp_path: Path) -> None:
    module = build(zoo_model(NAME), 10, resolution=16)
    poison(module, "patch_embed.bias", float("nan"))
    save_npz(module, tmp_path / "w.npz")
    released = Released(NAME, zoo_model(NAME), str(tmp_path / "w.npz"))
    trial = Transfer(released, tiny_task, at(tiny_task, 0.1), 0, "dev")
    with pytest.raises(ValueError, match=r"w\.npz cannot be used: .* of embedding/bias are NaN"):
        finetune(trial, checkpoint=None, storage=storage, study="x", device=local_device(), report=ignore)
