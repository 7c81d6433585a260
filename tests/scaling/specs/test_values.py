"""What a spec cannot mean is refused with its field and value, however the spec is made: by hand, JSON or replace."""

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.checks import MOST, check_numbers, short
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Released, Scratch
from scaling.specs.recipe import MaskedPatches, Recipe
from scaling.specs.search import Choice, Halving, Range, Search, Setting
from scaling.specs.study import Probe, Study, Task, Transfer, check_sizes
from tests.helpers.specs import RECIPE, TINY, TUNING, at

DATA = Dataset("pictures", num_classes=10, num_train=1000, num_test=100)
RUN = Pretrain("small", TINY, DATA, 1e-3, 7, RECIPE, resolution=16)
TASK = Task("birds", DATA, (0.01, 0.1), 20, TUNING, resolution=16)
RESNET = ResNet((1, 1), width=8, groups=8)
FEW = FewShot(DATA, resolution=16)
SEARCH = Search((("base_lr", Range(0.01, 0.1)),), 3)
SPECS: list[Any] = [
    *(TINY, RESNET, Hybrid(RESNET, TINY), RECIPE, MaskedPatches(), DATA, RUN, FEW, TASK, at(TASK, 0.1), SEARCH),
    *(Range(0.1, 0.2), Choice((1, 2)), Halving(3), Scratch("tiny", TINY), Released("tiny", TINY, "weights.npz")),
    *(Probe(RUN, FEW), Transfer(RUN, TASK, at(TASK, 0.1), 0, "dev"), Study("s", (RUN,), (TASK,)), Execution()),
]
NAN, INF = float("nan"), float("inf")
FIELDS = [pytest.param(spec, f.name, id=f"{type(spec).__name__}.{f.name}") for spec in SPECS for f in fields(spec)]


def kinds(annotation: Any) -> set[Any]:
    """The plain types inside an annotation."""
    inner = get_args(annotation)
    return set().union(*map(kinds, inner)) if inner else {annotation}


@pytest.mark.parametrize(("spec", "name"), FIELDS)
def test_a_value_of_another_type_names_its_field(spec: Any, name: str) -> None:
    inside = kinds(get_type_hints(type(spec))[name])
    wrong: list[Any] = [{"a": 1}, object(), b"1", 1j, 2**80, -(2**80), 10**5000]
    wrong += [] if str in inside or "values" in name else ["012", ""]
    wrong += [] if bool in inside else [True]
    if inside & {int, float}:
        wrong += [NAN, INF, -INF, (NAN,)] + ([] if str in inside else ["1e-3", ("1",)])
    if int in inside and float not in inside:
        wrong += [8.5, 8.0, np.float64(2)]
    for value in wrong:
        with pytest.raises(ValueError, match=name.removeprefix("convolutional_")) as raised:
            replace(spec, **{name: value})
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 300


