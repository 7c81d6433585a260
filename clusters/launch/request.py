"""What a launch file is to bring up, checked before a line of it is written."""

import re
import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from textwrap import indent
from typing import Literal

import yaml

from clusters.hardware import Slice
from scaling.checks import check
from scaling.store import check_place

LaunchKind = Literal["ray-up-gcp", "ray-up-aws", "raycluster", "rayjob", "slurm", "skypilot"]
WITH_HEAD = ("ray-up-gcp", "ray-up-aws", "raycluster", "rayjob")  # Ray's head is a machine of its own there
WITHOUT_TPU = ("ray-up-aws", "slurm")
NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
WORD = re.compile(r"[A-Za-z0-9._:/@=+-]+")  # what needs no quotes in shell or Slurm, nor in YAML unless it means more
ZONES = {"ray-up-gcp": re.compile(r"[a-z]+-[a-z]+\d+-[a-z]"), "ray-up-aws": re.compile(r"[a-z]+(-[a-z]+)+-\d+[a-z]")}
MOST_HOURS = 24 * 365
ON_ONE_LINE = ("study", "storage")


@dataclass(frozen=True)
class LaunchRequest:
    """A cluster of one slice, and the study that it is for."""

    kind: LaunchKind
    slice: Slice
    name: str = "scaling-studies"
    study: str = "quickstart"
    storage: str | None = None
    workers: int | None = None
    image: str | None = None
    zone: str | None = None
    project: str | None = None
    claim: str = "scaling-studies"
    partition: str | None = None
    hours: int = 24
    spot: bool = False

    def __post_init__(self) -> None:
        check(NAME.fullmatch(self.name) is not None, f"--name {self.name!r}: small letters, digits and -, up to 40")
        for flag in ("image", "zone", "project", "claim", "partition"):
            value = getattr(self, flag)
            known = value is None or WORD.fullmatch(value) is not None
            check(known, f"--{flag} {value!r} has a character it cannot have: letters, digits and ._:/@=+- are allowed")
            check(value is None or value[0].isalnum(), f"--{flag} {value!r} must begin with a letter or digit")
        for flag in ON_ONE_LINE:
            value = getattr(self, flag)
            check(value is None or value.isprintable(), f"--{flag} {value!r} is not one line of printable text")
            check(value is None or value.strip() != "", f"--{flag} must not be empty, got {value!r}")
        if self.storage is not None:
            check_place(self.storage)
        zone = ZONES.get(self.kind)
        known = self.zone is None or zone is None or zone.fullmatch(self.zone) is not None
        check(known, f"--zone {self.zone!r} is none of {self.kind}: such as us-central1-a of GCP, us-east-1a of AWS")
        check(self.hours > 0, f"--hours must be positive, got {self.hours}")
        check(self.hours <= MOST_HOURS, f"--hours must be at most a year's {MOST_HOURS:,}, got {self.hours}")
        check(self.workers is None or self.workers > 0, f"--workers must be positive, got {self.workers}")
        chip = self.slice.chip
        tpu = chip.kind == "tpu"
        check(not tpu or self.kind not in WITHOUT_TPU, f"{self.kind} has no TPUs: take ray-up-gcp or rayjob")
        check(self.image is None or self.kind != "slurm", "slurm runs in the checkout's .venv: leave --image out")
        self._check_storage()

    def _check_storage(self) -> None:
        shared = self.storage is not None and is_shared(self.storage)
        check(
            shared or self.machines == 1,
            f"{self.machines} machines need a storage that all of them see: --storage gs://BUCKET/PATH or an absolute "
            f"path on a shared file system, not {self.storage or 'none'}",
        )

    @property
    def machines(self) -> int:
        return self.slice.hosts + (self.kind in WITH_HEAD)

    @property
    def command(self) -> str:
        """The front door with its options, without Python."""
        parts = ["scaling/run_study.py", self.study]
        if self.storage is not None:
            parts += ["--storage", self.storage]
        return shlex.join([*parts, "--workers", str(self.workers or self.slice.workers)])

    @property
    def constraints(self) -> str:
        """The checkout's file of exact versions: torch-xla pairs with one version of torch, and does not say so."""
        return "constraints-tpu-xla.txt" if self.slice.chip.kind == "tpu" else "constraints.txt"

    @property
    def extras(self) -> str:
        """Extras of this package that the machines need."""
        return "remote,tpu-xla" if self.slice.chip.kind == "tpu" else "remote,jpeg"


def is_shared(storage: str) -> bool:
    """Whether a storage may be seen from several machines: a URI, or an absolute path."""
    return storage.startswith("/") or ("://" in storage and not storage.startswith("file:"))


def ray_version() -> str:
    """Of the installed Ray: clients and clusters must agree."""
    return version("ray")


def ray_image(chip_kind: str) -> str:
    """Ray's own container image, with Python 3.11."""
    return f"rayproject/ray:{ray_version()}-py311{'-gpu' if chip_kind == 'gpu' else ''}"


def title(request: LaunchRequest, how: str) -> str:
    """The first comment lines of every file: what it is, and how it was made."""
    machines = request.slice
    shape = f", topology {machines.topology}" if machines.topology else ""
    hosts = "1 host" if machines.hosts == 1 else f"{machines.hosts} hosts"
    chips = f"{machines.chips} chips {machines.chip.name} on {hosts}{shape} ({machines.name})"
    return (
        f"# {how}: {chips}, study {request.study}.\n"
        f"# Made by `python -m clusters launch {request.kind}`; look at the lines that say 'change', then\n"
        f"# `python -m clusters check FILE`."
    )


def indented(text: str, spaces: int) -> str:
    """A block moved to the right, but for its first line: that stands where it is put into a template."""
    return indent(text, " " * spaces).lstrip()


def yaml_text(value: str) -> str:
    """A text as YAML reads it back: bare where that is the same text, also inside braces; else in double quotes."""
    try:
        bare = yaml.safe_load(f"{{key: {value}}}") == yaml.safe_load(f"key: {value}") == {"key": value}
    except (yaml.YAMLError, ValueError):
        bare = False
    return value if bare else yaml_quoted(value)


def yaml_quoted(value: str) -> str:
    """A text in YAML's double quotes, on one line, however long; emoji as they are, where JSON writes two halves."""
    return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=sys.maxsize)).rstrip("\n")
