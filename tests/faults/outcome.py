"""What must be the same, and what must not be left, whatever happened on the way."""

import hashlib
from typing import Any

from scaling.store.results import checkpoint_name, finished_ids, read_rows
from scaling.store.storage import DRAFTS, Storage

RESULTS = ("pretrain", "curve", "trial", "transfer", "fewshot")
CLAIMS = ".lease"


def results(storage: Storage) -> dict[str, Any]:
    """All result rows, and the digests of the final weights, by name."""
    rows: dict[str, Any] = {
        f"{table}/{unit}": read_rows(storage, table, unit) for table in RESULTS for unit in finished_ids(storage, table)
    }
    return rows | {name: hashlib.sha256(storage.read(name)).hexdigest() for name in _weights(storage)}


def _weights(storage: Storage) -> list[str]:
    names = [f"{checkpoint_name(unit)}/model.safetensors" for unit in storage.list("checkpoints")]
    return [name for name in names if storage.exists(name)]


def wrong(storage: Storage, whole: dict[str, Any]) -> list[str]:
    """What is not as after an undisturbed run, one line each."""
    found = results(storage)
    complaints = [f"{name} is missing" for name in whole.keys() - found.keys()]
    complaints += [f"{name} is too many" for name in found.keys() - whole.keys()]
    complaints += [f"{name} differs" for name in whole.keys() & found.keys() if whole[name] != found[name]]
    return complaints + _left(storage) + _account(storage)


def _left(storage: Storage) -> list[str]:
    """Drafts, claims and checkpoints that nobody needs any more."""
    folders = [DRAFTS, CLAIMS, *(f"checkpoints/{unit}" for unit in storage.list("checkpoints"))]
    found = [(folder, name) for folder in folders for name in storage.list(folder)]
    return [f"left behind: {folder}/{name}" for folder, name in found if name != "final"]


def _account(storage: Storage) -> list[str]:
    """Every unit is done once, no attempt is open, and the steps of the attempts follow on each other."""
    complaints = []
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
    """The rungs that a trial has reached, each by an attempt of its own."""
    rows = read_rows(storage, "trial", unit)
    return rows[0]["rung_steps"] if rows else []
