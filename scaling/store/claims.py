"""Who works on a storage, or did: claims on its lease, and the owners of drafts by the drafts' names.

Of what others may have put there nothing is believed unseen: a name that is read from a storage becomes a path only if
it has one of the forms here, and a file that holds no claim is none.
"""

import hashlib
import json
import math
import os
import re
import socket
import subprocess
import time
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

CLAIMS = ".lease"  # TOKEN.json: a claim, renewed by every heartbeat; TOKEN.held: it holds the lease, written once
OLD_SECONDS = 3600.0  # age from which on a draft is a dead process's, where nothing else tells
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
    """Whose a draft of that name is; None for a name that no draft has."""
    if match := DRIVER.fullmatch(name):
        return Owner(match["token"])
    if match := PROCESS.fullmatch(name):
        return Owner(None, match["machine"], int(match["pid"]), match["start"])
    return Owner() if EARLIER.fullmatch(name) else None


def abandoned(owner: Owner, changed: float, claim: bytes | None) -> bool:
    """Whether the owner of a draft has ended.

    Args:
        owner: by the draft's name.
        changed: when the draft was last changed, in s since 1970.
        claim: what the file of a driver's claim holds; None when there is none, which is there before drafts are, and
            longer.
    """
    if owner.token is None:
        lives = owner.lives
    elif claim is None:
        return True
    else:
        known = parse_claim(claim, owner.token)
        lives = None if known is None else not known.died
    return time.time() - changed > OLD_SECONDS if lives is None else not lives


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


@dataclass(frozen=True)
class Claim:
    """A process that works, or wants to work, on a storage."""

    token: str
    what: str  # the work
    host: str
    machine: str  # where `pid` is valid
    pid: int
    started: str | None  # start of the process, which tells it from a later one with the same pid
    since: str  # UTC, of the claim
    beat: float  # last heartbeat in s since 1970 by the host's clock, for storages that tell no times

    @property
    def file(self) -> str:
        return claim_file(self.token)

    @property
    def marker(self) -> str:
        return marker(self.token)

    @property
    def died(self) -> bool:
        """Whether the claim's process is known to have ended; of another machine nothing is known."""
        return self.machine == machine() and started(self.pid) != self.started


def claim_file(token: str) -> str:
    return f"{CLAIMS}/{token}.json"


def marker(token: str) -> str:
    """Name of the file that says that a claim holds the lease."""
    return f"{CLAIMS}/{token}.held"


def new_claim(work: str) -> Claim:
    """This process's claim."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    host, pid = socket.gethostname(), os.getpid()
    return Claim(uuid.uuid4().hex, work, host, machine(), pid, started(pid), since, time.time())


def claim_bytes(claim: Claim) -> bytes:
    return json.dumps(asdict(claim)).encode()


def parse_claim(content: bytes, token: str) -> Claim | None:
    """The claim in a file of that token; None when it holds none."""
    try:
        value = json.loads(content)
        claim = Claim(**value)
    except (ValueError, TypeError, RecursionError):
        return None
    kinds: dict[str, Any] = {"pid": int, "beat": float, "started": (str, type(None))}
    if not all(isinstance(getattr(claim, each.name), kinds.get(each.name, str)) for each in fields(Claim)):
        return None
    shown = all(text.isprintable() for text in (claim.what, claim.host, claim.since))  # on terminals
    return claim if shown and claim.token == token and claim.pid > 0 and math.isfinite(claim.beat) else None
