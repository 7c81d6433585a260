"""Say what slices of TPUs and GPUs are, and write and check launch files.

Reads no cloud and starts nothing.

python -m clusters slices v4-16 h100:64
python -m clusters launch slurm --slice h100:16 --storage /shared/study
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from clusters.hardware import slice_named, slice_wanted
from clusters.launch import LaunchKind, LaunchRequest, LineError, launch_file, mistakes
from scaling.checks import check, printable, read_regular
from scaling.console import USER_ERROR, WideTable, console, exit_code, guard_output, parse_command


@dataclass(frozen=True)
class Slices:
    """Print slices by name: chips, hosts, workers, topology and Ray's ScalingConfig.

    python -m clusters slices v4-16 h100:64
    python -m clusters slices v5e-16 --json
    """

    names: tyro.conf.Positional[tuple[str, ...]]
    """Such as v4-16 (cores), v5e-16 (chips), v4:2x2x4 (shape), h100:64."""
    json: bool = False
    """Print one JSON value instead of text."""


@dataclass(frozen=True)
class Launch:
    """Write the file that brings up a cluster for a study, as its comments say how.

    python -m clusters launch slurm --slice h100:16 --storage /shared/study
    python -m clusters launch ray-up-gcp --slice v4-16 --storage gs://bucket/study --out cluster.yaml
    """

    kind: tyro.conf.Positional[LaunchKind]
    """What brings it up: Ray's cluster launcher, KubeRay, Slurm or SkyPilot."""
    slice: str | None = None
    """The machines by name, such as v4-16, v5e-16, h100:64; see `slices`."""
    hardware: str | None = None
    """Or by chip, such as h100 or tpu-v4 ..."""
    nodes: int | None = None
    """... and number of machines, each with all its chips. Default: 1."""
    storage: str | None = None
    """Where rows and checkpoints go: a URI, or an absolute path that all machines see."""
    study: str = "quickstart"
    """The study to run."""
    workers: int | None = None
    """Data-parallel workers of a run. Default: all of the slice, one a GPU or TPU host."""
    name: str = "scaling-studies"
    """Of the cluster or job."""
    image: str | None = None
    """Container image. Default: Ray's own; for KubeRay, one that the file says how to build."""
    zone: str | None = None
    """Of the cloud (ray up)."""
    project: str | None = None
    """Of Google Cloud (ray up)."""
    claim: str = "scaling-studies"
    """Kubernetes volume claim of a storage that is a path."""
    partition: str | None = None
    """Of Slurm."""
    hours: int = 24
    """At most, of a job (Slurm, RayJob)."""
    spot: bool = False
    """Machines that may be taken away."""
    out: Path | None = None
    """File to write. Default: standard output."""


@dataclass(frozen=True)
class Check:
    """Check launch files, ours or yours: exit code 2 and a line for each mistake.

    python -m clusters check cluster.yaml
    python -m clusters check clusters/launch/samples/*.yaml
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Of ray up, KubeRay, Slurm or SkyPilot."""


Command = Slices | Launch | Check
LARGEST = 2**18  # bytes of a launch file
COMMANDS: dict[str, type[Command]] = {"slices": Slices, "launch": Launch, "check": Check}


def main(options: Command) -> int:
    match options:
        case Slices():
            return slices(options)
        case Launch():
            return launch(options)
        case Check():
            return check_files(options)


def slices(options: Slices) -> int:
    from clusters.execution import describe_slice  # here: ray takes seconds to import

    check(options.names != (), "give the names of slices, such as v4-16 h100:64")
    descriptions = [describe_slice(slice_named(name)) for name in options.names]
    if options.json:
        print(json.dumps(descriptions, indent=1))
        return 0
    headings = ("slice", "topology", "chips", "cores", "hosts", "chips per host", "workers", "$/h")
    rows = []
    for each in descriptions:
        price = each["price_usd_per_hour"]
        numbers = [str(each[key]) for key in ("chips", "cores", "hosts", "chips_on_host", "workers")]
        rows.append((each["slice"], each["topology"] or "–", *numbers, "–" if price is None else f"{price:,.2f}"))
    table = WideTable("Slices", headings, tuple(rows), labels=2)
    out = console()
    out.print(table)
    for each in descriptions:
        arguments = ", ".join(f"{name}={value!r}" for name, value in each["scaling_config"].items())
        out.print(f"{each['slice']}: ScalingConfig({arguments})", markup=False, soft_wrap=True)
    return 0


def launch(options: Launch) -> int:
    shape = slice_wanted(options.slice, options.hardware, options.nodes)
    fields = ("kind", "name", "study", "storage", "workers", "image", "zone", "project", "claim", "partition", "hours")
    text = launch_file(
        LaunchRequest(slice=shape, spot=options.spot, **{field: getattr(options, field) for field in fields})
    )
    if options.out is None:
        print(text, end="")
        return 0
    try:
        with open(options.out, "w", encoding="utf-8", opener=_without_waiting) as file:
            file.write(text)
    except OSError as error:
        raise ValueError(f"--out {options.out}: {error.strerror}") from None
    return 0


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; of a FIFO that nobody reads it says so, instead of waiting for a reader."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def check_files(options: Check) -> int:
    check(options.files != (), "give the files to check")
    wrong = 0
    for file in options.files:
        kind, mistakes = _read(file)
        for mistake in mistakes:
            print(printable(f"{file}:{mistake.line}: {' '.join(str(mistake).split())}"), file=sys.stderr)
        if not mistakes:
            print(printable(f"{file}: {kind}, no mistakes found"))
        wrong += len(mistakes)
    return USER_ERROR if wrong else 0


def _read(file: Path) -> tuple[str, list[LineError]]:
    try:
        return mistakes(read_regular(file, LARGEST).decode())
    except LineError as mistake:
        return "unknown", [mistake]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"{file}: {reason}") from None


if __name__ == "__main__":
    guard_output(drop=False)
    sys.exit(
        exit_code(lambda: main(parse_command(COMMANDS, __doc__ or "", sys.argv[1:], program="python -m clusters")))
    )
