"""A Ray session and what a worker gets of it."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from scaling.specs import Precision
from scaling.training.devices import Device, local_device

ROOT = Path(__file__).resolve().parent.parent
IN_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray for the driver of a job
QUIET = {  # measured on 2.60: without these a local fit takes several seconds longer
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C ends a sweep as if it were through, and the next stage begins
}


@dataclass(frozen=True)
class Placement:
    """What one run gets: hardware, so no part of any spec. Trials take one worker each."""

    workers: int = 1  # data-parallel workers of a pre-training run
    cpus: int = 1  # a worker, when it has no GPU
    gpus: int = 0  # a worker: 0 or 1
    groups: int = 1  # runs that train side by side
    slots: int = 1  # trials that train side by side
    precision: Precision | None = None  # fp32, bf16, or None: what the device does best
    compile: bool = False  # training steps through torch.compile
    microbatch: int | None = None  # images of a forward pass on a worker; None: its whole share of the batch

    @property
    def resources(self) -> dict[str, float]:
        """Ray resources of one worker."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def device(self) -> Device:
        """The device of the worker that calls."""
        return local_device(self.precision, self.cpus, compile=self.compile, microbatch=self.microbatch)


@contextlib.contextmanager
def session(num_cpus: int | None = None) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS (a job has it), or start a local one that ends with the block.

    Inside another session this is that session. `num_cpus` is the size of a local cluster, by default the machine's.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    address = os.environ.get("RAY_ADDRESS")
    ray.init(
        address=address or "local",
        num_cpus=None if address else num_cpus,
        include_dashboard=None if address else False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env=_runtime_env(address),
    )
    try:
        yield
    finally:
        ray.shutdown()


def place(
    workers: int, precision: Precision | None, *, compile: bool = False, microbatch: int | None = None
) -> Placement:
    """Fit groups of `workers` into the cluster: a GPU a worker where there are GPUs, else a CPU.

    The other arguments are handed through to every worker. Raises ValueError when not even one group fits.
    """
    have = ray.cluster_resources()
    gpus, cpus = int(have.get("GPU", 0)), int(have.get("CPU", 0))
    slots = gpus or cpus
    if workers > slots:
        raise ValueError(f"--workers {workers}: the cluster has {gpus} GPUs and {cpus} CPUs")
    return Placement(
        workers=workers,
        gpus=1 if gpus else 0,
        groups=slots // workers,
        slots=slots,
        precision=precision,
        compile=compile,
        microbatch=microbatch,
    )


def _runtime_env(address: str | None) -> dict[str, Any]:
    """How workers find these packages: a job's working directory, a copy of the checkout, or the checkout itself."""
    if address is None:
        path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
        return {"env_vars": {**QUIET, "PYTHONPATH": path}}
    if IN_JOB in os.environ or not (ROOT / "pyproject.toml").is_file():
        return {"env_vars": QUIET}
    return {"env_vars": QUIET, "working_dir": str(ROOT), "excludes": [".git", ".venv", "results"]}
