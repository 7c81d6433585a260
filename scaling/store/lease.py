"""A lease, so that only one process at a time works on a storage.

Local disks, network file systems and object stores have no lock in common, but all of them show a file that was written
to everyone who lists its directory afterwards. So each process writes a claim of its own, then lists the claims: it
holds the lease when no other claim is alive. Of two processes that start together the later writer sees the earlier
claim, so they cannot both hold it; while neither is marked as the holder, the one with the larger token gives way.
Where a listing may be late, each waits that long before it looks. A claim is alive while its process sends heartbeats;
one of a process that was killed on this machine is dead at once. Ages are differences of the storage's own times, since
the clocks of hosts may differ.

Who takes over first moves the drafts of the former holder away and removes its marker (`Storage.under`): from then on
nothing that the former holder or its workers write gets in.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import FrameType

from scaling.store.claims import CLAIMS, TOKEN, Claim, claim_bytes, claim_file, marker, new_claim, parse_claim
from scaling.store.errors import LostLeaseError
from scaling.store.storage import Storage
from scaling.store.uri import still_environment

BEAT_SECONDS = 10.0  # between heartbeats
CHECK_SECONDS = 2.0  # between looks whether the lease is still held
STALE_SECONDS = 60.0  # after the last heartbeat a claim is dead
SILENT_SHARE = 0.9  # of that: a holder whose heartbeats do not get through gives up before others may take over
LATE_SECONDS = 5.0  # by which a listing of an object store may be late
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 0.5  # until a process gives way: a killed process, or a contest, takes a moment to end
GRACE_SECONDS = 3.0  # for the block to end when the lease is lost; then the process is ended


@dataclass
class _Held:
    """What the threads of a lease tell each other."""

    storage: Storage
    claim: Claim
    beat_seconds: float
    stale_seconds: float
    ended: threading.Event = field(default_factory=threading.Event)  # the block is over
    lost: str = ""  # why the lease is lost
    heard: float = field(default_factory=time.monotonic)  # when the last heartbeat that got through was begun

    def lose(self, reason: str) -> None:
        self.lost = self.lost or (
            f"storage {self.storage.place} {reason}: this process has stopped, what is done stays done"
        )

    @property
    def still(self) -> bool:
        """Whether the claim is marked as the holder's: the marker goes first when another process takes over."""
        return self.storage.exists(self.claim.marker)


@contextlib.contextmanager
def lease(
    storage: Storage, work: str, *, beat_seconds: float = BEAT_SECONDS, stale_seconds: float = STALE_SECONDS
) -> Iterator[Storage]:
    """Hold the lease of `storage` during the block, which gets the storage to write to; messages call the work `work`.

    Call it from the main thread. Raises ValueError, naming the other process, when another one holds it. The block ends
    with a LostLeaseError, as Ctrl-C would end it, when another process took over because this one had sent no heartbeat
    for `stale_seconds` (it was stopped, or its machine slept), or when its heartbeats do not get through. A block that
    does not end GRACE_SECONDS later is ended with its process, with exit code 2. What is written to the block's storage
    after that, by whomever, raises LostLeaseError.
    """
    claim = new_claim(work)
    held = _Held(storage.under(None), claim, min(beat_seconds, stale_seconds / 4), stale_seconds)
    try:
        _acquire(held.storage, claim, stale_seconds)
        with _interruptible(held):
            held.heard = time.monotonic()
            threads = [threading.Thread(target=each, args=(held,), daemon=True) for each in (_keep, _watch)]
            for thread in threads:
                thread.start()
            try:
                yield storage.under(claim.token)
            finally:
                held.ended.set()
                threads[1].join()  # or it might interrupt what comes after the block
                # Before the claim is withdrawn: on an object store a last heartbeat would put it there again.
                threads[0].join(GRACE_SECONDS)
        with contextlib.suppress(OSError):  # what is done is done
            if not held.lost and not held.still:
                held.lose("was taken over by another process while this one slept")
    except (Exception, KeyboardInterrupt) as error:
        if not held.lost or isinstance(error, LostLeaseError):
            raise  # the user's own Ctrl-C, or an error of the work
        raise LostLeaseError(held.lost) from None
    finally:
        with contextlib.suppress(OSError):  # the claim is dead with this process
            _withdraw(held.storage, claim.token)
    if held.lost:
        raise LostLeaseError(held.lost)


def lease_holder(storage: Storage, stale_seconds: float = STALE_SECONDS) -> Claim | None:
    """The claim that holds the lease of a storage now, for a process that makes no claim itself; None: nobody."""
    living, _, held = _others(storage, None, stale_seconds)
    return next((claim for claim in living if claim.token in held), None)


def _acquire(storage: Storage, claim: Claim, stale_seconds: float) -> None:
    _put(storage, claim)
    if storage.local is None:
        time.sleep(LATE_SECONDS)  # now a listing shows every claim that is older than this one
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
    storage.hold(claim.token)
    storage.write(claim.marker, b"")
    # A process that was stopped just here may have been taken for dead by now, and its claim removed.
    living, dead_since, held = _others(storage, claim, stale_seconds)
    for other in living:
        if other.token in held:
            raise ValueError(_in_use(storage, other))
    if not storage.exists(claim.file):
        raise LostLeaseError(f"storage {storage.place} was taken by another process: try again later")
    for token in dead | dead_since:
        _withdraw(storage, token)


