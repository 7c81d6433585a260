"""Custom models as values: ids, JSON, families, costs that they carry."""

from dataclasses import replace

import pytest

from scaling.flops.counts import forward_macs, parameters, pretrain_flops, transfer_flops
from scaling.specs.identity import from_json, to_json
from scaling.specs.models import Count, Custom, family, token_stride, whole_patches, without_representation
from scaling.specs.pretraining import Pretrain, Released, Scratch
from scaling.specs.study import Task, Transfer
from tests.helpers.models import convnet
from tests.helpers.specs import at

HERE = "tests.helpers.models:convnet"
COUNTS = (Count(16, 4, 1000, 68, 500, 400), Count(16, 9, 1085, 153, 585, 485))
MODEL = Custom(HERE, {"width": 4}, family="mine", counts=COUNTS)


def with_model(run: Pretrain, model: Custom) -> Pretrain:
    return replace(run, model=model)


def test_a_function_is_its_path() -> None:
    assert Custom(convnet, {"width": 4, "last": True}) == Custom(HERE, (("last", True), ("width", 4)))
    assert Custom("study.py:build").path == Custom("some/where/study.py:build").path == "study:build"


def test_what_is_in_the_id(tiny_run: Pretrain) -> None:
    ids = {
        with_model(tiny_run, model).id
        for model in (
            MODEL,
            replace(MODEL, path="tests.helpers.models:BiasedMLP"),
            replace(MODEL, options={"width": 8}),
            replace(MODEL, version="2"),
            replace(MODEL, fingerprint="0123"),
        )
    }
    assert len(ids) == 5
    same = replace(MODEL, family="other", counts=())
    assert with_model(tiny_run, same).id == with_model(tiny_run, MODEL).id


def test_json_there_and_back(tiny_run: Pretrain) -> None:
    run = with_model(tiny_run, MODEL)
    assert from_json(Pretrain, to_json(run)) == run
    assert from_json(Scratch, to_json(Scratch("x", Custom("timm:resnet18?pretrained")))).model.kind == "custom"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Custom("timm:convnext_atto"), "convnext"),
        (Custom("timm:resnet18.a1_in1k"), "resnet"),
        (Custom("timm:vit_tiny_patch16_224?pretrained"), "vit"),
        (Custom(HERE), "convnet"),
        (Custom(HERE, family="mine"), "mine"),
    ],
)
def test_families(model: Custom, name: str) -> None:
    assert family(model) == name


def test_it_has_no_patches_and_no_head_of_ours() -> None:
    assert token_stride(MODEL) is None
    assert whole_patches(MODEL, 37) == 37
    assert without_representation(MODEL) is MODEL


def test_costs_are_those_it_carries(tiny_run: Pretrain, tiny_task: Task) -> None:
    run = with_model(tiny_run, MODEL)
    images = run.steps * run.recipe.batch_size
    assert forward_macs(MODEL, 16, 9, valid=True) == 485
    assert parameters(MODEL, resolution=16) == 932
    assert parameters(MODEL, num_classes=9, resolution=16) == 1085
    assert pretrain_flops(run, valid=False) == 3 * 2 * 500 * images
    transfer = Transfer(run, tiny_task, at(tiny_task, 0.1), 0, "final")
    assert transfer_flops(transfer, valid=True) == 3 * 2 * 400 * 6 * 8
    with pytest.raises(ValueError, match=r"at 24 pixels with 4 classes is not counted: count_study\(study\) does it"):
        forward_macs(MODEL, 24, 4)


def test_released_weights_are_of_our_models() -> None:
    with pytest.raises(ValueError, match="must be of a model of ours, not Custom"):
        Released("x", MODEL, "weights.npz")
