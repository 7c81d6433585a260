"""Drafts have owners: a dead one's go at once, a living one's never, and a former holder's lead nowhere."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from scaling.store.claims import DRIVER, EARLIER, PROCESS, claim_bytes, new_claim, owner_of, process_draft
from scaling.store.directories import commit_directory, set_aside
from scaling.store.errors import LostLeaseError
from scaling.store.storage import Storage


def drafts(storage: Storage) -> list[str]:
    return storage.list(".tmp")


def draft_of_a_dead_process() -> str:
    code = "from scaling.store.claims import process_draft; print(process_draft())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_dead_process_s_drafts_go_at_once_and_a_living_one_s_stay(place: Storage) -> None:
    dead, mine = draft_of_a_dead_process(), process_draft()
    for name in (dead, f"ray-{dead}", mine, f"ray-{mine}"):
        place.write(f".tmp/{name}/part", b"1")
    place.make()
    assert drafts(place) == sorted([mine, f"ray-{mine}"])


def test_a_draft_of_another_machine_goes_when_it_is_old(storage: Storage) -> None:
    names = [f"process-{'0' * 16}-{os.getpid()}-{'1' * 8}-{uuid.uuid4().hex}" for _ in range(2)] + [uuid.uuid4().hex]
    for name in names:
        storage.write(f".tmp/{name}", b"1")
    assert storage.local is not None
    for name in names[1:]:
        os.utime(storage.local / ".tmp" / name, (0, time.time() - 4000))
    storage.make()
    assert drafts(storage) == names[:1]


def test_what_has_no_name_of_ours_stays(storage: Storage) -> None:
    assert storage.local is not None
    for name in ("notes.txt", "driver-x", "process-1", ".hidden", "A" * 32, "driver-" + "0" * 32 + "x"):
        (storage.local / ".tmp" / name).write_text("")
        os.utime(storage.local / ".tmp" / name, (0, 0))
        assert owner_of(name) is None
    before = drafts(storage)
    storage.make()
    assert drafts(storage) == before


def test_a_driver_s_drafts_stay_while_it_lives(place: Storage) -> None:
    claim = new_claim("a test")
    place.write(claim.file, claim_bytes(claim))
    held = place.under(claim.token)
    place.hold(claim.token)
    place.write(f"{held.scratch()}/ray.json", b"1")
    before = drafts(place)
    place.make()
    assert drafts(place) == before
    place.remove(claim.file)  # no claim: it has ended
    place.make()
    assert drafts(place) == []


def test_what_a_former_holder_writes_or_removes_is_refused(place: Storage, tmp_path: Path) -> None:
    claim = new_claim("a test")
    held = place.under(claim.token)
    place.hold(claim.token)
    place.write(claim.marker, b"")
    held.write("rows/a", b"1")
    commit_directory(held, "steps/1", lambda folder: (folder / "w").write_bytes(b"w"))
    before = everything(place)
    place.sweep({claim.token})  # what a take-over does first
    place.remove(claim.marker)
    for change in (
        lambda: held.write("rows/b", b"2"),
        lambda: held.write("rows/a", b"2"),
        lambda: held.remove("rows/a"),
        lambda: held.delete("steps"),
        lambda: held.delete("steps/1"),
        lambda: set_aside(held, "steps/1"),
        lambda: commit_directory(held, "steps/2", lambda folder: (folder / "w").write_bytes(b"w")),
    ):
        with pytest.raises(LostLeaseError, match="taken over by another process"):
            change()
    assert held.read("rows/a") == b"1"
    assert everything(place) == before - {claim.marker}


def everything(storage: Storage) -> set[str]:
    folders = ("rows", "steps/1", "steps/2", ".lease", "damaged")
    return {f"{folder}/{name}" for folder in folders for name in storage.list(folder)}


def test_a_take_over_in_the_middle_of_a_commit_is_in_time(storage: Storage) -> None:
    """The former holder has written all of its draft, and only the rename is left."""
    claim = new_claim("a test")
    storage.hold(claim.token)
    held = storage.under(claim.token)

    def fill(folder: Path) -> None:
        (folder / "w").write_bytes(b"w")
        storage.sweep({claim.token})

    with pytest.raises(LostLeaseError):
        commit_directory(held, "steps/1", fill)
    assert not storage.exists("steps/1")
    assert drafts(storage) == []


def test_a_storage_is_the_same_value_in_anybody_s_hands(storage: Storage) -> None:
    assert storage.under("0" * 32) == storage
    assert "0" * 32 not in repr(storage.under("0" * 32))


def test_the_forms_of_names_do_not_meet() -> None:
    token = uuid.uuid4().hex
    for name, form in ((f"driver-{token}", DRIVER), (process_draft(), PROCESS), (token, EARLIER)):
        assert [each for each in (DRIVER, PROCESS, EARLIER) if each.fullmatch(name)] == [form]
