"""What the front doors share: parsing, exit codes, and the console."""

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import tyro
from rich.console import Console

from scaling.identity import check
from scaling.specs import Precision

Options = TypeVar("Options")
USER_ERROR, INTERRUPTED = 2, 130


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
    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    compile: bool = False
    """Compile the training steps (torch.compile): minutes at the start of a large run, faster steps after it."""
    microbatch: int | None = None
    """Images of a forward pass on a worker, where its share of the batch does not fit. Default: the whole share."""
    loaders: int | None = None
    """Processes of each worker that decode and crop photographs. Default: the CPUs that GPUs leave over, else 0."""
    optuna_storage: str | None = None
    """Where the searches are shown as Optuna studies, as a URL. Default: optuna.db in a local storage."""

    @property
    def numbers_of_workers(self) -> range:
        """What a pre-training run may have on the way."""
        return range(self.min_workers or self.workers, self.workers + 1)

    def check(self) -> None:
        """Raise ValueError for what no machine can do."""
        for flag in ("workers", "min_workers", "trial_workers", "max_concurrent"):
            value = getattr(self, flag)
            check(value is None or value >= 1, f"--{flag.replace('_', '-')} must be at least 1, got {value}")
        fewest = self.min_workers or self.workers
        check(fewest <= self.workers, f"--min-workers {fewest} is more than --workers {self.workers}")
        check(self.loaders is None or self.loaders >= 0, f"--loaders must not be negative, got {self.loaders}")
        check(0 < self.trial_gpus <= 1, f"--trial-gpus must be in (0, 1], got {self.trial_gpus}")


def console(quiet: bool = False) -> Console:
    """Standard output; `quiet` prints nothing. A job's log is given a width that tables fit into."""
    width = None if sys.stdout.isatty() else 140
    return Console(quiet=quiet, width=width, highlight=False)


def command_line(main: Callable[[Options], int], options: type[Options]) -> NoReturn:
    """Parse the options, run `main`, and exit with its code.

    A ValueError is the user's: one line on standard error and exit code 2. Ctrl-C and SIGTERM end cleanly with 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(tyro.cli(options))
    except ValueError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        code = USER_ERROR
    except KeyboardInterrupt:
        print("\nStopped. What is done stays done: the same command goes on from there.", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
