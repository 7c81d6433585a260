"""Terminals of a given width: made up, or real ones that a command writes to."""

import fcntl
import io
import os
import pty
import struct
import termios

from rich.console import Console

from scaling.console.wide_table import WideTable


def printed(table: WideTable, width: int) -> str:
    """The table as a terminal of so many columns shows it."""
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=True, color_system=None).print(table)
    return out.getvalue()


def in_terminal(width: int, *words: str) -> str:
    """What a command writes to a real terminal of so many columns, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    actions = [(os.POSIX_SPAWN_DUP2, theirs, 0), (os.POSIX_SPAWN_DUP2, theirs, 1), (os.POSIX_SPAWN_DUP2, theirs, 2)]
    command = os.posix_spawn(words[0], words, environment | {"TERM": "dumb"}, file_actions=actions)
    os.close(theirs)
    told = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        told += part
    os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]) == 0
    return told.decode().replace("\r", "")
