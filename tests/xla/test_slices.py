"""A study through Ray's workers on two fake TPU slices of two hosts each: XLA's CPU devices stand for the chips."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from clusters.hardware.slices import POD, SLICE_NAME, TOPOLOGY
from clusters.run import run
from scaling.console.cli import Machine
from scaling.specs.pretraining import FewShot
from scaling.specs.study import Study, Task
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.specs import TUNING
from tests.helpers.xla import DATA, PLAIN, RUNS, logits

NAMES = ("fake-a", "fake-b")
STUDY = Study("slices", tuple(PLAIN.values()))
FINE_TUNED = Study(  # one model, as XLA compiles long
    "slices",
    (PLAIN["vit"],),
    (Task("fractals", DATA, (0.01, 0.1), 4, TUNING, dev_fraction=0.25, resolution=16),),
    (FewShot(DATA, shots=(5,), resolution=16),),
    seeds=(0,),
)


@pytest.fixture(scope="module")
def slices(_xla: None) -> Iterator[None]:
    """Ray's nodes as they are on slices v4-16: custom resources and labels, four devices a host."""
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for name in NAMES:
        for worker in range(2):
            cluster.add_node(
                num_cpus=1,
                resources={"TPU": 4, "accelerator_type:TPU-V4": 1} | ({} if worker else {"TPU-v4-16-head": 1}),
                labels={SLICE_NAME: name, POD: "v4-16", TOPOLOGY: "2x2x2", "ray.io/tpu-worker-id": str(worker)},
                env_vars={"TPU_NAME": name, "CPU_NUM_DEVICES": "4"},
            )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield
    cluster.shutdown()


@pytest.fixture(scope="module")
def done(slices: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the studies are finished, each run by the two hosts of a slice."""
    storage = Storage.of(tmp_path_factory.mktemp("slices") / "storage")
    for study in (STUDY, FINE_TUNED):
        assert run(study, storage, Console(quiet=True), Machine(workers=2)) == 0
    return storage


@pytest.mark.parametrize("name", PLAIN)
def test_a_slice_trains_as_a_cpu_does(on_cpu: Storage, done: Storage, name: str) -> None:
    """The global batch, the order of the images and the rates do not depend on hosts and chips."""
    curves = []
    for storage in (on_cpu, done):
        curve = frames.read_table(storage, "curve")
        curves.append(curve.filter(curve["run_id"] == RUNS[name].id).sort("step")["train_loss"].to_numpy())
    assert len(curves[1]) == RUNS[name].steps
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
    there, here = (logits(storage, RUNS[name], local_device(kind="cpu", threads=1)) for storage in (done, on_cpu))
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)


def test_the_account_knows_the_slices(done: Storage) -> None:
    runs = frames.read_table(done, "attempt").filter(kind="pretrain")
    assert set(runs["outcome"]) == {"done"}
    assert set(runs["slice"]) == set(NAMES)  # runs went on side by side
    assert set(runs.select("device", "workers", "hosts", "cores").rows()) == {("xla-cpu", 2, 2, 8)}
    assert (runs["seconds_queued"] > 0).any()


def test_trials_and_probes_have_a_host_each(done: Storage) -> None:
    attempts = frames.read_table(done, "attempt")
    rest = attempts.filter(attempts["kind"] != "pretrain")
    assert dict(rest["kind"].value_counts().rows()) == {"trial": 2, "transfer": 1, "fewshot": 1}
    assert set(rest.select("device", "workers", "hosts", "cores").rows()) == {("xla-cpu", 1, 1, 4)}
    assert set(rest["slice"]) <= set(NAMES)
    assert frames.read_table(done, "transfer").height == 1
