"""Which commands worked on a study, with which code and packages: one small JSON file per command, in `commands/`.

Rows say what came out; this says how to do it again. It is no part of an identity, and nothing is decided by it.
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
# Names of options that hold secrets: secret_key, AWSAccessKeyId, account_key, X-Amz-Signature, sig, sas, Password ...
NAME = r"[\w.-]*(?:secret|passw|passphrase|credential)[\w-]*|[\w.-]*(?:token|signature|pwd|key|key[_-]?id)|sig|sas|auth"
# A login with a password ends at the last @ of its word, since passwords hold / and @; one without it at the first.
LOGIN = re.compile(rf"""(?i)://(?:[^\s/?#@:"]*:(?:(?![?&;](?:{NAME})=)[^\s"])*|[^\s/?#@"]+)@""")
# At the beginning of a word, not inside a path: /data/key=5 is a directory.
OPTION = re.compile(rf"""(?i)(?<![\w/.%-])(-*(?:{NAME}))=[^&\s"]+""")
HEADER = re.compile(r"(?i)\b(bearer)\s+[^\s\"]+")


@dataclass(frozen=True)
class Command:
    """One command that worked on a storage."""

    command: str  # as a shell takes it
    started: str  # ISO 8601, UTC
    python: str  # version
    machine: str  # operating system and architecture
    packages: dict[str, str]  # versions by name
    commit: str | None = None  # of the checkout; None outside git


def record_command(storage: Storage, arguments: Sequence[str]) -> None:
    """Write down a command that is about to work on the storage, without logins and secrets that its URIs hold."""
    now = datetime.now(UTC)
    command = Command(
        command=shlex.join(map(without_secrets, arguments)),
        started=now.isoformat(timespec="seconds"),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        packages=versions(),
        commit=_commit(),
    )
    name = f"{DIRECTORY}/{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.json"
    storage.write(name, json.dumps(asdict(command), indent=1).encode())


def recorded_commands(storage: Storage) -> list[Command]:
    """The commands of a storage, earliest first. Files that hold none are skipped: nothing is decided by them."""
    commands = []
    for name in storage.list(DIRECTORY):
        try:
            command = Command(**json.loads(storage.read(f"{DIRECTORY}/{name}")))
        except (ValueError, TypeError, RecursionError, OSError):
            continue
        texts = (command.command, command.started, command.python, command.machine, command.commit or "")
        if isinstance(command.packages, dict) and all(isinstance(text, str) for text in (*texts, *command.packages)):
            commands.append(command)
    return commands


def command_typed() -> list[str]:
    """The words of this process's command, as a user types them at the root of the checkout."""
    script = Path(sys.argv[0]).resolve()
    if not script.is_relative_to(ROOT):
        return ["python", *sys.argv]
    start = ["-m", "scaling.finetune_grid"] if script.stem == "finetune_grid" else [str(script.relative_to(ROOT))]
    return ["python", *start, *sys.argv[1:]]


def without_secrets(text: str) -> str:
    """A command, message or URI without logins, and without the values of options that are called like secrets."""
    return HEADER.sub(r"\1 ...", OPTION.sub(r"\1=...", LOGIN.sub("://...@", text)))


def refuse_secrets(uri: str | None, what: str) -> None:
    """Raise ValueError, without the secret, for a URI that holds one and would be written down: specs are kept."""
    shown = without_secrets(uri or "")
    if shown != (uri or ""):
        raise ValueError(
            f"{what} {shown} holds a login or key, which would be written into a file: leave it out and "
            "give it in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )


def versions() -> dict[str, str]:
    """Versions of the installed packages that results depend on, or that read them."""
    installed = {}
    for name in ("scaling-studies", *PACKAGES):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def _commit() -> str | None:
    """The checkout's commit, with '-dirty' when files differ from it; None where this is no checkout."""
    if not (ROOT / ".git").exists():
        return None
    try:
        # Without tags: the name of a commit, not its distance from a release.
        words = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
