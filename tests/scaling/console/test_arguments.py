"""Command lines: every door's help and examples, spellings old and new, and mistakes in one line."""

import importlib
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
import tyro

from analysis.commands import COMMANDS
from clusters.__main__ import COMMANDS as CLUSTER_COMMANDS
from scaling.console.arguments import _option_fields, check_flags, parse, parse_command
from scaling.console.cli import exit_code
from scaling.measure.__main__ import RENAMED
from scaling.measure.__main__ import Options as Measure

MODULES = ("run_study", "finetune_grid", "tracking", "evaluate.__main__", "inspection.__main__", "measure.__main__")
BENCHMARKS = ("deduplication", "input_pipeline", "report", "searches", "status_scale", "sweep_scale", "train_step")
DOORS: dict[str, Any] = {
    **{f"scaling.{name}": f"scaling.{name}" for name in (*MODULES, "deduplicate.__main__")},
    **{f"benchmarks.{name}": f"benchmarks.{name}" for name in (*BENCHMARKS, "trial_overhead", "analysis_scale")},
    **{f"analysis {name}": module.Options for name, module in COMMANDS.items()},
    **{f"clusters {name}": options for name, options in CLUSTER_COMMANDS.items()},
}


def options_of(door: str) -> Any:
    found = DOORS[door]
    return importlib.import_module(found).Options if isinstance(found, str) else found


def help_of(options: Any, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        parse(options, ["--help"], program="python door.py")
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("door", DOORS)
def test_help_has_a_sentence_and_two_examples_that_work(
    door: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = options_of(door)
    told = help_of(options, capsys).splitlines()
    assert told[0].startswith("usage: python door.py")
    assert re.fullmatch(r"[A-Z].*[.:]", told[2])
    assert len(told[2]) <= 120
    examples = [line for line in told[: told.index("") + 12] if line.startswith("  python ")]
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        start = 3 if words[1] == "-m" else 2
        name = door.partition(" ")[2]
        assert words[start : start + 1] == [name] or not name
        parse(options, words[start + bool(name) :], program="python door.py")
    noise = r"None\}|\{None|None\||\|None|\(default: None\)|\(default: \)|__main__"
    assert not re.search(noise, "\n".join(told))
    assert str(Path(__file__).parents[3]) not in "\n".join(told)


@dataclass(frozen=True)
class Inner:
    """Of the machine."""

    workers: int = 1
    """How many."""


@dataclass(frozen=True)
class Door:
    """Do something.

    python door.py x
    python door.py x --json
    """

    place: tyro.conf.Positional[str]
    """Where."""
    rates: tuple[float, ...] | None = None
    """Rates."""
    where: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Conditions."""
    json: bool = False
    """Print JSON."""
    inner: tyro.conf.OmitArgPrefixes[Inner] = field(default_factory=Inner)


def read(*words: str, **given: Any) -> Door:
    return parse(Door, words, program="python door.py", **given)


def test_spellings() -> None:
    assert read("--json", "x", "--rates", "1", "2") == Door("x", (1.0, 2.0), json=True)
    assert read("x", "--where", "a", "--where=b", "--workers=2") == Door("x", where=("a", "b"), inner=Inner(2))
    assert read("x", "--rates", "None", "--json", "--no-json") == Door("x")
    assert read("x", "--wor", "3", "--js", abbreviate=True) == Door("x", json=True, inner=Inner(3))
    assert read("x", "--processes", "3", renamed={"--processes": "--workers"}) == Door("x", inner=Inner(3))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "PLACE must be given"),
        (("x", "--wrkers", "2"), "no flag --wrkers (did you mean --workers?)"),
        (("x", "--wor", "2"), "no flag --wor (did you mean --workers?)"),
        (("x", "--workers"), "--workers must be followed by a value, INT"),
        (("x", "--workers", "two"), "--workers must be a whole number, got 'two'"),
        (("x", "--rates", "1", "b"), "--rates must be FLOAT ..., got '1', 'b'"),
        (("x", "y"), "there is no place for y"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(lambda: bool(read(*words))) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: {says}; see python door.py --help\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "a command must be given: door, other"),
        (["dor"], "no command dor: did you mean door?"),
        (["--json"], "no flag|there is no place for --json"),
    ],
)
def test_a_command_that_is_none(words: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_command({"door": Door, "other": Inner}, "Doors.", words, program="python doors.py")


def test_flags_that_would_be_ignored_are_refused() -> None:
    check_flags(Door("x"), "--plan", used={"place"})
    check_flags(Door("x", inner=Inner(2)), "--plan", used={"place", "workers"})
    check_flags(Door("x", inner=Inner(2)), "--plan", ignored={"other"})
    with pytest.raises(ValueError, match="--workers does not go with --plan: leave it out"):
        check_flags(Door("x", inner=Inner(2)), "--plan", used={"place"})
    with pytest.raises(ValueError, match="--workers does not go with --plan"):
        check_flags(Door("x", inner=Inner(2)), "--plan", ignored={"workers"})


def test_old_names_of_flags() -> None:
    words = ["ViT-B/16", "--sizes", "64", "--batch", "8", "--max-batch=16", "--classes", "5"]
    read_options = parse(Measure, words, program="python -m scaling.measure", renamed=RENAMED)
    assert read_options == Measure(("ViT-B/16",), (64,), batch_size=8, max_batch_size=16, num_classes=5)


def example_of(options: Any) -> list[str]:
    """The words of the first example in a door's docstring, without the program and the command's own name."""
    line = next(line.strip() for line in options.__doc__.splitlines() if line.strip().startswith("python "))
    words = shlex.split(line.partition(" > ")[0])
    first = 3 if words[1] == "-m" else 2
    return words[first + (words[2] in ("analysis", "clusters")) :]


@pytest.mark.parametrize("door", [name for name in DOORS if not name.startswith("benchmarks.")])
def test_numbers_of_flags_are_finite_and_of_64_bits(door: str) -> None:
    options = options_of(door)
    example = example_of(options)
    parse(options, example, program="python door.py")
    flags = {name: kind for name, kind, _ in _option_fields(options) if _number(kind) and f"--{name}" not in example}
    for name, kind in flags.items():
        flag = f"--{name.replace('_', '-')}"
        wrong = ["nan", "inf", "-inf", "1e999"] if _number(kind) is float else [str(2**80), "1.5", "nan"]
        for value in wrong:
            with pytest.raises(ValueError, match=rf"{flag} must be .*, got .*{value}") as raised:
                parse(options, [*example, flag, value], program="python door.py")
            assert "\n" not in str(raised.value)


def _number(kind: Any) -> type | None:
    """int or float, if a flag is one number."""
    plain = [each for each in (get_args(kind) or (kind,)) if each is not type(None)]
    return plain[0] if len(plain) == 1 and plain[0] in (int, float) else None
