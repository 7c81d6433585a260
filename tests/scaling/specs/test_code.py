"""The user's code behind import paths: whose it is, what a version is made of, which files travel."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scaling.specs.code import code_version, file_of, is_users, named_in, source_version, user_files
from scaling.specs.functions import Optimizer
from scaling.specs.models import Custom
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from tests.helpers.specs import RECIPE

NETS = '''
"""Some nets."""
import own_layers
from own_layers import block

WIDTH = 8
UNUSED = 1


class Net:
    """A net."""

    def layers(self):
        return block(WIDTH)


def build(num_classes, resolution):
    """Build it."""
    return Net().layers()


def other():
    return own_layers.rest()
'''
LAYERS = "def block(width):\n    return width + 1\n\n\ndef rest():\n    return 2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two modules of a user's, and a package that nobody imports."""
    (tmp_path / "own_nets.py").write_text(NETS)
    (tmp_path / "own_layers.py").write_text(LAYERS)
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("from own_nets import build\n")
    (tmp_path / "own_package" / "inner.py").write_text("from own_nets import build\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def version(path: str = "own_nets:build") -> str | None:
    """That of the source as it lies there now."""
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return source_version(Custom(path))


def rewritten(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    for compiled in file.parent.rglob("*.pyc"):  # of the same second and size
        compiled.unlink()


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("own_nets.py", "block(WIDTH)", "block(WIDTH + 1)", True),  # what it uses, through a class
        ("own_nets.py", "WIDTH = 8", "WIDTH = 9", True),
        ("own_layers.py", "width + 1", "width + 2", True),  # in another module
        ("own_layers.py", "return 2", "return 3", False),  # of which it does not use this
        ("own_nets.py", "UNUSED = 1", "UNUSED = 2", False),
        ("own_nets.py", "own_layers.rest()", "None", False),
        ("own_nets.py", '"""Build it."""', '"""Build a net."""  # in two words', False),
        ("own_nets.py", "return Net().layers()", "return (\n        Net().layers()\n    )", False),
    ],
)
def test_a_version_is_what_the_function_is_made_of(folder: Path, file: str, old: str, new: str, changed: bool) -> None:
    before = version()
    rewritten(folder / file, old, new)
    assert (version() != before) is changed


def test_a_module_that_is_used_by_its_name_counts_whole(folder: Path) -> None:
    before = version("own_nets:other")
    rewritten(folder / "own_layers.py", "width + 1", "width + 2")
    assert version("own_nets:other") != before


def test_code_versions_need_no_import(folder: Path) -> None:
    model = Custom("own_nets:build")
    before = code_version(model)
    rewritten(folder / "own_layers.py", "return 2", "return 3")
    assert before != code_version(model) != ""
    assert "own_nets" not in sys.modules
    assert code_version(Custom("no_such_module:x")) == ""


def test_whose_code_it_is(folder: Path) -> None:
    assert is_users(file_of("own_nets:build"))
    assert is_users(file_of("own_package.inner:build"))
    for path in ("json:loads", "torch.optim:SGD", "scaling.training:Lion", "sys:exit", "no_such_module:x"):
        assert not is_users(file_of(path)), path
    assert source_version(Optimizer("torch.optim:SGD")) is None
    assert source_version(Custom("timm:resnet18")) is None


def test_what_travels(folder: Path, tiny_run: Pretrain) -> None:
    """The modules that are named, and those that they have imported from there; packages whole."""

    def study(*paths: str) -> Study:
        return Study("x", tuple(replace(tiny_run, model=Custom(path)) for path in paths))

    assert user_files(study("timm:resnet18")) == []
    version()
    assert user_files(study("own_nets:build")) == [folder / "own_layers.py", folder / "own_nets.py"]
    assert user_files(study("own_package.inner:build")) == [
        folder / "own_layers.py",
        folder / "own_nets.py",
        folder / "own_package",
    ]


def test_named_specs_are_found_wherever_they_are(tiny_run: Pretrain) -> None:
    optimizer = Optimizer("torch.optim:SGD")
    run = replace(tiny_run, model=Custom("timm:resnet18"), recipe=replace(RECIPE, optimizer=optimizer))
    assert list(named_in(Study("x", (run, replace(run, seed=1))))) == [run.model, optimizer]