def _others(storage: Storage, mine: Claim | None, stale_seconds: float) -> tuple[list[Claim], set[str], set[str]]:
    """The other living claims, the tokens of dead ones, and the tokens of those that are marked as holders.

    What has not the name of a claim is nobody's. A file of that name with something else in it is a dead claim.
    """
    times = storage.times(CLAIMS)
    tokens = {path.stem for path in map(PurePosixPath, times) if TOKEN.fullmatch(path.stem)}
    here = time.time() if mine is None and storage.local is not None else None  # a local disk has our clock
    now = times.get(PurePosixPath(mine.file).name, here) if mine else here
    living: list[Claim] = []
    dead: set[str] = set()
    for token in sorted(tokens - {mine.token if mine else ""}):
        file = PurePosixPath(claim_file(token)).name
        other = _read(storage, token) if file in times else None
        then = times.get(file)
        if other is None:
            dead.add(token)
        else:
            # Of a time to come nothing is known either.
            age = abs(time.time() - other.beat if now is None or then is None else now - then)
            if age > stale_seconds or other.died:
                dead.add(token)
            else:
                living.append(other)
    held = {token for token in tokens if PurePosixPath(marker(token)).name in times}
    return living, dead, held


def _read(storage: Storage, token: str, tries: int = 5) -> Claim | None:
    """A claim; None when it was withdrawn meanwhile, or when the file holds none."""
    for _ in range(tries):
        try:
            claim = parse_claim(storage.read(claim_file(token)), token)
        except (FileNotFoundError, IsADirectoryError):
            return None
        if claim is not None:
            return claim
        time.sleep(POLL_SECONDS / 10)  # on some object stores a heartbeat may replace it during the read
    return None


@contextlib.contextmanager
def _interruptible(held: _Held) -> Iterator[None]:
    """SIGINT interrupts the block when the lease is lost, also in a process that ignores it, as a script's background
    jobs do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before not in (signal.SIG_IGN, signal.SIG_DFL, None):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if held.lost or before is not signal.SIG_IGN:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


def _keep(held: _Held) -> None:
    """Look whether the lease is still held, and send heartbeats, until the block has ended."""
    beaten = time.monotonic()
    while not held.ended.wait(min(held.beat_seconds, CHECK_SECONDS)) and not held.lost:
        began = time.monotonic()
        try:
            with still_environment() if held.storage.local is None else contextlib.nullcontext():
                if not held.still:
                    held.lose("was taken over by another process while this one slept")
                    return
                if began - beaten >= held.beat_seconds and not held.ended.is_set():
                    _beat(held.storage, held.claim)
                    beaten = held.heard = began
        except OSError:  # the next heartbeat may get through; `_watch` counts how long none does
            continue


def _watch(held: _Held) -> None:
    """End the block, and if it does not end the process, when the lease is lost or heartbeats stay out.

    A heartbeat may hang in a request, so this is another thread; and it counts only time in which this process ran,
    since one that slept is to look first whether anybody has taken over.
    """
    tick = min(0.5, held.stale_seconds / 20)
    silent, heard, last = 0.0, held.heard, time.monotonic()
    while not held.ended.wait(tick) and not held.lost:
        now = time.monotonic()
        silent = 0.0 if held.heard != heard else silent + min(now - last, 2 * tick)
        heard, last = held.heard, now
        if silent > held.stale_seconds * SILENT_SHARE:
            held.lose(f"took no heartbeat for {silent:.0f} s, so that another process may take over")
    if not held.lost or held.ended.is_set():
        return
    # As Ctrl-C, since only the main thread can end its block.
    os.kill(os.getpid(), signal.SIGINT)
    if not held.ended.wait(GRACE_SECONDS):
        print(f"error: {held.lost}", file=sys.stderr, flush=True)
        os._exit(2)


def _beat(storage: Storage, claim: Claim) -> None:
    """Renew the claim. On a disk it is touched: a file that is replaced may be missing from a listing meanwhile."""
    if storage.local is not None:
        os.utime(storage.local / claim.file)
    else:
        _put(storage, claim)


def _put(storage: Storage, claim: Claim) -> None:
    storage.write(claim.file, claim_bytes(replace(claim, beat=time.time())))


def _withdraw(storage: Storage, token: str) -> None:
    """Remove a claim with all that belongs to it. The drafts go first: without them nothing more can be committed."""
    storage.sweep({token})
    with contextlib.suppress(IsADirectoryError):
        storage.remove(marker(token))
        storage.remove(claim_file(token))


def _in_use(storage: Storage, other: Claim) -> str:
    return (
        f"storage {storage.place} is in use by process {other.pid} on {other.host} ({other.what}) "
        f"since {other.since}: wait for it, stop it, or take another --storage"
    )
