"""The former place of `scaling.checkpoints`, which scripts of users may name; `load` was `load_weights`."""

import importlib
from typing import Any

FORMER = {"load": "load_weights"}


def __getattr__(name: str) -> Any:
    # Looked up when used: scaling.checkpoints is made of models, so importing it here would close a circle.
    return getattr(importlib.import_module("scaling.checkpoints"), FORMER.get(name, name))