@pytest.mark.parametrize(("spec", "name"), FIELDS)
def test_a_number_beyond_what_can_be_meant_names_its_field(spec: Any, name: str) -> None:
    most = MOST.get(name)
    if most is None or isinstance(spec, Execution):
        return
    whole = float not in kinds(get_type_hints(type(spec))[name])
    beyond: Any = most + 1 if whole else most * 1.001
    value = (beyond,) if isinstance(getattr(spec, name), tuple) else beyond
    with pytest.raises(ValueError, match=name):
        replace(spec, **{name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(RUN, base_lr=INF), "base_lr of small must be finite, got inf"),
        (lambda: replace(RUN, base_lr=1e9), "base_lr of small must be at most 1,000, got 1000000000.0"),
        (lambda: replace(RUN, epochs=1e30), "epochs of small must be at most 1,000,000, got 1e+30"),
        (lambda: replace(RUN, epochs="1e-3"), "epochs of Pretrain must be a number, got '1e-3'"),  # type: ignore[arg-type]
        (lambda: replace(RUN, resolution=100_000), "resolution of small must be at most 8,192, got 100000"),
        (lambda: replace(RUN, seed=2**80), f"seed of Pretrain must be an integer of 64 bits, got {2**80}"),
        (lambda: replace(RUN, seed=True), "seed of Pretrain must be an integer, got True"),
        (lambda: replace(RUN, name=""), "run name '' must be printable"),
        (lambda: replace(RUN, name="a\x1b[31mb"), r"run name 'a\x1b[31mb' must be printable"),
        (lambda: Scratch("a\nb", TINY), "name of a baseline"),
        (lambda: Released("x" * 300, TINY, "w.npz"), "name of released weights"),
        (lambda: Released("x", TINY, ""), "must have a source"),
        (lambda: Recipe(batch_size=8.5), "batch_size of Recipe must be an integer, got 8.5"),  # type: ignore[arg-type]
        (lambda: Recipe(weight_decay=INF), "weight_decay of Recipe must be finite, got inf"),
        (lambda: Recipe(betas=(0.9,)), "betas of Recipe must be a tuple of a number and a number, got (0.9,)"),  # type: ignore[arg-type]
        (lambda: Recipe(betas=0.9), "betas of Recipe must be a tuple of a number and a number, got 0.9"),  # type: ignore[arg-type]
        (lambda: Recipe(betas=(0.9, 1.0)), "betas must be in [0, 1), got (0.9, 1.0)"),
        (lambda: Recipe(dropout=1), "dropout must be in [0, 1), got 1"),
        (lambda: Recipe(dropout=True), "dropout of Recipe must be a number, got True"),
        (lambda: Recipe(crop="random", resize=0), "resize must be positive, got 0"),
        (lambda: Study("s", (RUN,), (TASK,), seeds="012"), "seeds of Study must be a tuple of an integer, got '012'"),  # type: ignore[arg-type]
        (lambda: Study("s", (RUN,), (TASK,), seeds=(0.5,)), "seeds of Study must be a tuple of an integer, got (0.5,)"),  # type: ignore[arg-type]
        (lambda: Study("s", (RUN,), (TASK,), seeds=()), "so it needs seeds, got none"),
        (
            lambda: Study("s", (RUN,), (TASK,), seeds=(2**80,)),
            "seeds of Study must be a tuple of an integer of 64 bits",
        ),
        (lambda: Study("s", {RUN: 1}), "runs of Study must be a tuple of Pretrain"),  # type: ignore[arg-type]
        (lambda: Study("x" * 201, (RUN,)), "has more than 200 characters"),
        (lambda: FewShot(DATA, seeds=(1, 1)), "seeds of few-shot evaluation must differ, got (1, 1)"),
        (lambda: FewShot(DATA, resolution=0), "resolution of few-shot evaluation must be positive, got 0"),
        (lambda: ViT(4, 32, 10**9, 64, 2), "depth of ViT must be at most 10,000, got 1000000000"),
        (lambda: ResNet((10**9,), width=8, groups=8), "depths of ResNet must be at most 10,000"),
        (lambda: ResNet((1,) * 60, width=8, groups=8), "ResNet depths must be of at most 8 stages, got 60"),
        (lambda: Hybrid("R50x1", TINY), "backbone of Hybrid must be ResNet, got 'R50x1'"),  # type: ignore[arg-type]
        (lambda: Probe(RUN, "fashion"), "fewshot of Probe must be FewShot, got 'fashion'"),  # type: ignore[arg-type]
        (lambda: replace(TASK, final_polyak=1.0), "final_polyak of task birds must be in [0, 1), got 1.0"),
        (lambda: replace(TASK, base_lrs="01"), "base_lrs of Task must be a tuple of a number, got '01'"),  # type: ignore[arg-type]
        (lambda: replace(TASK, base_lrs=(INF,)), "base_lrs of birds must be finite, got (inf,)"),
        (lambda: Search(("base_lr",), 3), "space of Search must be a tuple of a tuple of"),  # type: ignore[arg-type]
        (lambda: Search({"base_lr": Range(0.1, 1.0)}, 3), "space of Search must be a tuple"),  # type: ignore[arg-type]
        (lambda: Search(SEARCH.space * 2, 3), "space of a search has a parameter twice: ['base_lr', 'base_lr']"),
        (lambda: Search(SEARCH.space, 3, seed=-1), "seed of a search must be in [0, 2**32), got -1"),
        (lambda: Range(0.0, INF), "high of Range must be finite, got inf"),
        (lambda: Choice("abc"), "values of Choice must be a tuple"),  # type: ignore[arg-type]
        (lambda: Halving(1, 2**40), "factor of Halving must be at most 1,000,000"),
        (lambda: Execution("fp16"), "precision"),  # type: ignore[arg-type]
        (lambda: Execution(microbatch=0), "microbatch must be positive, got 0"),
        (lambda: Execution(loaders=-1), "loaders must not be negative, got -1"),
    ],
)
def test_field_and_value_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        make()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("batch_size", Range(8.0, 64.0), "search of task birds: batch_size of Recipe must be an integer, got 8.0"),
        ("dropout", Range(0.0, 1.0), "search of task birds: dropout must be in [0, 1), got 1.0"),
        (
            "optimizer",
            Choice(("sgd", "adam")),
            "search of task birds: optimizer of Recipe must be 'adamw' or 'sgd' or Opt",
        ),
        ("steps", Choice((0, 1)), "search of task birds: steps must be positive, got 0"),
        ("resolution", Range(16, 10**6), "search of task birds: resolution of Setting must be at most 8,192"),
        ("betas", Choice((0.9, 0.99)), "search of task birds: betas of Recipe must be a tuple"),
    ],
)
def test_a_search_tries_only_what_a_setting_can_be(name: str, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(TASK, search=Search(((name, values),), 3))


def test_fields_that_go_together_may_be_searched_together() -> None:
    space = (("crop", Choice(("random",))), ("resize", Choice((20, 24))))
    assert replace(TASK, search=Search(space, 3)).search is not None


@pytest.mark.parametrize(
    ("run", "task", "message"),
    [
        (
            {"recipe": replace(RECIPE, batch_size=1001)},
            {},
            "batch_size of small must be at most the 1000 images that it is trained on, got 1001",
        ),
        ({"subset": 7}, {}, "batch_size of small must be at most the 7 images that it is trained on, got 8"),
        (
            {"recipe": replace(RECIPE, warmup_steps=876)},
            {},
            "warmup_steps of small must be at most its 875 steps, got 876",
        ),
        ({}, {"steps": 0.5}, "steps of Task must be an integer, got 0.5"),
        (
            {},
            {"recipe": replace(TUNING, warmup_steps=21)},
            "warmup_steps of task birds must be at most its 20 steps, got 21",
        ),
        (
            {},
            {"recipe": replace(TUNING, batch_size=2000)},
            "batch_size of task birds must be at most the 1000 images that it is trained on, got 2000",
        ),
        (
            {},
            {"resnet_settings": (Setting(0.1, 5, 16, replace(TUNING, warmup_steps=6)),)},
            "warmup_steps of task birds must be at most its 5 steps, got 6",
        ),
        (
            {"data": replace(DATA, num_train=10**12), "epochs": 1e6},
            {},
            "epochs of small make 125,000,000,000,000,000 st",
        ),
    ],
)
def test_batches_and_warm_ups_fit_data_and_steps(run: Any, task: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_sizes(Study("s", (replace(RUN, **run),), (replace(TASK, **task),)))


def test_sizes_are_not_asked_for_before_the_data_are_read() -> None:
    unread = replace(DATA, num_train=None)
    check_sizes(Study("s", (replace(RUN, data=unread),), (replace(TASK, data=unread),)))


@given(st.sampled_from([spec for spec in SPECS if isinstance(spec, Pretrain | Task | Setting | Study)]), st.data())
def test_json_is_checked_as_the_constructor_checks(spec: Any, data: st.DataObject) -> None:
    """A leaf of the JSON becomes something else: it reads as a spec that could be made, or is refused in one line."""
    whole = json.loads(to_json(spec))
    at: Any = whole
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})
    )
    said = "nothing"
    try:
        again = from_json(type(spec), json.dumps(whole))
        check_numbers(again)
        assert replace(again) == again
    except ValueError as error:
        said = str(error)
    assert "\n" not in said


def test_lists_ranges_and_arrays_are_tuples() -> None:
    assert Study("s", [RUN], seeds=range(3)).seeds == (0, 1, 2)  # type: ignore[arg-type]
    rates: Any = np.array([0.01, 0.1])
    assert replace(TASK, base_lrs=rates).base_lrs == (0.01, 0.1)
    assert Study("s", (run for run in [RUN])).runs == (RUN,)  # type: ignore[arg-type]


def test_a_long_value_is_shown_by_its_type() -> None:
    assert short(10**5000) == "an integer of 16,610 bits"
    assert short("x" * 100) == "a value of type str"
    assert short("a\nb") == r"'a\nb'"
