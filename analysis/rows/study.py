"""The study that a storage's rows belong to."""

from scaling.specs import Study, from_json
from scaling.store import Storage


def stored_study(storage: Storage) -> Study | None:
    """The study in a storage's `study.json`; None when there is no such file or this version cannot read it."""
    if not storage.exists("study.json"):
        return None
    try:
        return from_json(Study, storage.read("study.json").decode())
    except (ValueError, RecursionError):
        return None
