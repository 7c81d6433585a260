"""The paper's experiments: what each varies, at full size; and that its miniature is built by the same function."""

import importlib
import re
from dataclasses import replace

import pytest

from analysis.accounting.plan import plan_study
from clusters.hardware.catalogue import chip_named
from scaling.data.resolve import resolve_study
from scaling.specs.architectures import ResNet, ViT
from scaling.specs.models import Architecture, family
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from search_spaces.scales import MINIATURE, PAPER

NAMES = (
    "vit_paper",
    "data_requirements",
    "transformer_shape",
    "position_embeddings",
    "head_type",
    "sgd_vs_adam",
    "self_supervision",
    "axial",
)


def published(name: str) -> Study:
    study: Study = importlib.import_module(f"search_spaces.{name}").STUDY
    return study


def runs(name: str) -> dict[str, Pretrain]:
    return {run.name: run for run in published(name).runs}


def vit(run: Pretrain) -> ViT:
    assert isinstance(run.model, ViT)
    return run.model


@pytest.mark.parametrize("name", NAMES)
def test_one_function_builds_both_sizes(name: str) -> None:
    module = importlib.import_module(f"search_spaces.{name}")
    assert module.study(PAPER) == module.STUDY
    assert module.study(MINIATURE) == module.MINIATURE
    assert module.STUDY.name == name
    assert module.MINIATURE.name == f"{name}-miniature"
    assert {family(run.model) for run in module.MINIATURE.runs} == {family(run.model) for run in module.STUDY.runs}
    assert bool(module.MINIATURE.tasks) == bool(module.STUDY.tasks)
    assert bool(module.MINIATURE.fewshot) == bool(module.STUDY.fewshot)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_tells_the_plans_cost(name: str) -> None:
    module = importlib.import_module(f"search_spaces.{name}")
    total = plan_study(module.STUDY, chip_named("tpu-v3"), None).as_json()["total"]
    assert module.__doc__ is not None
    (told,) = re.findall(r"Cost: ([0-9,]+) exaFLOPs", module.__doc__)
    assert told == f"{total['exaflops_valid']:,.0f}"


@pytest.mark.parametrize("name", NAMES)
def test_a_miniature_can_be_resolved_without_data_on_disk(name: str) -> None:
    study = resolve_study(importlib.import_module(f"search_spaces.{name}").MINIATURE)
    assert sum(run.steps for run in study.runs) < 40_000


def test_figure_3_has_three_sets_with_their_regularization() -> None:
    found = runs("data_requirements")
    recipes = [found[f"ViT-L/16 {name}"].recipe for name in ("ImageNet", "ImageNet-21k", "JFT")]
    assert [recipe.weight_decay for recipe in recipes] == [0.3, 0.03, 0.1]
    assert [recipe.dropout for recipe in recipes] == [0.1, 0.1, 0.0]
    assert [recipe.label_smoothing for recipe in recipes] == [1e-4, 0.0, 0.0]


def test_figure_4_takes_as_many_steps_on_every_subset() -> None:
    found = [run for run in published("data_requirements").runs if run.early_stopping]
    by_model: dict[Architecture, list[Pretrain]] = {}
    for run in found:
        by_model.setdefault(run.model, []).append(run)
    assert len(by_model) == 6
    for group in by_model.values():
        assert [run.subset for run in group] == [9_000_000, 30_000_000, 90_000_000, None]
        assert len({run.steps for run in group}) == 1
        assert len({run.recipe for run in group}) == 1
    whole = found[3]
    assert whole.steps == round(7 * whole.num_images / 4096)


def test_figure_8_varies_one_dimension_at_a_time_and_all() -> None:
    found = {name: vit(run) for name, run in runs("transformer_shape").items()}
    base = found.pop("base")
    assert base == ViT(32, 1024, 8, 2048, 16, 1024)
    for name, model in found.items():
        changed = {f for f in ("depth", "width", "mlp_dim", "patch_size") if getattr(model, f) != getattr(base, f)}
        assert len(changed) == (4 if name == "all x2" else 1), name
        assert model.width // model.num_heads == 64
    assert found["depth 64"].depth == 64


def test_table_8_has_its_eight_entries() -> None:
    models = [vit(run) for run in published("position_embeddings").runs]
    assert [(model.positions, model.positions_at) for model in models] == [
        ("none", "stem"),
        *((kind, where) for kind in ("1d", "2d") for where in ("stem", "every_layer", "every_layer_shared")),
        ("relative", "stem"),
    ]
    assert len({replace(model, positions="1d", positions_at="stem") for model in models}) == 1


def test_figure_9_differs_in_head_and_rate() -> None:
    token, same, lower = published("head_type").runs
    assert [(vit(r).pool, r.base_lr) for r in (token, same, lower)] == [("token", 8e-4), ("gap", 8e-4), ("gap", 3e-4)]
    assert vit(token).representation_size == 768
    assert vit(same).representation_size is None


def test_table_7_compares_optimizers_on_the_same_runs() -> None:
    found = runs("sgd_vs_adam")
    for name in ("R50x1", "R152x2"):
        adam, sgd = found[f"{name} Adam"], found[f"{name} SGD"]
        assert (adam.model, adam.steps, adam.data) == (sgd.model, sgd.steps, sgd.data)
        assert (adam.recipe.optimizer, sgd.recipe.optimizer) == ("adamw", "sgd")
        assert sgd.base_lr == pytest.approx(0.48)
    assert published("sgd_vs_adam").tasks[0].name == "imagenet"


def test_masked_prediction_takes_a_million_steps_and_tries_three_targets() -> None:
    study = published("self_supervision")
    masked = [run for run in study.runs if run.masked]
    what = [run.masked for run in masked if run.masked]
    assert {run.steps for run in masked} == {1_000_000}
    assert {run.base_lr for run in masked} == {2e-4}
    assert [masks.target for masks in what] == ["mean_color", "mean_color", "downsized", "pixels"]
    assert [masks.corrupted for masks in what] == [0.5, 0.15, 0.5, 0.5]
    assert len(study.scratch) == 1


def test_figure_13_sets_each_axial_model_beside_its_counterpart() -> None:
    found = runs("axial")
    for axial, plain in (("Axial-ViT-B/32", "ViT-B/32"), ("Axial-ViT-B/16", "ViT-B/16"), ("AxialR50x1", "R50x1")):
        assert found[axial].base_lr == found[plain].base_lr
        assert family(found[axial].model) == "axial"
    assert isinstance(found["AxialR50x1"].model, ResNet)
