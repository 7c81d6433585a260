"""The checkpoints of a training's steps."""

import re
from pathlib import PurePosixPath

from scaling.store.results import checkpoint_name
from scaling.store.storage import Storage

STEP = re.compile(r"[0-9]{9}")  # padded, so that sorted names are in the order of steps


def step_checkpoints(storage: Storage, unit_id: str) -> list[str]:
    """Directories of the committed states of an unfinished training, by step."""
    return [name for name in begun_checkpoints(storage, unit_id) if storage.committed(name)]


def begun_checkpoints(storage: Storage, unit_id: str) -> list[str]:
    """Those that are half written too, as they can be on an object store."""
    root = PurePosixPath(checkpoint_name(unit_id)).parent.as_posix()
    return [checkpoint_name(unit_id, step) for step in storage.list(root) if STEP.fullmatch(step)]
