"""README and manual: every block runs or says why not, every link leads somewhere, what is made by code is up to date.

Python blocks are executed. Commands of ours run in this process, in one temporary directory, on tiny settings; those of
a block that is not run are parsed, so that no flag in it is out of date.
"""

import argparse
import ast
import importlib.util
import re
import runpy
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import tyro

from benchmarks.report import make, study
from scaling import specs
from scaling.models import build
from scaling.specs import to_json
from scaling.store import Storage, read_rows, write_rows
from scaling.training import save_final_weights
from tests.helpers.pages import GENERATED, PAGES, ROOT, Block, anchors, blocks, links

OURS = {"scaling", "clusters", "analysis"}
LANGUAGES = {"python", "sh", "text"}
TINY = {  # flags that a command is given besides its own
    "scaling.finetune_grid": ("--steps", "3", "--seeds", "0"),
    "scaling.inspection": ("--images", "4", "--rollouts", "1"),
}
BLOCKS = [block for page in PAGES for block in blocks(page)]


def _params(language: str, *marks: str) -> list[Any]:
    """The blocks of a language with one of some marks: 'run' also those of a file, 'slow', 'not run'."""
    found = [block for block in BLOCKS if block.language == language and block.how in marks]
    return [pytest.param(block, id=block.name) for block in found]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all blocks run: `results/quickstart` has made-up rows of its nine models, and weights of one of them."""
    made = tmp_path_factory.mktemp("docs")
    storage = Storage.of(made / "results" / "quickstart")
    storage.make()
    small = study(9)
    make(storage, small)
    run = next(run for run in small.runs if run.name == "ViT-micro-L/4")
    digest = save_final_weights(storage, run.id, build(run.model, 10, resolution=run.resolution), to_json(run))
    (row,) = read_rows(storage, "pretrain", run.id)
    write_rows(storage, "pretrain", [row | {"weights_sha256": digest}])
    for block in BLOCKS:
        if block.file:
            (made / block.file).write_text(block.text)
    (made / "examples").symlink_to(ROOT / "examples")
    return made


@pytest.fixture
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The process as a shell in that directory would start it."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [str(ROOT), str(place), *sys.path])  # as with PYTHONPATH=.
    yield place
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def parses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end, with success, when their options are understood."""
    cli = tyro.cli

    def parse(*args: Any, **options: Any) -> NoReturn:
        cli(*args, **options)
        sys.exit(0)

    def parse_args(parser: argparse.ArgumentParser, *args: Any) -> NoReturn:
        understood(parser, *args)
        sys.exit(0)

    understood = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(tyro, "cli", parse)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


def ours(command: str) -> tuple[str, list[str]] | None:
    """The file and the arguments of a command that runs one of our modules or scripts; None for another command."""
    words = shlex.split(command)
    if "--" in words and words[0] != "python":  # ray job submit ... -- python ...
        words = words[words.index("--") + 1 :]
    if words[0] != "python":
        return None
    if words[1] != "-m":
        return str(ROOT / words[1]), words[2:]
    if words[2].split(".")[0] not in OURS:
        return None
    spec = importlib.util.find_spec(words[2])
    if spec is not None and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{words[2]}.__main__")
    assert spec is not None, f"there is no module {words[2]}"
    return str(spec.origin), words[3:]


def call(file: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script of ours as `python FILE ARGUMENTS` would. Fails unless it succeeds."""
    monkeypatch.setattr(sys, "argv", [file, *arguments])
    code: object = 0
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        code = end.code
    assert not code, f"{file} {shlex.join(arguments)} ended with {code}"


def tiny(file: str, arguments: list[str]) -> list[str]:
    """The arguments with those that make it short, and inside this directory."""
    module = ".".join(Path(file).relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    added = [*TINY.get(module, ())]
    if module == "scaling.run_study" and not {"--plan", "--status", "--storage"} & set(arguments):
        added += ["--storage", f"results/{Path(arguments[0]).stem}"]
    flags = [added[i : i + 2] for i in range(0, len(added), 2)]
    return [*arguments, *(word for flag, value in flags if flag not in arguments for word in (flag, value))]


def run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all commands of a shell block; of make, what it would do."""
    for command in block.commands:
        if command.startswith("make "):
            subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, check=True, capture_output=True)
            continue
        found = ours(command)
        assert found is not None, f"{block.name}: not a command of ours, say why it is not run: {command}"
        call(found[0], tiny(*found), monkeypatch)


@pytest.mark.parametrize("block", _params("sh", "run"))
@pytest.mark.usefixtures("there")
def test_commands_run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    run(block, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", _params("sh", "slow"))
@pytest.mark.usefixtures("there", "cluster")
def test_slow_commands_run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    run(block, monkeypatch)


@pytest.mark.parametrize("block", _params("sh", "slow", "not run"))
@pytest.mark.usefixtures("parses_only", "there")
def test_other_commands_are_understood(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for found in map(ours, block.commands):
        if found is not None:
            call(*found, monkeypatch)


@pytest.mark.parametrize("block", _params("python", "run"))
@pytest.mark.usefixtures("there")
def test_python_runs(block: Block) -> None:
    exec(compile(block.text, block.name, "exec"), {"__name__": "block"})


@pytest.mark.parametrize("block", _params("python", "not run"))
def test_python_that_is_not_run_finds_its_imports(block: Block) -> None:
    imports: list[ast.stmt] = [
        node for node in ast.parse(block.text).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    exec(compile(ast.Module(imports, []), block.name, "exec"), {})


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_blocks_say_what_they_are(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.mark in ("", "slow") or block.file or len(block.mark) > len("not run: "), block.mark
    assert block.how != "slow" or block.language == "sh"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{page.name}: no {target}"
        assert not anchor or anchor in anchors(other), f"{page.name}: no heading for {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_pages_begin_with_what_one_can_do_and_a_command(page: Path) -> None:
    text = page.read_text()
    assert text.startswith("# ")
    if page.name not in GENERATED:
        assert blocks(page)[0].language in ("sh", "python"), f"{page.name} begins without a command"


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("name", ["reference", "rows"])
def test_generated_pages_are_up_to_date(name: str, generate: dict[str, Any]) -> None:
    assert (ROOT / "docs" / f"{name}.md").read_text() == generate[name](), "run `make docs`"


def test_every_field_of_every_spec_has_its_sentence(generate: dict[str, Any]) -> None:
    shown = {cls for classes in generate["SECTIONS"].values() for cls in classes}
    for cls in (value for value in vars(specs).values() if isinstance(value, type) and is_dataclass(value)):
        assert cls in shown, f"{cls.__name__} is not in docs/generate.py's SECTIONS"
        assert generate["sentences"](cls).keys() == {field.name for field in fields(cls)}, cls.__name__


def test_the_site_builds_without_a_broken_link_and_fetches_nothing(tmp_path: Path) -> None:
    """What a page loads is in the site: no fonts, scripts or styles of others."""
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").glob("*.html"):
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=.https?:|<link[^>]+href=.https?:", text), page.name
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.findall(r"(?:url\(.?|@import .)(?:https?:|//)", style.read_text()), style.name
