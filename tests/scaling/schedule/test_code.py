"""Code that has changed behind a study's rows is not used unsaid."""

from dataclasses import replace
from pathlib import Path

import pytest

from scaling.schedule.code import check_code, record_code
from scaling.specs.models import Custom
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from scaling.store.storage import Storage

BUILD = "def build(num_classes, resolution):\n    return {}\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"code_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(BUILD.format(1))
    return name


def rewritten(module: str, folder: Path, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / f"{module}.py").write_text(BUILD.format(value) + "\n" * value)  # of another size, for Python's caches
    monkeypatch.delitem(__import__("sys").modules, module, raising=False)


def test_a_changed_source_needs_a_version_or_a_word(
    module: str, tiny_run: Pretrain, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def study(version: str = "") -> Study:
        return Study("x", (replace(tiny_run, model=Custom(f"{module}:build", version=version)),))

    record_code(check_code(study(), storage, same=False), storage)
    first = storage.read("code.json")
    assert check_code(study(), storage, same=False)
    rewritten(module, tmp_path, 2, monkeypatch)
    with pytest.raises(
        ValueError, match=r"has changed since .*code\.json recorded it: give it a new version, Custom\("
    ):
        check_code(study(), storage, same=False)
    assert storage.read("code.json") == first
    record_code(check_code(study("2"), storage, same=False), storage)
    with pytest.raises(ValueError, match="go on with --same-code"):
        check_code(study(), storage, same=False)
    record_code(check_code(study(), storage, same=True), storage)
    assert check_code(study(), storage, same=False)  # said once


def test_a_study_without_own_code_records_nothing(tiny_run: Pretrain, storage: Storage) -> None:
    assert check_code(Study("x", (tiny_run,)), storage, same=False) == {}
    record_code({}, storage)
    assert not storage.exists("code.json")


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff"])
def test_a_damaged_record(text: bytes, tiny_run: Pretrain, storage: Storage) -> None:
    storage.write("code.json", text)
    with pytest.raises(ValueError, match=r"code\.json is damaged: remove it"):
        check_code(Study("x", (tiny_run,)), storage, same=False)
