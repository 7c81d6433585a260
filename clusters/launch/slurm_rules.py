"""Rules for Slurm scripts: known options, and the same numbers of hosts, GPUs and CPUs for Slurm and for Ray."""

import difflib
import re
from collections.abc import Iterator

from clusters.launch import rules
from clusters.launch.yaml_lines import LineError

DIRECTIVE = re.compile(r"#SBATCH\s+(--[a-z-]+)(?:=(\S+))?\s*(#.*)?")
KNOWN = """
    account array begin chdir comment constraint cpus-per-gpu cpus-per-task dependency error exclude exclusive export
    gpus gpus-per-node gpus-per-task gres job-name licenses mail-type mail-user mem mem-per-cpu mem-per-gpu network
    no-requeue nodelist nodes ntasks ntasks-per-node open-mode output partition qos requeue reservation segment signal
    switches time time-min
"""  # the options of sbatch that a training may want
FLAG = re.compile(r"(--[a-z-]+)(?:=|\s+)(\d+)\b")
PAIRS = (  # (of sbatch, of srun or Ray): the same number
    ("--nodes", "--nodes"),
    ("--nodes", "--ntasks"),
    ("--nodes", "--min-nodes"),
    ("--gpus-per-node", "--num-gpus"),
    ("--cpus-per-task", "--num-cpus"),
)


def slurm_mistakes(text: str) -> Iterator[LineError]:
    asked: dict[str, tuple[str, int]] = {}
    flags: dict[str, tuple[int, int]] = {}
    lines = text.splitlines()
    if not lines[0].startswith("#!"):
        yield LineError(1, "the first line names no shell: #!/bin/bash")
    for number, line in enumerate(lines, 1):
        if line.startswith("#SBATCH"):
            yield from _directive(line, number, asked)
        elif not line.lstrip().startswith("#"):
            flags.update({flag: (int(value), number) for flag, value in FLAG.findall(line)})
    yield from _numbers(asked, flags)
    # Comments become empty lines, so that the numbers of the others stay.
    shell = "\n".join("" if line.lstrip().startswith("#") else line for line in lines)
    yield from rules.dashboard_mistakes(shell)
    runs = next((number for number, line in enumerate(lines, 1) if "run_study.py" in line), len(lines))
    nodes, _ = asked.get("--nodes", ("1", 1))
    yield from rules.storage_mistakes(shell, runs, int(nodes) if nodes.isdecimal() else 1)


def _directive(line: str, number: int, asked: dict[str, tuple[str, int]]) -> Iterator[LineError]:
    match = DIRECTIVE.fullmatch(line)
    if match is None:
        yield LineError(number, f"{line!r} is no option of the form #SBATCH --name=value")
        return
    option, value, _ = match.groups()
    known = [f"--{name}" for name in KNOWN.split()]
    if option not in known:
        near = difflib.get_close_matches(option, known, n=1)
        yield LineError(number, f"sbatch has no option {option}{f'; is it {near[0]}?' if near else ''}")
    asked[option] = (value or "", number)


def _numbers(asked: dict[str, tuple[str, int]], flags: dict[str, tuple[int, int]]) -> Iterator[LineError]:
    if "--min-nodes" not in flags:
        yield LineError(1, "no `ray symmetric-run --min-nodes N` starts Ray on the nodes")
    each, at = asked.get("--ntasks-per-node", ("1", 1))
    if each != "1":
        yield LineError(at, f"--ntasks-per-node={each}: Ray is started once a node")
    for option, flag in PAIRS:
        if option in asked and flag in flags:
            (wanted, line), (given, number) = asked[option], flags[flag]
            if wanted != str(given):
                yield LineError(number, f"{flag} {given} is at odds with {option}={wanted} of line {line}")
