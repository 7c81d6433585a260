"""Specs that grow: a field that is added, or a class that is renamed, leaves old ids and old JSON as they were."""

import json
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.specs import (
    OUTSIDE,
    Architecture,
    Dataset,
    Identified,
    Pretrain,
    Recipe,
    Released,
    ResNet,
    Scratch,
    Setting,
    Task,
    Transfer,
    Upstream,
    ViT,
    added,
    from_json,
    identity,
    to_json,
)
from tests.helpers.specs import RECIPE, TINY, TUNING, at

DATA = Dataset("pictures", num_classes=10, num_train=1000, num_test=100)
RUN = Pretrain("small", TINY, DATA, 1e-3, 7, RECIPE, resolution=16)
TASK = Task("birds", DATA, (0.01, 0.1), 20, TUNING, resolution=16)


@dataclass(frozen=True)
class Part:
    size: int = 1


SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (bool, st.booleans()),
    (str, st.text("ab é", max_size=3)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (float | None, st.none() | st.integers(0, 3).map(float)),
    (int | str, st.integers(0, 3) | st.sampled_from(["0", "1"])),
    (tuple[float, ...], st.lists(st.integers(0, 3).map(float), max_size=2).map(tuple)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Part, st.builds(Part, st.integers(0, 3))),
    (Part | None, st.none() | st.builds(Part, st.integers(0, 3))),
]


def spec_class(kinds: list[Any], *more: Any) -> Any:
    """A spec called Made with fields a, b, ... of these kinds, and more."""
    fields = [*zip("abcdef", kinds, strict=False), *more]
    return make_dataclass("Made", fields, bases=(Identified,), frozen=True)


def holder_class(part: Any) -> Any:
    """A spec that holds such a one as one of several that it may hold."""
    return make_dataclass("Holder", [("held", part | Part), ("n", int)], bases=(Identified,), frozen=True)


@given(st.data())
def test_a_field_that_is_added_leaves_old_ids_and_old_json(data: st.DataObject) -> None:
    others = data.draw(st.lists(st.sampled_from(SCALARS), max_size=4))
    kinds = [kind for kind, _ in others]
    kind, strategy = data.draw(st.sampled_from(SCALARS))
    neutral, other = data.draw(strategy), data.draw(strategy)
    default = {"default": data.draw(strategy)} if data.draw(st.booleans()) else {}
    old_class = spec_class(kinds)
    new_class = spec_class(kinds, ("x", kind, field(metadata=added(neutral), **default)))

    given = [data.draw(values) for _, values in others]
    old = old_class(*given)
    same, changed = new_class(*given, x=neutral), new_class(*given, x=other)
    assert same.id == old.id
    assert (changed.id == old.id) == (json.dumps(identity(other)) == json.dumps(identity(neutral)))
    assert from_json(new_class, to_json(old)) == same
    assert from_json(new_class, to_json(changed)) == changed
    if default:
        assert from_json(new_class, to_json(new_class(*given))) == new_class(*given)  # JSON of today says it

    old_holder, new_holder = holder_class(old_class), holder_class(new_class)
    assert new_holder(same, 1).id == old_holder(old, 1).id
    assert (new_holder(changed, 1).id == old_holder(old, 1).id) == (changed.id == old.id)
    assert from_json(new_holder, to_json(old_holder(old, 1))) == new_holder(same, 1)


@pytest.mark.parametrize(
    ("neutral", "given", "equal"),
    [(7, 7.0, True), (7.0, 7, True), (0, False, False), (1, True, False), (None, 0, False), ((), [], True)],
)
def test_values_are_neutral_as_an_id_has_them(neutral: object, given: object, equal: bool) -> None:
    made = spec_class([], ("x", Any, field(metadata=added(neutral))))
    assert (made(given).id == spec_class([])().id) == equal


def test_a_field_that_is_added_is_required_unless_it_has_a_default() -> None:
    made = spec_class([int], ("x", int, field(metadata=added(3))))
    with pytest.raises(TypeError, match="'x'"):
        made(1)
    assert from_json(made, '{"a": 1}').x == 3


def test_a_neutral_value_is_read_as_one_of_its_field() -> None:
    made = spec_class([], ("x", float, field(metadata=added(3))), ("y", tuple[int, ...], field(metadata=added([1]))))
    read = from_json(made, "{}")
    assert (type(read.x), read.y) == (float, (1,))


@pytest.mark.parametrize("metadata", [OUTSIDE | added(0), added(float("nan")), added({1, 2})])
def test_neutral_values_that_make_no_sense_are_refused(metadata: dict[str, Any]) -> None:
    made = spec_class([], ("x", Any, field(metadata=metadata, default=0)))
    with pytest.raises((ValueError, TypeError), match=r"field x of Made is OUTSIDE|not JSON"):
        _ = made().id


