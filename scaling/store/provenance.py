"""With what command, code and packages a study was worked on: one small JSON file a command, in `commands/`.

Rows say what came out; this says how to do it again. No part of any identity, and nothing reads it back to decide.
"""

import json
import platform
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scaling.store.storage import Storage

DIRECTORY = "commands"
PACKAGES = ("torch", "ray", "optuna", "numpy", "polars", "pyarrow", "pillow", "simplejpeg", "safetensors", "altair")
ROOT = Path(__file__).resolve().parents[2]
SECRET = re.compile(r"(?i)((?:secret|password|passwd|token|credential|access_key|api_key)[a-z_]*)=[^&\s]*")
LOGIN = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True)
class Command:
    """One command: its words, when it began (UTC), on what, and with which versions. `commit` is None outside git."""

    command: str
    started: str
    python: str
    machine: str
    packages: dict[str, str]
    commit: str | None = None


def record_command(storage: Storage, arguments: Sequence[str]) -> None:
    """Write down a command that is about to work on the storage. Logins and secrets in URIs are left out of it."""
    now = datetime.now(UTC)
    made = Command(
        command=without_secrets(shlex.join(arguments)),
        started=now.isoformat(timespec="seconds"),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        packages=versions(),
        commit=_commit(),
    )
    name = f"{DIRECTORY}/{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.json"
    storage.write(name, json.dumps(asdict(made), indent=1).encode())


def recorded_commands(storage: Storage) -> list[Command]:
    """The commands of a storage, the first one first. Files that are none are passed over: they decide nothing."""
    found = []
    for name in storage.list(DIRECTORY):
        try:
            found.append(Command(**json.loads(storage.read(f"{DIRECTORY}/{name}"))))
        except (ValueError, TypeError):
            continue
    return found


def command_typed() -> list[str]:
    """The words of this process's command, as a user would type them at the root of the checkout."""
    script = Path(sys.argv[0]).resolve()
    if not script.is_relative_to(ROOT):
        return ["python", *sys.argv]
    start = ["-m", "scaling.finetune_grid"] if script.stem == "finetune_grid" else [str(script.relative_to(ROOT))]
    return ["python", *start, *sys.argv[1:]]


def without_secrets(text: str) -> str:
    return SECRET.sub(r"\1=...", LOGIN.sub("://...@", text))


def versions() -> dict[str, str]:
    """The installed packages that decide results or read them."""
    found = {}
    for name in ("scaling-studies", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The checkout's commit, with a mark when files differ from it; None where this is no checkout."""
    if not (ROOT / ".git").exists():
        return None
    try:
        words = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
