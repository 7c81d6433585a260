"""Claims on a storage as they stand in files. Of what others may have put there nothing is believed unseen."""

import json
import math
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from scaling.store.owners import machine, started

CLAIMS = ".lease"  # TOKEN.json: a claim, renewed by every heartbeat; TOKEN.held: it holds the lease, written once


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
    kinds = {"pid": int, "beat": float, "started": (str, type(None))}
    if not all(isinstance(getattr(claim, each.name), kinds.get(each.name, str)) for each in fields(Claim)):
        return None
    shown = all(text.isprintable() for text in (claim.what, claim.host, claim.since))  # on terminals
    return claim if shown and claim.token == token and claim.pid > 0 and math.isfinite(claim.beat) else None