def test_a_field_outside_the_identity_needs_a_default_only() -> None:
    made = spec_class([int], ("x", int, field(metadata=OUTSIDE, default=5)))
    assert made(1).id == spec_class([int])(1).id
    assert from_json(made, '{"a": 1}').x == 5


def test_a_renamed_class_keeps_its_name_in_ids() -> None:
    @dataclass(frozen=True)
    class Renamed(Scratch):
        identity_name: ClassVar[str] = "Scratch"

    @dataclass(frozen=True)
    class Child(Renamed):
        """Another kind of spec: a parent's old name is not its own."""

    assert Renamed("a", TINY, 3).id == Scratch("a", TINY, 3).id
    assert Child("a", TINY, 3).id != Scratch("a", TINY, 3).id
    assert "identity_name" not in to_json(Renamed("a", TINY))
    assert from_json(Renamed, to_json(Scratch("a", TINY, 3))) == Renamed("a", TINY, 3)


# What these specs would be with a field more: the same classes otherwise, under the same name in ids. Its default for
# new studies is not what the code did before.


@dataclass(frozen=True)
class GrownRecipe(Recipe):
    identity_name: ClassVar[str] = "Recipe"
    stochastic_depth: float = field(metadata=added(0.0), default=0.1)


@dataclass(frozen=True)
class GrownViT(ViT):
    identity_name: ClassVar[str] = "ViT"
    registers: int = field(metadata=added(0), kw_only=True)


GrownArchitecture = GrownViT | ResNet
OLD = GrownRecipe(stochastic_depth=0.0)


@dataclass(frozen=True)
class GrownPretrain(Pretrain):
    identity_name: ClassVar[str] = "Pretrain"
    model: GrownArchitecture
    recipe: GrownRecipe = OLD


@dataclass(frozen=True)
class GrownScratch(Scratch):
    identity_name: ClassVar[str] = "Scratch"
    model: GrownArchitecture


@dataclass(frozen=True)
class GrownReleased(Released):
    identity_name: ClassVar[str] = "Released"
    model: GrownArchitecture


@dataclass(frozen=True)
class GrownSetting(Setting):
    identity_name: ClassVar[str] = "Setting"
    recipe: GrownRecipe


@dataclass(frozen=True)
class GrownTask(Task):
    identity_name: ClassVar[str] = "Task"
    recipe: GrownRecipe = OLD
    resnet_settings: tuple[GrownSetting, ...] = field(metadata=OUTSIDE, default=())


@dataclass(frozen=True)
class GrownTransfer(Transfer):
    identity_name: ClassVar[str] = "Transfer"
    upstream: GrownPretrain | GrownScratch | GrownReleased
    task: GrownTask
    setting: GrownSetting


RESNET = ResNet((1, 1), width=8, groups=8)


@pytest.mark.parametrize(
    ("old", "kind"),
    [
        (RUN, GrownPretrain),
        (replace(RUN, model=RESNET), GrownPretrain),
        (Scratch("tiny", TINY, 2), GrownScratch),
        (Released("tiny", TINY, "weights.npz", "ab"), GrownReleased),
    ],
)
def test_a_transfer_from_before_reads_with_all_that_it_holds(old: Upstream, kind: type) -> None:
    transfer = Transfer(old, TASK, at(TASK, 0.1), 1, "final")
    again = from_json(GrownTransfer, to_json(transfer))
    assert again.id == transfer.id
    assert type(again.upstream) is kind
    assert again.upstream.id == old.id
    assert type(again.upstream.model) is (GrownViT if old.model is TINY else ResNet)
    assert again.setting.recipe.stochastic_depth == 0.0 != GrownRecipe().stochastic_depth
    assert from_json(GrownTransfer, to_json(again)) == again

    setting = replace(again.setting, recipe=replace(again.setting.recipe, stochastic_depth=0.1))
    assert replace(again, setting=setting).id != transfer.id
    assert replace(again, setting=replace(setting, recipe=OLD)).id != transfer.id  # OLD is another recipe
    kept = replace(setting.recipe, stochastic_depth=0)
    assert replace(again, setting=replace(setting, recipe=kept)).id == transfer.id


def test_architectures_from_before_are_told_apart() -> None:
    for old in (TINY, RESNET):
        read: Any = from_json(GrownArchitecture, to_json(old))  # type: ignore[arg-type]
        assert identity(read) == identity(old)
    assert from_json(GrownViT, to_json(TINY)).registers == 0


def test_errors_name_what_was_to_be_read() -> None:
    with pytest.raises(ValueError, match=r"not a .*ViT.*Hybrid"):
        from_json(Architecture, "{}")  # type: ignore[arg-type]
