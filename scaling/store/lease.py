"""A lease, so that only one process at a time works on a storage.

Local disks, network file systems and object stores have no lock in common, but all of them show a file that was written
to everyone who lists its directory afterwards. So each process writes a claim of its own, then lists the claims: it
holds the lease when no other claim is alive. Of two processes that start together the later writer sees the earlier
claim, so they cannot both hold it; while neither is marked as the holder, the one with the larger token gives way. A
claim is alive while its process sends heartbeats; one of a process that was killed on this machine is dead at once.
Ages are differences of the storage's own times, since the clocks of hosts may differ.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scaling.store.storage import Storage

CLAIMS = ".lease"  # TOKEN.json: a claim, renewed by every heartbeat; TOKEN.held: it holds the lease, written once
BEAT_SECONDS = 10.0  # between heartbeats
STALE_SECONDS = 60.0  # after the last heartbeat a claim is dead
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 0.5  # until a process gives way: a killed process, or a contest, takes a moment to end


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
        return f"{CLAIMS}/{self.token}.json"

    @property
    def marker(self) -> str:
        return f"{CLAIMS}/{self.token}.held"


@contextlib.contextmanager
def lease(
    storage: Storage, work: str, *, beat_seconds: float = BEAT_SECONDS, stale_seconds: float = STALE_SECONDS
) -> Iterator[None]:
    """Hold the lease of `storage` during the block; messages call the work `work`. Call it from the main thread.

    Raises ValueError, naming the other process, when another one holds it. The block ends with a ValueError, as Ctrl-C
    would end it, when another process took over because this one had sent no heartbeat for `stale_seconds` (it was
    stopped, or its machine slept). It does not go on then: the rows would come out the same, but both processes would
    do the same work and delete each other's checkpoints.
    """
    claim = _claim(work)
    ended, lost = threading.Event(), threading.Event()
    beats = threading.Thread(target=_keep, args=(storage, claim, beat_seconds, ended, lost), daemon=True)
    try:
        _acquire(storage, claim, stale_seconds)
        beats.start()
        try:
            yield
        finally:
            ended.set()
            # Before the claim is withdrawn: on an object store a last heartbeat would put it there again.
            beats.join()
    except KeyboardInterrupt:
        # The user's own Ctrl-C.
        if not lost.is_set():
            raise
        raise ValueError(
            f"storage {storage.uri} was taken over by another process while this one slept: this one has stopped, "
            f"what is done stays done"
        ) from None
    finally:
        _withdraw(storage, claim)


def _acquire(storage: Storage, claim: Claim, stale_seconds: float) -> None:
    _put(storage, claim)
    began = time.monotonic()
    while True:
        living, dead, held = _others(storage, claim, stale_seconds)
        # The holder comes first, where there is one, then the smallest token.
        first = sorted(living, key=lambda other: (other.token not in held, other.token))[:1]
        if not first:
            break
        behind = first[0].token in held or first[0].token < claim.token
        if behind and time.monotonic() - began > PATIENCE_SECONDS:
            raise ValueError(_in_use(storage, first[0]))
        time.sleep(POLL_SECONDS)  # the others give way, or one has won and is about to mark itself as the holder
        # While it waits too, or the others would take this claim for dead.
        _beat(storage, claim)
    # From now on every other claim gives way, whatever its token.
    storage.write(claim.marker, b"")
    for other in dead:
        _withdraw(storage, other)


def lease_holder(storage: Storage, stale_seconds: float = STALE_SECONDS) -> Claim | None:
    """The claim that holds the lease of a storage now, for a process that makes no claim itself; None: nobody."""
    living, _, held = _others(storage, None, stale_seconds)
    return next((claim for claim in living if claim.token in held), None)


def _others(storage: Storage, mine: Claim | None, stale_seconds: float) -> tuple[list[Claim], list[Claim], set[str]]:
    """The other claims, living and dead, and the tokens of those that are marked as holders."""
    times = storage.times(CLAIMS)
    my_file = Path(mine.file).name if mine else ""
    here = time.time() if mine is None and storage.local is not None else None  # a local disk has our clock
    living: list[Claim] = []
    dead: list[Claim] = []
    for name in sorted(times):
        if not name.endswith(".json") or name == my_file:
            continue
        other = _read(storage, name)
        if other is None:
            continue
        now, then = times.get(my_file, here), times[name]
        age = time.time() - other.beat if now is None or then is None else now - then
        (dead if age > stale_seconds or _died(other) else living).append(other)
    return living, dead, {name.removesuffix(".held") for name in times if name.endswith(".held")}


def _read(storage: Storage, name: str, tries: int = 5) -> Claim | None:
    """A claim; None when it was withdrawn meanwhile. On an object store a heartbeat may replace it during the read."""
    for _ in range(tries):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return Claim(**json.loads(storage.read(f"{CLAIMS}/{name}")))
        if not storage.exists(f"{CLAIMS}/{name}"):
            return None
        time.sleep(POLL_SECONDS)
    raise ValueError(f"{storage.path(f'{CLAIMS}/{name}')} is no claim on the storage: delete it if nobody works there")


def _keep(storage: Storage, claim: Claim, seconds: float, ended: threading.Event, lost: threading.Event) -> None:
    """Send heartbeats until the block has ended; interrupt it when the lease is lost: its files were deleted."""
    while not ended.wait(seconds):
        try:
            if {Path(claim.file).name, Path(claim.marker).name} <= set(storage.list(CLAIMS)):
                _beat(storage, claim)
                continue
        except OSError:  # the next heartbeat may get through; if none does for long, another process takes over
            continue
        lost.set()
        # As Ctrl-C, since only the main thread can end its block.
        os.kill(os.getpid(), signal.SIGINT)


def _beat(storage: Storage, claim: Claim) -> None:
    """Renew the claim. On a disk it is touched: a file that is replaced may be missing from a listing meanwhile."""
    if storage.local is not None:
        os.utime(storage.local / claim.file)
    else:
        _put(storage, claim)


def _put(storage: Storage, claim: Claim) -> None:
    storage.write(claim.file, json.dumps(asdict(replace(claim, beat=time.time()))).encode())


def _withdraw(storage: Storage, claim: Claim) -> None:
    storage.remove(claim.marker)
    storage.remove(claim.file)


def _in_use(storage: Storage, other: Claim) -> str:
    return (
        f"storage {storage.uri} is in use by process {other.pid} on {other.host} ({other.what}) since {other.since}: "
        f"wait for it, stop it, or take another --storage"
    )


def _claim(work: str) -> Claim:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    host, pid = socket.gethostname(), os.getpid()
    return Claim(uuid.uuid4().hex, work, host, _machine(), pid, _started(pid), since, time.time())


def _machine() -> str:
    """The scope of process ids: one boot of a machine, and one container on it."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _died(other: Claim) -> bool:
    """Whether the claim's process is known to have ended; of another machine nothing is known."""
    return other.machine == _machine() and _started(other.pid) != other.started


def _started(pid: int) -> str | None:
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
