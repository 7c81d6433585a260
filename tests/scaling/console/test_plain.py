"""Names are shown as they are: markup, emoji codes and escapes of the terminal in them do nothing."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from scaling.checks import say
from scaling.console.cli import exit_code
from scaling.console.plain import PlainConsole
from scaling.console.progress import phase
from scaling.console.wide_table import WideTable

NAMES = ["[/x]", "[bold]a", ":smile:", "a[/bold]b", "[link=x]y"]


def shown(*printed: object) -> str:
    console = PlainConsole(width=100)
    console.file = io.StringIO()
    for each in printed:
        console.print(each)
    return console.file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_markup_is_itself(name: str) -> None:
    table = Table(name, title=name, caption=name)
    table.add_row(name)
    wide = WideTable(name, (name, "x"), ((name, "1"),), caption=name)
    for printed in (name, table, wide):
        assert name in shown(printed)
    assert shown(table).count(name) == shown(wide).count(name) == 4


def test_escapes_are_written_out() -> None:
    name = "\x1b[31mred\x07\x9b2J\u202e"
    table = Table(name, title=name)
    table.add_row(name)
    for printed in (name, table, WideTable(name, (name,), ((name,),))):
        text = shown(printed)
        assert r"\x1b[31mred\x07\x9b2J\u202e" in text.replace("\n", "")
        assert not set("\x1b\x07\x9b\u202e") & set(text)
    assert shown("two\nlines") == "two\nlines\n"
    assert shown(Text("bold", style="bold")) == "bold\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_shows_names_as_they_are(name: str) -> None:
    console = PlainConsole(width=100)
    console.file = io.StringIO()
    console._force_terminal = True
    with phase(console, name, 3) as stage:
        stage.line(name)
        stage.show(name)
        stage.advance()
    assert name in console.file.getvalue()


def test_notes_wait_for_the_first_line_of_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    def mistaken() -> int:
        say(["a first note"])
        raise ValueError("a mistake")

    def right() -> int:
        say(["a first note"])
        assert capfd.readouterr().err == ""
        PlainConsole().print("a line")
        assert capfd.readouterr().err == "note: a first note\n"
        say(["a second note", "a first note"])
        assert capfd.readouterr().err == "note: a second note\n"
        return 0

    def noting() -> int:
        say(["a third note"])
        return 0

    assert exit_code(mistaken) == 2
    assert capfd.readouterr().err == "error: a mistake\n"
    assert exit_code(right) == 0
    assert exit_code(noting) == 0
    assert capfd.readouterr().err == "note: a third note\n"
