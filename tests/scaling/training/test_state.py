"""Checkpoints that are not as they were written are named and set aside, and the one before is taken."""

import hashlib
from collections import deque
from pathlib import Path

import pytest
import torch

from scaling.checkpoints.upstream import read_weights
from scaling.store import leftovers, results
from scaling.store.manifest import DamagedError
from scaling.store.storage import Storage
from scaling.training.state import State, latest_state, resume_state, save_final_weights, save_state
from tests.helpers.rows import example

FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")


def state_at(step: int) -> State:
    torch.manual_seed(step)
    module = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return State(module, optimizer, None, deque([1.0 * step]), step=step)


def saved(storage: Storage) -> None:
    for step in (10, 20):
        save_state(storage, "unit", state_at(step))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("size", [0, 30, None])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    storage: Storage, capsys: pytest.CaptureFixture[str], file: str, size: int | None
) -> None:
    """Emptied, cut, or with one bit changed."""
    saved(storage)
    name = f"checkpoints/unit/000000020/{file}"
    whole = storage.read(name)
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 4]) + whole[len(whole) // 2 + 1 :]
    storage.write(name, flipped if size is None else whole[:size])
    newest = latest_state(storage, "unit")
    assert newest == "checkpoints/unit/000000010"
    now = state_at(1)
    resume_state(storage, newest, now)
    assert now.step == 10
    assert torch.equal(now.module.state_dict()["weight"], state_at(10).module.state_dict()["weight"])
    assert f"000000020/{file} is " in capsys.readouterr().err
    assert [name.rpartition("-")[0] for name in storage.list("damaged")] == ["unit-000000020"]


@pytest.mark.parametrize("file", [None, *FILES[:-1]])
def test_one_without_a_manifest_resumes_unchecked_unless_it_cannot_be_read(
    storage: Storage, capsys: pytest.CaptureFixture[str], file: str | None
) -> None:
    saved(storage)
    for step in ("000000010", "000000020"):
        storage.remove(f"checkpoints/unit/{step}/MANIFEST.json")
    if file:
        storage.write(f"checkpoints/unit/000000020/{file}", b"")
    newest = latest_state(storage, "unit")
    assert newest == f"checkpoints/unit/0000000{'1' if file else '2'}0"
    assert f"{newest} was written without digests: it is resumed, but cannot be checked" in capsys.readouterr().err
    resume_state(storage, newest, state_at(1))


def test_without_a_whole_checkpoint_the_training_begins_anew(storage: Storage) -> None:
    saved(storage)
    for step in ("000000010", "000000020"):
        storage.write(f"checkpoints/unit/{step}/state.json", b"")
    assert latest_state(storage, "unit") is None
    assert len(storage.list("damaged")) == 2


def test_empty_final_weights_are_not_kept(storage: Storage) -> None:
    module = torch.nn.Linear(2, 2)
    digest = save_final_weights(storage, "unit", module, "{}")
    storage.write("checkpoints/unit/final/model.safetensors", b"")
    assert save_final_weights(storage, "unit", module, "{}") == digest
    assert hashlib.sha256(storage.read("checkpoints/unit/final/model.safetensors")).hexdigest() == digest


def final(storage: Storage) -> Storage:
    digest = save_final_weights(storage, "unit", torch.nn.Linear(2, 2), "{}")
    results.write_rows(storage, "pretrain", [example("pretrain", run_id="unit", weights_sha256=digest)])
    return Storage.of(storage.path("checkpoints/unit/final"))


@pytest.mark.parametrize("file", ["model.safetensors", "spec.json", "MANIFEST.json"])
def test_damaged_final_weights_are_refused_by_name(storage: Storage, file: str) -> None:
    directory = final(storage)
    read_weights(directory)
    content = bytearray(directory.read(file))
    content[-1] ^= 1
    directory.write(file, bytes(content))
    with pytest.raises(DamagedError, match=rf"final/{file} is damaged.*to train it again, remove .*unit\.parq"):
        read_weights(directory)


def test_final_weights_are_compared_with_their_row(place: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those of an earlier version, which have no digests beside them."""
    directory = final(place)
    directory.remove("MANIFEST.json")
    read_weights(directory)
    assert capsys.readouterr().err == ""
    content = bytearray(directory.read("model.safetensors"))
    content[-1] ^= 1
    directory.write("model.safetensors", bytes(content))
    with pytest.raises(DamagedError, match="it has other bytes than the run's row says"):
        read_weights(directory)
    place.remove("pretrain/unit.parquet")
    read_weights(directory)
    assert "cannot be checked" in capsys.readouterr().err


def test_what_a_kill_left_of_finished_units_goes_at_the_next_start(place: Storage) -> None:
    saved(place)
    save_state(place, "rung", state_at(3))
    save_state(place, "open", state_at(3))
    save_final_weights(place, "unit", torch.nn.Linear(2, 2), "{}")
    results.write_rows(place, "pretrain", [example("pretrain", run_id="unit")])
    results.write_rows(place, "trial", [example("trial", trial_id="rung", steps=9, steps_done=3)])
    leftovers.clear_leftovers(place, "a test")
    assert place.list("checkpoints/unit") == ["final"]
    assert place.list("checkpoints/rung") == ["000000003"]
    assert place.list("checkpoints/open") == ["000000003"]
    results.write_rows(place, "trial", [example("trial", trial_id="rung", steps=3, steps_done=3)])
    leftovers.clear_finished(place)
    assert place.list("checkpoints/rung") == []


def test_names_of_other_forms_are_no_steps(storage: Storage, tmp_path: Path) -> None:
    assert storage.local is not None
    saved(storage)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").touch()
    for name in ("٠٠٠٠٠٠٠٣٠", "99", "notes"):
        (storage.local / "checkpoints" / "unit" / name).mkdir()
    (storage.local / "checkpoints" / "unit" / "000000005").symlink_to(victim)
    assert latest_state(storage, "unit") == "checkpoints/unit/000000020"
    save_final_weights(storage, "unit", torch.nn.Linear(2, 2), "{}")
    leftovers.clear_checkpoints(storage, "unit")
    assert storage.list("checkpoints/unit") == ["99", "final", "notes", "٠٠٠٠٠٠٠٣٠"]
    assert (victim / "kept").exists()
