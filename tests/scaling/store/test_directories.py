"""A committed directory is read as it was written, or named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.store.directories import commit_directory, open_directory
from scaling.store.manifest import DamagedError, digest, manifest_of, parse_manifest
from scaling.store.storage import Storage

CONTENT = {"model.safetensors": b"weights" * 40, "spec.json": b"{}"}
NAME = "checkpoints/unit/final"


def writes(files: dict[str, bytes]) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return fill


def read_all(storage: Storage) -> dict[str, bytes]:
    found = open_directory(storage, NAME)
    return {file: found.read(file) for file in CONTENT}


def test_every_flip_of_a_bit_in_any_file_is_found(storage: Storage) -> None:
    commit_directory(storage, NAME, writes(CONTENT))
    assert read_all(storage) == CONTENT
    flips = 0
    for file in (*CONTENT, "MANIFEST.json"):
        whole = storage.read(f"{NAME}/{file}")
        for bit in range(0, 8 * len(whole), 5):
            torn = bytearray(whole)
            torn[bit // 8] ^= 1 << bit % 8
            storage.write(f"{NAME}/{file}", bytes(torn))
            with pytest.raises(DamagedError, match=r"(model\.safetensors|spec|MANIFEST)\.?(json)? is damaged"):
                read_all(storage)
            flips += 1
        storage.write(f"{NAME}/{file}", whole)
    assert flips > 500
    assert read_all(storage) == CONTENT


@pytest.mark.parametrize("file", [*CONTENT, "MANIFEST.json"])
@pytest.mark.parametrize("size", [0, 1, 20])
def test_emptied_and_cut_files_are_named(storage: Storage, file: str, size: int) -> None:
    commit_directory(storage, NAME, writes({**CONTENT, "spec.json": b"{" + b" " * 50 + b"}"}))
    storage.write(f"{NAME}/{file}", storage.read(f"{NAME}/{file}")[:size])
    with pytest.raises(DamagedError, match=rf"{file} is (damaged|empty)"):
        open_directory(storage, NAME).check()


def test_a_file_that_is_gone_is_named(place: Storage) -> None:
    commit_directory(place, NAME, writes(CONTENT))
    place.remove(f"{NAME}/spec.json")
    with pytest.raises(DamagedError, match=r"final/spec\.json is missing"):
        open_directory(place, NAME).check()


def test_a_damaged_directory_does_not_count_as_committed(place: Storage) -> None:
    """As a lost flush leaves it: the same commit again takes its place, and it is set aside."""
    commit_directory(place, NAME, writes(CONTENT))
    place.write(f"{NAME}/model.safetensors", b"")
    digests = commit_directory(place, NAME, writes(CONTENT))
    assert digests["model.safetensors"] == digest(CONTENT["model.safetensors"])
    assert read_all(place) == CONTENT
    assert [name.rpartition("-")[0] for name in place.list("damaged")] == ["unit-final"]


@pytest.mark.parametrize("file", ["model.safetensors", "spec.json"])
def test_one_without_a_manifest_stays_if_it_is_the_same(storage: Storage, file: str) -> None:
    """What an earlier version has committed cannot be checked, but compared."""
    commit_directory(storage, NAME, writes(CONTENT))
    storage.remove(f"{NAME}/MANIFEST.json")
    commit_directory(storage, NAME, writes(CONTENT))
    assert storage.list("damaged") == []
    assert not open_directory(storage, NAME).checked
    storage.write(f"{NAME}/{file}", b"other")
    commit_directory(storage, NAME, writes(CONTENT))
    assert read_all(storage) == CONTENT
    assert len(storage.list("damaged")) == 1


def test_the_list_of_names_of_earlier_versions_is_read(place: Storage) -> None:
    for name, content in CONTENT.items():
        place.write(f"{NAME}/{name}", content)
    place.write(f"{NAME}/MANIFEST.json", json.dumps(sorted(CONTENT)).encode())
    found = open_directory(place, NAME)
    assert not found.checked
    assert found.has("spec.json")
    assert read_all(place) == CONTENT


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]*", fullmatch=True), st.binary()))
def test_a_manifest_reads_back(files: dict[str, bytes]) -> None:
    digests = {name: digest(content) for name, content in files.items()}
    assert parse_manifest(manifest_of(digests), "here") == digests


@pytest.mark.parametrize("value", ["[]", "null", "3", "{}", '["../x"]', '{"files": 3}', "[" * 100_000, "\ufeff{}"])
def test_what_is_no_manifest_is_named(value: str) -> None:
    with pytest.raises(DamagedError, match="here is damaged"):
        parse_manifest(value.encode(), "here")
