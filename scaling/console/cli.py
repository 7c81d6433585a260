"""What the front doors share: parsing, exit codes, and the console."""

import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from rich.console import Console

from scaling.checks import check, end_notes, hold_notes, printable
from scaling.console.arguments import check_flag, parse, program_name
from scaling.console.output import guard_output
from scaling.console.plain import PlainConsole
from scaling.console.trackers import Tracking
from scaling.specs import Execution
from scaling.store import Storage, check_lasting, without_secrets

Options = TypeVar("Options")
USER_ERROR, INTERRUPTED = 2, 130
IN_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray for the driver of a job


@dataclass(frozen=True)
class Machine:
    """How the work is laid on the machines: no part of any spec."""

    workers: int = 1
    """Data-parallel workers of each pre-training run; runs go side by side where the cluster has room."""
    min_workers: int | None = None
    """Fewest workers that a run goes on with when machines are lost, to grow again later. Default: --workers."""
    trial_workers: int = 1
    """Data-parallel workers of each fine-tuning, where one device is not enough."""
    trial_gpus: float = 1.0
    """GPUs of a fine-tuning with one worker: 0.5 lets two share one."""
    max_concurrent: int | None = None
    """Fine-tunings side by side, at most. Default: as many as the cluster has room for."""
    hang_seconds: float = 120.0
    """Seconds without a step after which workers are taken for hung and begun anew from their checkpoint; 0: never.
    It is more where steps take long, and 60 times as long where that is not known yet, as at a start."""
    execution: Execution = field(default_factory=Execution)
    optuna_storage: str | None = None
    """Where the searches are shown as Optuna studies, as a URL. Default: optuna.db in a local storage."""
    tracking: Tracking = field(default_factory=Tracking)

    def check(self) -> None:
        """Raise ValueError for numbers that no cluster can satisfy, and for trackers that are not installed."""
        for flag in ("workers", "min_workers", "trial_workers", "max_concurrent"):
            value = getattr(self, flag)
            check(value is None or value >= 1, f"--{flag.replace('_', '-')} must be at least 1, got {value}")
        fewest = self.min_workers or self.workers
        check(fewest <= self.workers, f"--min-workers {fewest} is more than --workers {self.workers}")
        check_flag("hang_seconds", self.hang_seconds, zero=True)
        loaders = self.execution.loaders
        check(loaders is None or loaders >= 0, f"--loaders must not be negative, got {loaders}")
        self.tracking.check()
        check(0 < self.trial_gpus <= 1, f"--trial-gpus must be in (0, 1], got {self.trial_gpus}")


def storage_of(given: str | None, default: str | Path | None = None) -> Storage:
    """The storage that a command was given, or else the default.

    Raises ValueError for what keeps nothing, as `check_lasting` does, and in a Ray job for one inside the job's copy of
    the working directory, which goes with the job.
    """
    if given is not None:
        check_lasting(given)
    lasting = given is not None and ("://" in given or Path(given).expanduser().is_absolute())
    check(
        lasting or IN_JOB not in os.environ,
        "a Ray job works in a copy of the directory, which is deleted: --storage must be an absolute path that all "
        f"nodes see, or a URI, not {given or 'the default'}",
    )
    return Storage.of(given if given is not None else default or ".")


def console(quiet: bool = False) -> Console:
    """Standard output; `quiet` prints nothing. A job's log is given a width that tables fit into."""
    width = None if sys.stdout.isatty() else 140
    return PlainConsole(quiet=quiet, width=width)


def command_line(
    main: Callable[[Options], int],
    options: type[Options],
    *,
    goes_on: bool = False,
    renamed: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> NoReturn:
    """Parse the options, run `main`, and exit with its code.

    goes_on: the same command, given again, does only what is left. renamed: flags that had another name, old to new.
    without: fields that this door does not offer.
    """
    guard_output(drop=goes_on)
    end_cleanly()
    program = program_name()
    read = partial(parse, options, sys.argv[1:], program=program, renamed=renamed, without=without)
    sys.exit(exit_code(lambda: main(read()), goes_on=goes_on))


def end_cleanly() -> None:
    """Let SIGTERM, and the SIGHUP of a closed terminal, end this process as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Under nohup it is ignored, and stays so. Windows has none.
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        signal.signal(hangup, signal.default_int_handler)


def exit_code(work: Callable[[], int], *, goes_on: bool = False) -> int:
    """The exit code of a command.

    A ValueError is the user's mistake: one line on standard error and 2. Ctrl-C, SIGTERM and SIGHUP end cleanly with
    130. A reader of the output that has seen enough, such as head, ends a command that only prints with 0.
    """
    hold_notes()
    try:
        code = work()
        end_notes(said=True)
        return code
    except ValueError as error:
        end_notes(said=False)
        print(f"error: {printable(without_secrets(' '.join(str(error).split())))}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        if goes_on:  # not of standard output, see `guard_output`
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again as it exits
        return 0
    except KeyboardInterrupt:
        more = " What is done stays done: the same command goes on from there." if goes_on else ""
        print(f"\nStopped.{more}", file=sys.stderr)
        return INTERRUPTED
    finally:
        end_notes(said=True)
