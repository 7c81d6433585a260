"""Identity, checks and JSON of the specs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Scratch
from scaling.specs.recipe import FINETUNE, Recipe
from scaling.specs.study import Probe, Study, Task, Transfer
from tests.helpers.specs import at

VIT = ViT(4, 32, 2, 64, 4)
DATA = Dataset("pictures", "parquet:/here", "parquet:/there", num_classes=10, num_train=1000, num_test=100)
RUN = Pretrain("small", VIT, DATA, 1e-3, 7, Recipe(batch_size=100), resolution=32)
TASK = Task("birds", DATA, (0.01, 0.1), 20, FINETUNE, resolution=32)
TRANSFER = Transfer(RUN, TASK, at(TASK, 0.01), 0, "dev")


def test_labels_and_paths_are_outside_the_identity() -> None:
    moved = replace(DATA, train="parquet:s3://elsewhere", test=None)
    assert replace(RUN, name="other", data=moved, epochs=7.0).id == RUN.id
    assert replace(TRANSFER, task=replace(TASK, base_lrs=(0.01, 0.1, 1.0), data=moved)).id == TRANSFER.id


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, seed=1),
        replace(RUN, base_lr=2e-3),
        replace(RUN, model=replace(VIT, depth=3)),
        replace(RUN, recipe=replace(RUN.recipe, dropout=0.1)),
        replace(RUN, data=replace(DATA, fingerprint="abc")),
        replace(RUN, resolution=64),
    ],
)
def test_whatever_decides_the_result_is_in_the_identity(other: Pretrain) -> None:
    assert other.id != RUN.id
    assert replace(TRANSFER, upstream=other).id != TRANSFER.id  # a transfer's identity holds its upstream's


def test_kinds_of_specs_with_equal_fields_differ() -> None:
    assert Scratch("a", VIT).id != Scratch("a", Hybrid(ResNet((1,), width=32), VIT)).id
    assert Transfer(RUN, TASK, at(TASK, 0.01), 0, "final").id != TRANSFER.id


@given(
    st.floats(1e-6, 10), st.integers(1, 300), st.integers(0, 2**31), st.sampled_from(["adamw", "sgd"]), st.booleans()
)
def test_json_round_trip_keeps_value_and_id(
    base_lr: float, epochs: int, seed: int, optimizer: Literal["adamw", "sgd"], scratch: bool
) -> None:
    run = replace(RUN, base_lr=base_lr, epochs=epochs, seed=seed, recipe=Recipe(optimizer=optimizer))
    assert from_json(Pretrain, to_json(run)) == run
    upstream = Scratch("s", Hybrid(ResNet((1, 2), width=32), VIT), seed) if scratch else run
    transfer = Transfer(upstream, TASK, at(TASK, base_lr), seed, "final")
    again = from_json(Transfer, to_json(transfer))
    assert again == transfer
    assert again.id == transfer.id
    probe = Probe(upstream, FewShot(DATA))
    assert from_json(Probe, to_json(probe)) == probe


def test_steps_are_those_of_the_paper() -> None:
    jft = Dataset("jft", num_classes=18_291, num_train=303_000_000)
    assert [Pretrain("b", VIT, jft, 1e-3, epochs, Recipe()).steps for epochs in (7, 14)] == [517_822, 1_035_645]


def test_held_out_images_are_not_trained_on() -> None:
    assert replace(RUN, dev_fraction=0.1).num_images == 900


def test_fine_tuning_takes_whole_patches() -> None:
    assert (
        Transfer(
            replace(RUN, model=ViT(14, 32, 2, 64, 4), resolution=28),
            replace(TASK, resolution=384),
            at(replace(TASK, resolution=384), 0.1),
            0,
            "dev",
        ).resolution
        == 378
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ViT(4, 30, 2, 64, 4), "width 30 is not a multiple of num_heads 4"),
        (lambda: ViT(4, 32, 0, 64, 4), "depth must be positive, got 0"),
        (lambda: ResNet((3, 4), width=48), "width 48 is not a multiple of groups 32"),
        (lambda: ResNet(()), "depths must be positive"),
        (lambda: replace(RUN, base_lr=-0.1), "base_lr of small must be positive, got -0.1"),
        (lambda: replace(RUN, base_lr=float("nan")), "base_lr of small must be positive, got nan"),
        (lambda: replace(RUN, resolution=30), "patch size 4 of small does not divide the image: resolution 30"),
        (lambda: replace(RUN, epochs=0), "epochs of small must be positive, got 0"),
        (lambda: Recipe(dropout=1.0), r"dropout must be in \[0, 1\), got 1.0"),
        (lambda: Recipe(weight_decay=-1), "weight_decay must not be negative, got -1"),
        (lambda: Recipe(batch_size=0), "batch_size must be positive, got 0"),
        (lambda: Recipe(optimizer="adam"), "optimizer of Recipe must be .adamw. or .sgd. or Optimizer"),  # type: ignore[arg-type]
        (lambda: replace(TASK, base_lrs=()), "birds must have base_lrs or a search, got neither"),
        (lambda: replace(TASK, base_lrs=(0.1, -0.1)), "must be positive"),
        (lambda: replace(TASK, base_lrs=(0.1, 0.1)), r"base_lrs of task birds must differ, got \(0.1, 0.1\)"),
        (lambda: replace(TASK, name="../birds"), "must match"),
        (lambda: replace(TRANSFER, setting=replace(TRANSFER.setting, resolution=3)), "below one patch"),
        (lambda: Study("../x", (RUN,)), "must match"),
        (lambda: Study("x", ()), "must have runs or released weights, got neither"),
        (lambda: Study("x", (RUN, RUN)), "the same run twice"),
        (lambda: Study("x", (RUN,), (TASK,), seeds=(1, 1)), "the same seed twice"),
        (lambda: FewShot(DATA, shots=(0,)), "shots must be positive"),
    ],
)
def test_mistakes_are_named_with_their_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": 1}', "not a Pretrain: name: Input should be a valid string, got 1"),
        ('{"name": "x"}', "not a Pretrain: model: Field required"),
        ("null", "the whole: Input should be an object, got None"),
        ("3", "the whole: Input should be an object, got 3"),
        ("[]", "the whole: Input should be an object, got []"),
        ("", "the whole: Invalid JSON: EOF"),
        (b"\xff", "the whole: Invalid JSON"),
        ("[" * 10**5, "the whole: Invalid JSON: recursion limit exceeded"),
        ('{"model":' * 10**4, "the whole: Invalid JSON: recursion limit exceeded"),
    ],
)
@pytest.mark.parametrize("kind", [Pretrain, Transfer, Study])
def test_text_that_is_no_spec_is_an_error(kind: type, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"not a {kind.__name__}: ") as raised:
        from_json(kind, text)
    assert "\n" not in str(raised.value)
    if kind is Pretrain or "the whole" in message:
        assert message.removeprefix("not a Pretrain: ") in str(raised.value)
