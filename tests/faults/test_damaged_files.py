"""Bit flips, emptied and truncated files, in every kind of file: the damage is mended, or named; never silent."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scaling.checkpoints.whole import WEIGHTS, check_whole
from scaling.store.manifest import DamagedError
from scaling.store.results import finished_ids
from scaling.store.storage import Storage
from tests.faults import crashes
from tests.faults.bench import Bench

Damage = Callable[[bytes, random.Random], bytes]


def flipped(content: bytes, rng: random.Random) -> bytes:
    """One bit is another."""
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def emptied(content: bytes, rng: random.Random) -> bytes:
    """As a file whose bytes never reached the disk."""
    return b""


def truncated(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def zeroed(content: bytes, rng: random.Random) -> bytes:
    """The length has reached the disk, the bytes from somewhere on have not."""
    start = rng.randrange(len(content))
    return content[:start] + bytes(len(content) - start)


DAMAGES: tuple[Damage, ...] = (emptied, truncated, zeroed)


def kind(file: Path, place: Path) -> str:
    """What a file is: the name of its table, or its own name in a checkpoint."""
    table, *others = file.relative_to(place).parts
    if table != "checkpoints":
        return table
    return f"{'final' if 'final' in others else 'step'} {file.name}"


def broken_off(bench: Bench, place: Path, moments: random.Random) -> None:
    """A storage as a crash somewhere in the job leaves it; or as it was before the job, or is after it."""
    bench.again(place)
    share = moments.random()
    if share < 0.7 and bench.operations:
        point = crashes.Point(moments.randrange(len(bench.operations) // 4, len(bench.operations)), "before")
        bench.run(place, point=point)
    elif share < 0.85:
        bench.run(place)


def hurt(bench: Bench, place: Path, damage: Damage, rng: random.Random, seen: Counter[str]) -> tuple[Path, str] | None:
    """Damage one file of a storage, of a kind that was seldom damaged before; its path and kind."""
    files = [file for file in sorted(place.rglob("*")) if file.is_file() and file.stat().st_size]
    files = [file for file in files if not file.relative_to(place).parts[0].startswith(".")]
    if not files:
        return None
    file = min(files, key=lambda file: (seen[kind(file, place)], rng.random()))
    content = file.read_bytes()
    changed = damage(content, rng)
    if changed == content:
        return None
    file.write_bytes(changed)
    return file, kind(file, place)


def told(bench: Bench, place: Path, file: Path, errors: Path) -> str:
    """What the next run makes of a damaged file: mended (nothing is wrong then), named, or what went wrong."""
    errors.unlink(missing_ok=True)
    end = bench.run(place, errors)
    words = errors.read_text()
    lines = words.splitlines()
    if "Traceback" in words:
        return f"a traceback: {lines[-1]}"
    if end.code == 2:
        named = any(part in words for part in (file.name, file.parent.name, file.parent.parent.name))
        return "named" if named and len(lines) == 1 else f"not named in one line: {lines}"
    if end.code:
        return f"exit code {end.code}: {lines[-1:]}"
    try:
        complaints = bench.wrong(place)
    except ValueError as error:  # a row that the run did not need: who reads it is told
        return "named" if file.name in str(error) else f"not named: {error}"
    return "; ".join(each for each in complaints if not _known(each, file, place, words)) or "mended"


def _known(complaint: str, file: Path, place: Path, words: str) -> bool:
    """Whether the complaint is of what an empty row has lost, as the job said, or of a file that the job did not need,
    and that its reader is told of."""
    if file.name == WEIGHTS and complaint.endswith(f"{file.name} differs"):
        with pytest.raises(DamagedError):
            check_whole(Storage.of(file.parent))
        return True
    if file.suffix != ".parquet":
        return False
    # A row that is empty counts as absent: its unit is done again where it is asked for, and has more attempts and
    # steps; of an attempt the account is gone.
    table, name = file.parent.name, file.stem
    said = f"{file.name} is empty: it counts as absent" in words
    account = said and complaint.startswith(f"attempts at {name.partition('-')[0]} ")
    return account or (name not in finished_ids(Storage.of(place), table) and complaint == f"{table}/{name} is missing")


def campaign(
    benches: dict[str, Bench], place: Path, damages: tuple[Damage, ...], count: int, seed: int
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """So many damages of files: how often each kind was hurt, how each ended well, and all that went wrong."""
    rng, seen, ends, complaints = random.Random(seed), Counter[str](), Counter[str](), Counter[str]()
    while seen.total() < count:
        bench = rng.choice(list(benches.values()))
        broken_off(bench, place, rng)
        for damage in damages:
            copy = place.with_name("damaged")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(place, copy)
            if (damaged := hurt(bench, copy, damage, rng, seen)) is None:
                continue
            file, what = damaged
            seen[what] += 1
            how = told(bench, copy, file, place.with_name("errors"))
            good = how in ("mended", "named")
            (ends if good else complaints)[how if good else f"{damage.__name__} {what}: {how}"] += 1
    return seen, ends, complaints


@pytest.mark.parametrize("count", [8, pytest.param(1000, marks=pytest.mark.faults)])
def test_no_flipped_bit_is_silent(benches: dict[str, Bench], tmp_path: Path, count: int, record_property: Any) -> None:
    seen, ends, complaints = campaign(benches, tmp_path / "storage", (flipped,), count, seed=count)
    record_property("campaign", f"bit flips: {dict(seen)}: {dict(ends)}, {complaints.total()} complaints")
    assert not complaints


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.faults)])
def test_emptied_and_truncated_files(
    benches: dict[str, Bench], tmp_path: Path, count: int, record_property: Any
) -> None:
    seen, ends, complaints = campaign(benches, tmp_path / "storage", DAMAGES, count, seed=count + 1)
    record_property("campaign", f"torn files: {dict(seen)}: {dict(ends)}, {complaints.total()} complaints")
    assert not complaints
