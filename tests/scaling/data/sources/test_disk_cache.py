"""What is kept between processes: made once, made anew when it is broken or cannot be kept."""

from pathlib import Path

import numpy as np
import pytest

from scaling.data.sources.disk_cache import Arrays, directory, disk_cached


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return []


def ask(calls: list[int], about: str) -> list[int]:
    def make() -> Arrays:
        calls.append(1)
        return {"x": np.arange(3)}

    found: list[int] = disk_cached((about,), make)["x"].tolist()
    return found


def test_it_is_made_once_for_each_name(calls: list[int]) -> None:
    assert [ask(calls, about) for about in ("a", "a", "b", "a")] == [[0, 1, 2]] * 4
    assert len(calls) == 2
    assert {file.suffix for file in directory().iterdir()} == {".npz"}


def test_a_broken_file_is_made_anew(calls: list[int]) -> None:
    ask(calls, "a")
    (file,) = directory().iterdir()
    for broken in (b"", file.read_bytes()[:-30], b"junk"):
        file.write_bytes(broken)
        assert ask(calls, "a") == [0, 1, 2]
    assert len(calls) == 4


def test_without_a_place_it_is_made_every_time(calls: list[int], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no directory")
    assert [ask(calls, "a"), ask(calls, "a")] == [[0, 1, 2]] * 2
    assert len(calls) == 2
