"""Who owns a draft: a driver by its claim, or a process without one. A draft's name says it, and is checked.

A name that is read from a storage becomes a path only if it has one of the forms here; others are left alone.
"""

import hashlib
import os
import re
import socket
import subprocess
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TOKEN = re.compile(r"[0-9a-f]{32}")  # of a claim
# A driver's directory; the draft of a process without a claim; Ray's files for either; a draft of an earlier version.
DRIVER = re.compile(r"(?:ray-)?driver-(?P<token>[0-9a-f]{32})(?:-[0-9a-f]{32})?")
PROCESS = re.compile(
    r"(?:ray-)?process-(?P<machine>[0-9a-f]{16})-(?P<pid>[0-9]{1,10})-(?P<start>[0-9a-f]{8})-[0-9a-f]{32}"
)
EARLIER = re.compile(r"(?:ray-)?[0-9a-f]{32}")


@dataclass(frozen=True)
class Owner:
    """The owner of a draft, by the draft's name."""

    token: str | None = None  # of the driver's claim
    machine: str = ""  # of a process: where it runs, as hashed by `process_owner`
    pid: int = 0
    start: str = ""

    @property
    def lives(self) -> bool | None:
        """Whether a process lives; None if nothing is known of it, because it is another machine's or a driver's."""
        if self.token is not None or self.machine != _short(machine(), 16):
            return None
        began = started(self.pid)
        return began is not None and _short(began, 8) == self.start


def owner_of(name: str) -> Owner | None:
    """Whose a draft of that name is. None: of nobody known. Raises ValueError for a name that no draft has."""
    if match := DRIVER.fullmatch(name):
        return Owner(match["token"])
    if match := PROCESS.fullmatch(name):
        return Owner(None, match["machine"], int(match["pid"]), match["start"])
    if EARLIER.fullmatch(name):
        return None
    raise ValueError(f"{name!r} is no draft")


def driver_directory(token: str) -> str:
    """Name of the directory of a driver's drafts."""
    return f"driver-{token}"


def process_draft() -> str:
    """A new name for a draft of this process, which holds no claim."""
    return f"{_process(os.getpid())}-{uuid.uuid4().hex}"


@cache  # by number: a child of this process has another one
def _process(pid: int) -> str:
    return f"process-{_short(machine(), 16)}-{pid}-{_short(started(pid) or '', 8)}"


def _short(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


@cache
def machine() -> str:
    """The scope of process ids: one boot of a machine, and one container on it."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def started(pid: int) -> str | None:
    """When a process of this machine started, as its kernel writes it; None when it has ended."""
    try:
        if Path("/proc/self/stat").exists():
            # After the name, which may hold spaces: the state, and as the 20th field the start in ticks since boot.
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            began = fields[18]
        else:
            command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
            state, began = subprocess.run(command, capture_output=True, text=True).stdout.strip().split(None, 1)
    except (OSError, ValueError):
        return None
    return None if state.startswith(("Z", "X")) else began  # a zombie has ended: only its parent has not noticed yet
