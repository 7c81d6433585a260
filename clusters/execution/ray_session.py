"""A Ray session, and how the work is placed in its cluster."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray._common.utils import get_default_system_temp_dir
from ray._private import ray_constants

from clusters.execution.placement import Placement
from clusters.execution.shutdown import DriverSilentError
from clusters.hardware import Slice, slices_of
from scaling.checks import check
from scaling.console import IN_JOB, Machine
from scaling.store import still_environment
from scaling.training import tpu_library

MOST_LOADERS = 16  # per worker, unless more are asked for
ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}  # nobody takes this machine away
CLUSTER = {"RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1"}  # Ray's 5 s are a large part of a notice of 20 s
QUIET = {  # measured with Ray 2.60: without these a local fit takes several seconds longer
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Tune's own state is never read back
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C ends a sweep as if it were through, and the next stage begins
}


@contextlib.contextmanager
def session(num_cpus: int | None = None, code: Sequence[Path] = ()) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS (which is set in a Ray job), or start a local one that ends with the block.

    Inside another session it does nothing. `num_cpus` is the size of a local cluster, by default the machine's. `code`
    are the user's modules and folders of packages, which all workers get (`user_files`). After a
    KeyboardInterrupt or a driver's sleep Ray is left to end with the process: a thread that was too slow to stop may
    still be in a call of Ray's, and would then take the process down without a message.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    ours = QUIET | (CLUSTER if address else LOCAL)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with still_environment(), _hangup_blocked():
        # What the user has set stays.
        os.environ.update({name: os.environ.get(name, value) for name, value in ours.items()})
        _start(address, num_cpus, _runtime_env(address, ours, code))
    # Python lets no other thread set a handler.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts an exit of its own there, which would save nothing
    try:
        yield
    finally:
        if not isinstance(sys.exception(), KeyboardInterrupt | DriverSilentError):
            ray.shutdown()


@contextlib.contextmanager
def _hangup_blocked() -> Iterator[None]:
    """Processes that start in the block never get SIGHUP: a terminal that closes sends it to all of them at once.

    The driver is to save checkpoints first, for which it needs them. It gets the signal when the block has ended.
    """
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {hangup}) if hangup else set()
    try:
        yield
    finally:
        if hangup:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(address: str | None, num_cpus: int | None, runtime_env: dict[str, Any]) -> None:
    """Start Ray, or connect to it. Raises ValueError when no cluster answers, or a local one does not start in time."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    # A cluster of this machine alone listens on 127.0.0.1, where no other machine reaches it. Ray has the switch for
    # systems whose firewalls ask; `_node_ip_address` does not do, since Ray makes an outer address of a local one.
    ray_constants.ENABLE_RAY_CLUSTER = before and address is not None
    try:
        ray.init(
            # 'local', or Ray would join whatever cluster runs on this machine.
            address=address or "local",
            # Of a cluster that exists Ray takes no size.
            num_cpus=None if address else num_cpus,
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=runtime_env,
            # In a directory of this user's own: Ray opens its own directories to everybody, logs and sockets with them.
            _temp_dir=None if address else f"{tempfile.mkdtemp(prefix='ray-', dir=get_default_system_temp_dir())}/ray",
        )
    except ConnectionError as error:
        raise ValueError(f"no Ray cluster answers at RAY_ADDRESS {address}: start it, or unset RAY_ADDRESS") from error
    except Exception as error:
        # Ray tells this from other errors by its text alone.
        if "timed out during startup" not in str(error):
            raise
        raise ValueError("Ray did not start within its 30 s, this machine is too busy: run it again later") from error
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def place(machine: Machine) -> Placement:
    """Fit a machine's numbers into the cluster: on its TPU slices, else a GPU per worker where there are any, or CPUs.

    As many runs and trials go on at the same time as there is room for; `machine.max_concurrent` limits the trials.
    Loaders take a CPU each; by default a worker gets those CPUs that accelerators leave over, and none without any.
    Raises ValueError when not even one run or trial fits.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    slices = slices_of(nodes)
    resources = [node["Resources"] for node in nodes]
    return _on_machines(machine, resources) if slices is None else _on_slices(machine, *slices, resources)


def _on_machines(machine: Machine, nodes: Sequence[Mapping[str, float]]) -> Placement:
    cpus, gpus = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1]
    loaders = machine.execution.loaders
    if loaders is None:
        loaders = _spare(int(node.get("CPU", 0) // node["GPU"]) for node in with_gpus)
    per_worker = 1 + loaders  # CPUs

    def room(share: float) -> int:
        """Workers that fit, each with such a share of a GPU."""
        # Node by node: a worker cannot have its CPUs here and its GPU there.
        of_cpus = [int(node.get("CPU", 0)) // per_worker for node in with_gpus or nodes]
        of_gpus = [int(node["GPU"] / share) for node in with_gpus] or of_cpus
        return sum(map(min, of_cpus, of_gpus))

    workers, trials = room(1), room(machine.trial_gpus)
    fewest = machine.min_workers or machine.workers
    for flag, asked in (("--workers", fewest), ("--trial-workers", machine.trial_workers)):
        loading = f", and each worker takes {per_worker} CPUs: lower --loaders" if loaders else ""
        check(asked <= workers, f"{flag} {asked}: the cluster has {gpus} GPUs and {cpus} CPUs{loading}")
    return Placement(
        _with_loaders(machine, loaders),
        gpus=1 if with_gpus else 0,
        groups=max(1, workers // machine.workers),
        slots=min(machine.max_concurrent or trials, trials),
    )


def _on_slices(machine: Machine, shape: Slice, whole: int, nodes: Sequence[Mapping[str, float]]) -> Placement:
    """Groups reserve whole slices; a trial with one worker has a host's chips (torch_xla), or one (torch_tpu)."""
    kind = tpu_library()
    chips = shape.chips_on_host if kind == "xla" else 1  # of a worker
    per_slice = shape.chips // chips  # workers
    multiples = {"--workers": machine.workers, "--min-workers": machine.min_workers}
    if machine.trial_workers > 1:
        multiples["--trial-workers"] = machine.trial_workers
    for flag, asked in multiples.items():
        divides = (asked or per_slice) % per_slice == 0
        check(divides, f"{flag} {asked}: {shape.name} takes {per_slice} workers: give a multiple")
    needed, workers = max(machine.min_workers or machine.workers, machine.trial_workers), whole * per_slice
    has = f"the cluster has {whole} whole slices {shape.name}, {per_slice} each"
    check(needed <= workers, f"{needed} workers: {has}")
    on_host = shape.chips_on_host // chips  # workers
    spare = _spare(int(node.get("CPU", 0) // on_host) for node in nodes if node.get("TPU", 0))
    return Placement(
        _with_loaders(machine, spare if machine.execution.loaders is None else machine.execution.loaders),
        slice=shape,
        kind=kind,
        groups=max(1, whole // (machine.workers // per_slice)),
        slots=min(machine.max_concurrent or workers, workers),
    )


def _with_loaders(machine: Machine, loaders: int) -> Machine:
    return replace(machine, execution=replace(machine.execution, loaders=loaders))


def _spare(cpus: Iterable[int]) -> int:
    """CPUs per worker that are left on every node, by the CPUs per worker that each node has."""
    # By the node that has fewest, since Ray may place a worker on any of them; one CPU is the worker's own.
    return min(max(min(cpus, default=1) - 1, 0), MOST_LOADERS)


def _runtime_env(address: str | None, ours: dict[str, str], code: Sequence[Path]) -> dict[str, Any]:
    """Ray's description of how workers find these packages, and the user's code.

    In a job that is the job's working directory; from elsewhere a copy of the checkout; locally the checkout itself.
    """
    if address is None:
        folders = dict.fromkeys(str(each.parent) for each in code)
        path = os.pathsep.join(part for part in (str(ROOT), *folders, os.environ.get("PYTHONPATH", "")) if part)
        return {"env_vars": {**ours, "PYTHONPATH": path}}
    env: dict[str, Any] = {"env_vars": ours}
    if code:
        env["py_modules"] = [str(each) for each in code]
    if IN_JOB in os.environ or not (ROOT / "pyproject.toml").is_file():
        return env
    return env | {"working_dir": str(ROOT), "excludes": [".git", ".venv", "results"]}
