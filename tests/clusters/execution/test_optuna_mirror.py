"""The searches as Optuna shows them: the news of a sweep, in whatever portions they come."""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.execution.optuna_mirror import FILE, Mirror, News, check_mirror, mirrored, opened
from scaling.data.resolve import resolve
from scaling.schedule.pairs import Pair, fixed_settings
from scaling.schedule.sampler import Result
from scaling.specs.pretraining import Scratch
from scaling.specs.search import Halving
from scaling.specs.zoo import zoo_model
from scaling.store.storage import Storage
from search_spaces.grids import TASKS

TASK = replace(TASKS["digits"], data=resolve(TASKS["digits"].data), base_lrs=(0.1, 0.2, 0.3, 0.4))
PAIR = Pair(Scratch("nothing", zoo_model("ViT-micro-S/4")), TASK, 0)
HALVED = replace(PAIR, task=replace(TASK, halving=Halving(first=TASK.steps // 2, factor=2)))


def shown(folder: Path, pair: Pair, news: list[News], cuts: list[int]) -> list[tuple[object, ...]]:
    """What Optuna holds when the news come in portions that end at `cuts`."""
    url = f"sqlite:///{folder / 'optuna.db'}"
    mirror = Mirror(url, [pair])
    mirror.open({})
    ends = [0, *sorted(cuts), len(news)]
    for begin, end in itertools.pairwise(ends):
        mirror.write(news[begin:end])
    (name,) = optuna.get_all_study_names(url)
    trials = optuna.load_study(study_name=name, storage=url).trials
    return sorted(
        (t.params["base_lr"], t.state.name, t.values and tuple(t.values), tuple(t.intermediate_values.items()))
        for t in trials
    )


@pytest.mark.parametrize("pair", [PAIR, HALVED])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 9), max_size=4))
def test_the_portions_of_the_news_do_not_matter(tmp_path: Path, pair: Pair, cuts: list[int]) -> None:
    first, second, third, fourth = fixed_settings(pair)
    steps, half = first.steps, first.steps // 2
    rung = Result(half, 0.4, 1.0, ((half, 0.4),))
    whole = Result(steps, 0.5, 0.9, ((half, 0.4), (steps, 0.5)))
    at_once = Result(steps, 0.5, 0.9, ((steps, 0.5),))
    news: list[News] = [(0, first, "begun"), (0, second, "begun"), (0, second, None), (0, third, "begun")]
    news += [(0, first, rung), (0, first, "begun"), (0, first, whole)] if pair is HALVED else [(0, first, whole)]
    news += [(0, third, at_once), (0, fourth, "begun")]
    trials = shown(tmp_path, pair, news, [min(cut, len(news)) for cut in cuts])
    halved = pair is HALVED
    assert trials == [
        (0.1, "COMPLETE", (0.5,), whole.history if halved else ()),
        (0.2, "FAIL", None, ()),
        (0.3, "COMPLETE", (0.5,), at_once.history if halved else ()),
        (0.4, "RUNNING", None, ()),
    ]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("told", [True, False])
def test_it_starts_with_the_first_news_and_shows_what_was_known_without_any(told: bool, storage: Storage) -> None:
    first, second, *_ = fixed_settings(PAIR)
    known, file = {PAIR.dev(first).id: Result(first.steps, 0.5, 1.0)}, Path(storage.path(FILE))
    with mirrored(None, storage, [PAIR], known) as tell:
        assert tell is not None
        assert not file.exists()
        if told:
            tell([(0, second, "begun")])
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{file}")
    assert study.n_trials == 1 + told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("postgresql://me:word@host/db", "Failed to import DB access module"),
        ("nonsense", "Could not parse"),
        ("sqlite:////nowhere/{a}.db", "unable to open database file"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_before_anything_trains(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"cannot open the Optuna storage .*{said}") as told:
        check_mirror(url)
    assert "\n" not in str(told.value)
    assert "word" not in str(told.value)
    check_mirror(None)


@pytest.mark.parametrize("folder", ["{a}", "a%20b", "why?", "#1", "ü x", "{", "a&b=c"])
def test_any_path_will_do(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / FILE
    file.parent.mkdir()
    known = {PAIR.dev(fixed_settings(PAIR)[0]).id: Result(TASK.steps, 0.5, 1.0)}
    for _ in range(2):  # made anew from the rows each time
        Mirror(file, [PAIR]).open(known)
    assert [path.name for path in file.parent.iterdir()] == [FILE]
    assert [path.name for path in tmp_path.iterdir()] == [folder]
    assert len(optuna.load_study(study_name=None, storage=opened(file)).trials) == 1


def damages(file: Path) -> list[Callable[[], object]]:
    whole = file.read_bytes()
    return [
        lambda: file.write_bytes(b"no database at all" * 99),
        lambda: file.write_bytes(whole[: len(whole) // 2]),
        lambda: file.write_bytes(whole[:100] + bytes(len(whole) - 100)),
        lambda: file.write_bytes(b""),
        partial(foreign, file),
        partial(folder, file),
    ]


def foreign(file: Path) -> None:
    """A database of somebody else's, with a table of the same name."""
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("create table studies (x int)")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "x").touch()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / FILE
    Mirror(file, [PAIR]).open({})
    for damage in damages(file):
        damage()
        Mirror(file, [PAIR]).open({})
        assert optuna.get_all_study_names(opened(file)) != []


def test_after_an_error_the_mirror_is_silent_and_says_it_at_the_end(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "no" / "folder" / FILE, [PAIR])
    mirror.begin({})
    mirror.tell([(0, fixed_settings(PAIR)[0], "begun")])
    assert "unable to open database file" in str(mirror.close())


@pytest.mark.usefixtures("cluster")
def test_a_mirror_that_breaks_or_dies_is_a_warning(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    first = fixed_settings(PAIR)[0]
    with mirrored("sqlite:////nowhere/at/all.db", storage, [PAIR], {}) as tell:
        assert tell is not None
        tell([(0, first, "begun")])
    assert capsys.readouterr().err.startswith("warning: the searches are not shown in Optuna: ")
