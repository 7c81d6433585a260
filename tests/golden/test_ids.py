"""No id that is stored somewhere changes."""

import subprocess
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scaling.data import resolve_study
from scaling.specs import Recipe, Study, Task, added
from tests.golden import ids
from tests.golden.fields import CHANGED, Key

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def today() -> dict[Key, str]:
    return ids.ids()


def test_all_ids_are_as_they_were(today: dict[Key, str]) -> None:
    broken, new = ids.differences(ids.read(), today)
    assert not broken, (
        "ids changed: finished studies would start again. See how to add a field in scaling.specs.identity"
    )
    assert not new, "new ids: python -m tests.golden.ids --add"


def test_the_file_is_sorted_and_says_nothing_twice() -> None:
    lines = ids.FILE.read_text().splitlines()
    assert lines == ["\t".join((*key, found)) for key, found in sorted(ids.read().items())]


def test_adding_changes_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, gone = ("a", "Pretrain", "x"), ("a", "Pretrain", "y"), ("a", "Scratch", "z")
    monkeypatch.setattr(ids, "ids", lambda: {here: "new", there: "1"})
    file = tmp_path / "ids.tsv"
    ids.write(file, {here: "old", gone: "2"})
    assert ids.main([], file) == 1
    assert ids.main(["--add"], file) == 1  # still: two lines do not hold any more
    assert ids.read(file) == {here: "old", there: "1", gone: "2"}
    said = capsys.readouterr().out
    assert "changed: a Pretrain x: was old, is new" in said
    assert "changed: a Scratch z: was 2, is not made any more" in said
    ids.write(file, {here: "new"})
    assert (ids.main([], file), ids.main(["--add"], file), ids.main([], file)) == (1, 0, 0)


KINDS = ("ViT", "ResNet", "KNN", "LinearProbe", "Calibration", "Robustness", "Evaluation")


def test_each_field_inside_an_id_has_a_line_and_changes_it(today: dict[Key, str]) -> None:
    for spec, changes in CHANGED.items():
        inside = {f.name for f in fields(spec) if f.metadata.get("identity", True)}
        assert inside == {name for change in changes for name in change}, type(spec).__name__
    for kind in {type(spec).__name__ for spec in CHANGED}:
        named = {key[2]: found for key, found in today.items() if key[:2] == ("fields", kind)}
        specs = {spec: changes for spec, changes in CHANGED.items() if type(spec).__name__ == kind}
        # A field that has one value, which tells classes apart, changes nothing.
        same = sum(replace(spec, **change) == spec for spec, changes in specs.items() for change in changes)
        assert len(set(named.values())) == len(named) - same


def test_ids_need_neither_torch_nor_ray() -> None:
    code = """
import sys
from tests.golden.ids import main
main([])
sys.exit(" ".join({"torch", "ray", "optuna"} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Grown(Recipe):
    """Recipe with a field more, whose default is not what the code did before."""

    identity_name: ClassVar[str] = "Recipe"
    stochastic_depth: float = field(metadata=added(0.0), default=0.1)


def grown(study: Study, **more: Any) -> Study:
    """The study with such recipes throughout."""

    def of(recipe: Recipe) -> Grown:
        return Grown(**asdict(recipe), **more)

    def task(old: Task) -> Task:
        settings = tuple(replace(setting, recipe=of(setting.recipe)) for setting in old.resnet_settings)
        return replace(old, recipe=of(old.recipe), resnet_settings=settings)

    runs = tuple(replace(run, recipe=of(run.recipe)) for run in study.runs)
    return replace(study, runs=runs, tasks=tuple(map(task, study.tasks)))


@pytest.mark.parametrize("module", ["quickstart", "vit_paper"])
def test_a_study_whose_recipe_has_grown_keeps_all_its_ids(module: str, today: dict[Key, str]) -> None:
    study = resolve_study(__import__(f"search_spaces.{module}", fromlist=["STUDY"]).STUDY)
    before = {key: found for key, found in today.items() if key[0] == study.name}
    assert dict(ids._study(grown(study, stochastic_depth=0.0))) == before
    after = dict(ids._study(grown(study)))
    changed = {key for key, found in before.items() if after[key] != found}
    assert {key[1] for key in before if key not in changed} <= {"Scratch", "Probe"}  # these hold no recipe
