"""Three raylets: a job's study outlives one of them, uses one that comes later, and leaves nothing running."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.accounting.core_days import core_time_account
from scaling.specs.identity import from_json
from scaling.specs.pretraining import Pretrain
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.optim import learning_rate
from tests.helpers.own_study import LAYERS, OWN_STUDY

ROOT = Path(__file__).parent.parent
STUDY = """
from scaling.data.catalog import ifs
from scaling.specs import Pretrain, Recipe, ResNet, Study, Task, ViT
RECIPE = Recipe(batch_size=16, warmup_steps=5, dropout=0.1, grad_clip=1.0, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=16, warmup_steps=5, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=8, images=60, size=16)
MODELS = {"vit": ViT(4, 32, 2, 64, 2), "resnet": ResNet((1, 1), width=8, groups=8)}
STUDY = Study(
    "nodes",
    tuple(
        Pretrain(f"{name}-{seed}", model, DATA, 1e-3, 60, RECIPE, resolution=16, dev_fraction=0.1, seed=seed)
        for name, model in MODELS.items()
        for seed in range(3)
    ),
    (Task("t", DATA, (0.01, 0.1), 20, TUNING, dev_fraction=0.2, resolution=16),),
    seeds=(0,),
)
"""
RUNS, NODES = 6, 3
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def joined(cluster: Any) -> Any:
    """A further node with a CPU; as on a machine of its own, the copy of a job's directory is not the other nodes'."""
    place = tempfile.mkdtemp(dir=cluster.places)
    return cluster.add_node(num_cpus=1, dashboard_agent_listen_port=free_port(), temp_dir=place)


def kill(node: Any) -> None:
    """SIGKILL to its raylet. Until somebody has waited for it, it is there for its workers, and they go on."""
    raylet = node.all_processes["raylet"][0].process
    raylet.kill()
    raylet.wait()


@contextlib.contextmanager
def nodes(number: int, **head: Any) -> Iterator[Any]:
    """A head and further nodes, with directories whose names are short enough for those of sockets."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as places:
        made: Any = Cluster(initialize_head=True, head_node_args=head)
        made.places = places
        for _ in range(number):
            joined(made)
        yield made
        made.shutdown()


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Three nodes with a CPU each, that take jobs."""
    ports = {"dashboard_port": free_port(), "dashboard_agent_listen_port": free_port()}
    with nodes(NODES - 1, num_cpus=1, include_dashboard=True, **ports) as made:
        yield made


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """A head that trains nothing, and a node with a CPU."""
    with nodes(1, num_cpus=0, include_dashboard=False) as made:
        yield made


@contextlib.contextmanager
def node_without(cluster: Any, folder: Path) -> Iterator[None]:
    """A further node with two CPUs, for whose processes the folder is empty."""
    place = tempfile.mkdtemp(dir=cluster.places)
    start = f"{Path(sys.executable).parent / 'ray'} start --address={cluster.address} --num-cpus=2 --temp-dir={place}"
    hidden = f"mount -t tmpfs none {folder} && exec {start} --dashboard-agent-listen-port={free_port()} --block"
    node = subprocess.Popen(["unshare", "-m", "sh", "-c", hidden], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    node.terminate()
    node.wait(timeout=60)


def submitted(cluster: Any, *words: str | Path) -> "subprocess.Popen[str]":
    """A study with these arguments, by `ray job submit`."""
    submit: list[str | Path] = [
        Path(sys.executable).parent / "ray",
        "job",
        "submit",
        "--address",
        f"http://{cluster.webui_url}",
    ]
    command: list[str | Path] = [*submit, "--working-dir", ".", "--", sys.executable, "scaling/run_study.py", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def training(cluster: Any) -> list[Any]:
    """Nodes that have a training's worker."""
    listing = subprocess.run(["ps", "-ewwo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    workers = [line.split(None, 1) for line in listing.splitlines()[1:] if "ray::RayTrainWorker" in line]
    parents = {int(parent) for parent, _ in workers}
    return [node for node in cluster.list_all_nodes() if node.all_processes["raylet"][0].process.pid in parents]


def losing(storage: Path) -> int:
    """Runs at work that a kill would cost steps."""
    running = frames.read_table(Storage.of(storage), "attempt").filter(kind="pretrain", outcome="running")
    return running.filter(pl.col("seconds_lost") > 0).height


def busy(cluster: Any) -> list[str]:
    """What the nodes' workers are at, but for idle ones; and workers of raylets that are no more."""
    listing = subprocess.run(["ps", "-ewwo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    raylets = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    parents = [line.split(None, 1) for line in listing.splitlines()[1:]]
    names = ("ray::RayTrainWorker", "ray::ImplicitFunc", "ray::do_alone", "ray::RunQueue")
    return [args for parent, args in parents if int(parent) in {1, *raylets} and args.startswith(names)]


def test_a_study_outlives_a_node(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "nodes.py").write_text(STUDY)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    front_door: list[str | Path] = [sys.executable, ROOT / "scaling" / "run_study.py", tmp_path / "nodes.py"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    subprocess.run([*front_door, "--storage", whole], env=environment, check=True, stdout=subprocess.DEVNULL)

    job = submitted(cluster, tmp_path / "nodes.py", "--storage", torn, "--save-seconds", "4")
    while True:
        assert job.poll() is None, job.communicate()[0]
        at_work = training(cluster)
        victims = [node for node in at_work if node in cluster.worker_nodes]
        if victims and losing(torn) >= len(at_work):  # each of them
            break
        time.sleep(0.1)
    victim = victims[0]
    kill(victim)
    time.sleep(10)
    joined(cluster)
    told, _ = job.communicate(timeout=1500)
    assert job.returncode == 0, told

    first, second = (frames.read_table(Storage.of(place), "pretrain").sort("run_id") for place in (whole, torn))
    assert first.drop("checkpoint").equals(second.drop("checkpoint"))  # the weights' SHA-256 among the columns
    assert second.height == RUNS
    for table in ("trial", "transfer"):
        one, other = (frames.read_table(Storage.of(place), table).sort(f"{table}_id") for place in (whole, torn))
        assert one.equals(other)
    ledger = frames.read_table(Storage.of(torn), "attempt")
    assert ledger.filter(outcome="done")["unit_id"].is_unique().all()
    cut = ledger.filter(pl.col("outcome") != "done")
    assert cut.height >= 1
    assert set(cut["outcome"]) == {"killed"}
    assert core_time_account(ledger)["repeated"].sum() > 0  # core-seconds that were lost
    after = ledger.filter(pl.col("unit_id").is_in(cut["unit_id"].implode()), outcome="done")
    assert set(after["start_reason"]) == {"failure"}
    end = time.monotonic() + 30
    while left := busy(cluster):
        assert time.monotonic() < end, left
        time.sleep(0.5)


def test_jobs_on_s3(s3_server: str, cluster: Any, tmp_path: Path) -> None:
    """Ten in a row, each from nothing. (The server comes first: the cluster has its credentials from there.)"""
    (tmp_path / "nodes.py").write_text(STUDY)
    for number in range(10):
        uri = f"s3://bucket/job-{number}?endpoint_override={s3_server}&scheme=http&region=us-east-1"
        job = submitted(cluster, tmp_path / "nodes.py", "--only", "vit-0", "--storage", uri)
        told, _ = job.communicate(timeout=600)
        assert job.returncode == 0, told
        counts = [frames.read_table(Storage.of(uri), table).height for table in ("pretrain", "trial", "transfer")]
        assert counts == [1, 2, 1]
        assert set(frames.read_table(Storage.of(uri), "attempt")["outcome"]) == {"done"}


def test_a_run_grows_and_shrinks(two_nodes: Any, tmp_path: Path) -> None:
    """To two and three workers as nodes come, and back when a raylet is killed: no step is left out or counted twice.

    Three do not divide the batch.
    """
    (tmp_path / "nodes.py").write_text(STUDY.replace("60, RECIPE", "600, RECIPE"))
    torn = Storage.of(tmp_path / "torn")
    command: list[str | Path] = [
        sys.executable,
        ROOT / "scaling" / "run_study.py",
        tmp_path / "nodes.py",
        "--storage",
        torn.uri,
    ]
    options = ["--only", "vit-0", "--workers", "3", "--min-workers", "1", "--save-seconds", "2"]
    environment = os.environ | {"RAY_ADDRESS": two_nodes.address, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL)

    def reached(workers: int) -> bool:
        """Whether an attempt with so many workers has a checkpoint."""
        mine = frames.read_table(torn, "attempt").filter(kind="pretrain", workers=workers)
        return not mine.filter(pl.col("committed_step") > pl.col("first_step")).is_empty()

    for workers in (1, 2, 3):
        while not reached(workers):
            assert driver.poll() is None
            time.sleep(0.2)
        if workers < 3:
            last = joined(two_nodes)
    kill(last)
    assert driver.wait(timeout=1500) == 0
    attempts = frames.read_table(torn, "attempt").filter(kind="pretrain").sort("started")
    assert attempts["workers"].to_list() == [1, 2, 3, 2]
    assert attempts["start_reason"].to_list() == ["first", "resize", "resize", "resize"]
    assert attempts["first_step"].to_list() == [0, *attempts["committed_step"].to_list()[:3]]
    (run,) = frames.read_table(torn, "pretrain").to_dicts()
    assert attempts["last_step"].to_list()[-1] == run["steps"]
    curve = frames.read_table(torn, "curve").sort("step")
    spec = from_json(Pretrain, run["spec"])
    rates = [learning_rate(i - 1, base_lr=1e-3, steps=run["steps"], recipe=spec.recipe) for i in curve["step"]]
    assert curve["lr"].to_list() == rates


def test_a_node_that_is_to_be_taken_away(two_nodes: Any, tmp_path: Path) -> None:
    """Ray's notice: a checkpoint at the last step, within the grace of 20 s, and no step again on another node."""
    (tmp_path / "nodes.py").write_text(STUDY)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    front_door: list[str | Path] = [sys.executable, ROOT / "scaling" / "run_study.py", tmp_path / "nodes.py"]
    command = [*front_door, "--only", "vit-0", "--save-seconds", "1000"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    subprocess.run([*command, "--storage", whole], env=environment, check=True, stdout=subprocess.DEVNULL)

    environment |= {"RAY_ADDRESS": two_nodes.address, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen([*command, "--storage", torn], env=environment, stdout=subprocess.DEVNULL)
    while (attempts := frames.read_table(Storage.of(torn), "attempt")).is_empty() or attempts["last_step"].max() == 0:
        assert driver.poll() is None
        time.sleep(0.2)
    (leaving,) = two_nodes.worker_nodes
    joined(two_nodes)
    subprocess.run(
        [
            *(Path(sys.executable).parent / "ray", "drain-node", "--address", two_nodes.address),
            *("--node-id", leaving.node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"),
            *("--reason-message", "spot", "--deadline-remaining-seconds", "20"),
        ],
        check=True,
    )
    assert driver.wait(timeout=600) == 0
    first, second = frames.read_table(Storage.of(torn), "attempt").filter(kind="pretrain").sort("started").to_dicts()
    assert (first["outcome"], first["start_reason"], first["seconds_lost"]) == ("interrupted", "first", 0.0)
    assert 0 < first["committed_step"] == first["last_step"] == second["first_step"] < second["last_step"]
    assert (second["outcome"], second["start_reason"]) == ("done", "preemption")
    assert second["seconds_queued"] > 1
    rows = [frames.read_table(Storage.of(place), "pretrain").drop("checkpoint") for place in (whole, torn)]
    assert rows[0].equals(rows[1])


def test_own_code_goes_where_the_users_files_are_not(tmp_path: Path) -> None:
    """A job whose study and modules lie on the head's disk alone, and whose work is done on another node."""
    may_mount = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", tmp_path], check=False)
    if may_mount.returncode:
        pytest.skip("an empty folder for some processes needs the right to mount")
    folder, storage = tmp_path / "mine", tmp_path / "rows"
    folder.mkdir()
    (folder / "own_layers.py").write_text(LAYERS)
    (folder / "own_study.py").write_text(OWN_STUDY)
    ports = {"dashboard_port": free_port(), "dashboard_agent_listen_port": free_port()}
    with nodes(0, num_cpus=0, include_dashboard=True, **ports) as cluster, node_without(cluster, folder):
        job = submitted(cluster, folder / "own_study.py", "--storage", storage)
        told, _ = job.communicate(timeout=900)
    assert job.returncode == 0, told
    families = frames.read_table(Storage.of(storage), "pretrain")["family"]
    assert sorted(families) == ["convnet", "mlp", "net", "vit"]
    assert frames.read_table(Storage.of(storage), "transfer").height == 4
