"""What is no regular file is refused at once, and what is shown moves no terminal."""

import os
import socket
from pathlib import Path

import pytest

from scaling import checks
from scaling.checks import check_regular, pass_on_notes, printable, read_regular, say


def irregular(kind: str, folder: Path) -> Path:
    """A path that has a name and is no file."""
    path = folder / kind
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
        case "device":
            path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["FIFO", "directory", "socket", "device"])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_named(kind: str, linked: bool, tmp_path: Path) -> None:
    path = irregular(kind, tmp_path)
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    for read in (check_regular, read_regular):
        with pytest.raises(ValueError, match=rf"^{path} is a {kind}, where a file is needed$"):
            read(path)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")
    (tmp_path / "link").symlink_to(file)
    check_regular(file)
    assert read_regular(tmp_path / "link", most=4) == b"1234"
    with pytest.raises(ValueError, match="has 4 bytes, where 3 are the most that can be right"):
        read_regular(file, most=3)
    check_regular(tmp_path / "none")  # who opens it says so
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for kind in ("FIFO", "directory", "device"):
        with pytest.raises(ValueError, match="where a file is needed"):
            read_regular(irregular(kind, tmp_path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 猫 👩\u200d🚀", "plain ünï 猫 👩\u200d🚀"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("caf\udce9.png", "caf\\xe9.png"),  # a byte that is no UTF-8
        ("\x9b2J \u202egpj.exe \ud800 \u2028", "\\x9b2J \\u202egpj.exe \\ud800 \\u2028"),
    ],
)
def test_names_are_shown_without_what_moves_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    shown.encode()  # can be written to any stream


def test_a_note_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    say(["a \x1b[2J folder", "another"])
    say(["a \x1b[2J folder"])
    assert capsys.readouterr().err == "note: a \\x1b[2J folder\nnote: another\n"


def test_a_note_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_NOTES", checks._Notes(set()))
    heard: list[str] = []
    pass_on_notes(heard.append)
    say(["one", "two", "one"])
    assert heard == ["one", "two"]
