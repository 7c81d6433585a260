"""What must be the same, and what must not be left, whatever happened on the way."""

import hashlib
from pathlib import Path
from typing import Any

from scaling.store.results import finished_ids, read_rows
from scaling.store.schemas import TABLES
from scaling.store.storage import DRAFTS, Storage

RESULTS = ("pretrain", "curve", "trial", "transfer", "fewshot")
CLAIMS = ".lease"


def results(place: Path) -> dict[str, Any]:
    """All result rows, and the digests of the final weights, by name."""
    storage = Storage.of(place)
    rows: dict[str, Any] = {
        f"{table}/{unit}": read_rows(storage, table, unit) for table in RESULTS for unit in finished_ids(storage, table)
    }
    weights = sorted(place.glob("checkpoints/*/final/model.safetensors"))
    return rows | {file.parent.parent.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in weights}


def wrong(place: Path, whole: dict[str, Any]) -> list[str]:
    """What is not as after an undisturbed run, one line each."""
    found = results(place)
    complaints = [f"{name} is missing" for name in whole.keys() - found.keys()]
    complaints += [f"{name} is too many" for name in found.keys() - whole.keys()]
    complaints += [f"{name} differs" for name in whole.keys() & found.keys() if whole[name] != found[name]]
    return complaints + _left(place) + _account(place)


def _left(place: Path) -> list[str]:
    """Drafts, claims and checkpoints that nobody needs any more."""
    stray = [*place.glob(f"{DRAFTS}/*"), *place.glob(f"{CLAIMS}/*"), *place.glob("checkpoints/*/[0-9]*")]
    return [f"left behind: {path.relative_to(place)}" for path in stray]


def _account(place: Path) -> list[str]:
    """Every unit is done once, no attempt is open, and the steps of the attempts follow on each other."""
    storage, complaints = Storage.of(place), []
    attempts = [row for name in finished_ids(storage, "attempt") for row in read_rows(storage, "attempt", name)]
    for unit in sorted({row["unit_id"] for row in attempts}):
        tries = sorted((row for row in attempts if row["unit_id"] == unit), key=lambda row: row["started"])
        legs = max(1, len(_rungs(storage, unit)))
        outcomes = [row["outcome"] for row in tries]
        if outcomes.count("done") != legs or "running" in outcomes:
            complaints.append(f"attempts at {unit} are {outcomes}")
        steps = sum(row["committed_step"] - row["first_step"] for row in tries)
        if steps != max(row["last_step"] for row in tries):
            complaints.append(f"attempts at {unit} count {steps} steps")
    return complaints


def _rungs(storage: Storage, unit: str) -> list[int]:
    rows = read_rows(storage, "trial", unit)
    return rows[0]["rung_steps"] if rows else []


assert set(RESULTS) <= set(TABLES)
