"""Commands as a user gives them, many of them: each in a fork of a process that has loaded what they import.

`python -m tests.helpers.doors` is that process: it reads commands, a JSON object a line, and answers with how each
ended. A fork takes milliseconds where a process takes seconds to import, and is as clean.
"""

import contextlib
import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS, BYTES = 20.0, 2 * 2**30  # that a command may take, and use beside what is loaded
LOADED = (
    *(
        "torch",
        "polars",
        "pyarrow.parquet",
        "fsspec",
        "pydantic",
        "tyro",
        "rich.table",
        "yaml",
        "jsonschema",
        "PIL.Image",
    ),
    *("scaling.checkpoints", "scaling.data.pipeline", "scaling.deduplicate.matching", "scaling.evaluate.targets"),
    *("scaling.inspection.attention", "scaling.measure.steps", "scaling.runs", "scaling.schedule", "scaling.training"),
    *("analysis.commands", "analysis.report", "analysis.laws", "analysis.figures", "analysis.accounting"),
    *("analysis.commands.fit_text", "analysis.commands.next_answers", "analysis.commands.adoption", "pandas"),
    *("clusters.launch", "clusters.hardware", "search_spaces.catalog", "search_spaces.vtab"),
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    mebibytes: float


class Doors:
    """The process that is forked. `run` may be called again and again."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.doors"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "STUDY_SECONDS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, door: str, arguments: Sequence[str], folder: Path) -> Ended:
        """Run a door, a module or a script of the repository, in a folder."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([door, list(arguments), str(folder)]) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(SECONDS)
        self._process.stdout.close()


@contextlib.contextmanager
def doors() -> Iterator[Doors]:
    made = Doors()
    try:
        yield made
    finally:
        made.close()


def as_process(door: str, arguments: Sequence[str], folder: Path, more: Mapping[str, str]) -> Ended:
    """The same as a process of its own, from nothing, with the memory limited as a whole."""
    words = ["-m", door] if not door.endswith(".py") else [str(ROOT / door)]
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, *words, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        resource.prlimit(process.pid, resource.RLIMIT_AS, (BYTES, BYTES))
        ended = _ended(process.pid, out, err, began)
        process.returncode = ended.code  # it is waited for already
        return ended


def _ended(pid: int, out: Any, err: Any, began: float) -> Ended:
    """Wait for a child; one that takes too long is killed, and its code is -9."""
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() - began > SECONDS:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    texts = []
    for file in (out, err):
        file.seek(0)
        texts.append(file.read().decode(errors="backslashreplace"))
    seconds = time.monotonic() - began
    return Ended(os.waitstatus_to_exitcode(status), *texts, seconds, usage.ru_maxrss / 1024)


def _child(door: str, arguments: Sequence[str], folder: str, out: Any, err: Any) -> int:
    os.chdir(folder)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        for ours, theirs in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(ours.fileno(), theirs)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.argv = [door, *arguments]
    try:
        if door.endswith(".py"):
            sys.argv[0] = str(ROOT / door)
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            runpy.run_module(door, run_name="__main__", alter_sys=True)
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _prepare() -> None:
    """Import and make what the commands would each import and make for themselves."""
    from clusters.__main__ import Slices
    from scaling.console import parse
    from scaling.specs import Pretrain, Study, Transfer, from_json
    from search_spaces.catalog import study_names

    for name in LOADED:
        importlib.import_module(name)
    for kind in (Study, Pretrain, Transfer):
        with contextlib.suppress(ValueError):
            from_json(kind, "{}")
    parse(Slices, ["v4-8"], program="doors")
    study_names()
    del sys.modules["clusters.__main__"]


def _serve() -> None:
    _prepare()
    for line in sys.stdin:
        door, arguments, folder = json.loads(line)
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                os._exit(_child(door, arguments, folder, out, err))
            print(json.dumps(asdict(_ended(pid, out, err, began))), flush=True)


if __name__ == "__main__":
    _serve()
