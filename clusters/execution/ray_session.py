"""A Ray session and what a worker gets of it."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from clusters.execution.placement import Placement
from clusters.hardware import Slice, slices_of
from scaling.checks import check
from scaling.console import IN_JOB
from scaling.training import tpu_library

MOST_LOADERS = 16  # of a worker, unless more are asked for
ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}  # nobody takes this machine away
CLUSTER = {"RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1"}  # Ray's 5 s are much of a notice of 20
QUIET = {  # measured on 2.60: without these a local fit takes several seconds longer
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C ends a sweep as if it were through, and the next stage begins
}


@contextlib.contextmanager
def session(num_cpus: int | None = None) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS (a job has it), or start a local one that ends with the block.

    Inside another session this is that session. `num_cpus` is the size of a local cluster, by default the machine's.
    On KeyboardInterrupt Ray ends with the process: what did not end in its grace may still be in a call of Ray's, which
    takes the process along, without a word, when Ray ends under it.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    ours = QUIET | (CLUSTER if address else LOCAL)
    os.environ.update({name: os.environ.get(name, value) for name, value in ours.items()})
    on_sigterm = signal.getsignal(signal.SIGTERM)
    _start(address, num_cpus, ours)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts an exit of its own there, which would save nothing
    try:
        yield
    finally:
        if not isinstance(sys.exception(), KeyboardInterrupt):
            ray.shutdown()


def _start(address: str | None, num_cpus: int | None, ours: dict[str, str]) -> None:
    """Ray, or the way to it; raises ValueError where there is none."""
    try:
        ray.init(
            address=address or "local",
            num_cpus=None if address else num_cpus,
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=_runtime_env(address, ours),
        )
    except ConnectionError as error:
        raise ValueError(f"no Ray cluster answers at RAY_ADDRESS {address}: start it, or unset RAY_ADDRESS") from error
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        raise ValueError("Ray did not start within its 30 s, this machine is too busy: run it again later") from error


def place(wish: Placement) -> Placement:
    """The wish fitted into the cluster: on its TPU slices, else a GPU a worker where there are GPUs, else a CPU.

    As many runs and trials side by side as fit; `wish.slots` limits the trials, 0 does not. `wish.loaders` processes of
    each worker take a CPU each; None: the CPUs that accelerators leave over, none without. Raises ValueError when not
    even one run or trial fits.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    found = slices_of(nodes)
    resources = [node["Resources"] for node in nodes]
    return _on_machines(wish, resources) if found is None else _on_slices(wish, *found, resources)


def _on_machines(wish: Placement, nodes: Sequence[Mapping[str, float]]) -> Placement:
    cpus, gpus = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1]
    loaders = wish.loaders
    if loaders is None:
        loaders = _spare(int(node.get("CPU", 0) // node["GPU"]) for node in with_gpus)
    a_worker = 1 + loaders

    def room(share: float) -> int:
        """Workers that fit, of such a share of a GPU."""
        of_cpus = [int(node.get("CPU", 0)) // a_worker for node in with_gpus or nodes]
        of_gpus = [int(node["GPU"] / share) for node in with_gpus] or of_cpus
        return sum(map(min, of_cpus, of_gpus))

    slots, trials = room(1), room(wish.trial_gpus)
    for flag, workers in (("--workers", wish.min_workers or wish.workers), ("--trial-workers", wish.trial_workers)):
        each = f", and each worker takes {a_worker} CPUs: lower --loaders" if loaders else ""
        check(workers <= slots, f"{flag} {workers}: the cluster has {gpus} GPUs and {cpus} CPUs{each}")
    return replace(
        wish,
        gpus=1 if with_gpus else 0,
        groups=max(1, slots // wish.workers),
        slots=min(wish.slots or trials, trials),
        loaders=loaders,
    )


def _on_slices(wish: Placement, shape: Slice, whole: int, nodes: Sequence[Mapping[str, float]]) -> Placement:
    """Groups reserve whole slices; a trial with one worker has a host's chips (torch_xla), or one (torch_tpu)."""
    kind = tpu_library()
    host = shape.chips_on_host if kind == "xla" else 1  # chips of a worker
    each = shape.chips // host
    wishes = {"--workers": wish.workers, "--min-workers": wish.min_workers}
    if wish.trial_workers > 1:
        wishes["--trial-workers"] = wish.trial_workers
    for flag, workers in wishes.items():
        check((workers or each) % each == 0, f"{flag} {workers}: {shape.name} takes {each} workers: give a multiple")
    needed = max(wish.min_workers or wish.workers, wish.trial_workers)
    check(needed <= whole * each, f"{needed} workers: the cluster has {whole} whole slices {shape.name}, {each} each")
    on_host = shape.chips_on_host // host  # workers
    spare = _spare(int(node.get("CPU", 0) // on_host) for node in nodes if node.get("TPU", 0))
    return replace(
        wish,
        slice=shape,
        kind=kind,
        groups=max(1, whole // (wish.workers // each)),
        slots=min(wish.slots or whole * each, whole * each),
        loaders=spare if wish.loaders is None else wish.loaders,
    )


def _spare(cpus: Iterable[int]) -> int:
    """CPUs that the workers of every node leave over, a worker."""
    return min(max(min(cpus, default=1) - 1, 0), MOST_LOADERS)


def _runtime_env(address: str | None, ours: dict[str, str]) -> dict[str, Any]:
    """How workers find these packages: a job's working directory, a copy of the checkout, or the checkout itself."""
    if address is None:
        path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
        return {"env_vars": {**ours, "PYTHONPATH": path}}
    if IN_JOB in os.environ or not (ROOT / "pyproject.toml").is_file():
        return {"env_vars": ours}
    return {"env_vars": ours, "working_dir": str(ROOT), "excludes": [".git", ".venv", "results"]}
