"""What a placement gives a worker."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import ray

from clusters.execution.placement import Placement, group_config
from clusters.execution.ray_session import place, session
from clusters.hardware.slices import slice_named
from scaling.console.cli import Machine
from scaling.specs.execution import Execution


def test_a_worker_gets_the_placements_hardware_options() -> None:
    execution = Execution("bf16", compile=True, microbatch=6, loaders=3)
    placement = Placement(Machine(execution=execution), cpus=1)
    device = placement.device()
    assert (device.kind, device.execution) == ("cpu", execution)
    assert (device.loaders, device.used_cores, placement.resources) == (3, 4, {"CPU": 4})
    plain = Placement().device()
    assert plain.execution == Execution("fp32", compile=False, microbatch=None)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (ConnectionError("ray client connection timeout"), "no Ray cluster answers at RAY_ADDRESS 10.0.0.1:6379"),
        (Exception("The current node timed out during startup. This could happen"), "this machine is too busy"),
    ],
)
def test_a_ray_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, raised: Exception, says: str) -> None:
    def init(**options: object) -> None:
        raise raised

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ValueError, match=says), session():
        pass


def nodes_of(monkeypatch: pytest.MonkeyPatch, *nodes: dict[str, float]) -> None:
    gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [gone, *({"Alive": True, "Resources": node} for node in nodes)])


def with_loaders(loaders: int, **numbers: Any) -> Machine:
    return Machine(execution=Execution(loaders=loaders), **numbers)


def test_trials_of_several_workers_go_in_groups_of_a_size_that_stays() -> None:
    placement = Placement(Machine(workers=8, min_workers=4, trial_workers=2), groups=1).for_trials()
    assert (placement.machine.workers, placement.machine.min_workers, placement.groups) == (2, None, 4)


def test_groups_fill_the_cluster_and_options_are_handed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 5.0})
    assert place(Machine(workers=2)) == Placement(with_loaders(0, workers=2), groups=2, slots=5)
    execution = Execution("bf16", compile=True, microbatch=3)
    placement = place(Machine(max_concurrent=4, execution=execution))
    asked = Machine(max_concurrent=4, execution=replace(execution, loaders=0))
    assert placement == Placement(asked, groups=5, slots=4)


def test_a_group_may_begin_with_fewer_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 3.0})
    assert place(Machine(workers=8, min_workers=2)).groups == 1
    with pytest.raises(ValueError, match="--workers 4: the cluster has 0 GPUs and 3 CPUs"):
        place(Machine(workers=8, min_workers=4))


def test_trials_share_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 16.0, "GPU": 2.0})
    found = place(with_loaders(0, trial_gpus=0.25))
    assert (found.gpus, found.groups, found.slots, found.trial_resources) == (1, 2, 8, {"CPU": 1, "GPU": 0.25})
    with pytest.raises(ValueError, match="--trial-workers 3: the cluster has 2 GPUs and 16 CPUs"):
        place(with_loaders(0, trial_workers=3))


def test_loaders_are_the_cpus_that_gpus_leave_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """On each node with GPUs; the others' CPUs are no use to a worker with a GPU."""
    nodes_of(monkeypatch, {"CPU": 8.0}, {"CPU": 12.0, "GPU": 2.0}, {"CPU": 16.0, "GPU": 4.0})
    found = place(Machine(workers=2))
    assert (found.loaders, found.slots, found.groups, found.gpus) == (3, 6, 3, 1)
    assert found.resources == {"CPU": 4, "GPU": 1}
    few = place(with_loaders(5))
    assert (few.loaders, few.slots) == (5, 2 + 2)
    nodes_of(monkeypatch, {"CPU": 200.0, "GPU": 1.0})
    assert place(Machine()).loaders == 16


def test_loaders_take_cpus_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 5.0}, {"CPU": 3.0})
    assert place(with_loaders(1)).slots == 3
    with pytest.raises(ValueError, match="0 GPUs and 8 CPUs, and each worker takes 3 CPUs: lower --loaders"):
        place(with_loaders(2, workers=3))


def tpu_nodes(name: str, pod: str, topology: str, hosts: int, chips: int, cpus: float = 9.0) -> list[dict[str, Any]]:
    labels = {"ray.io/tpu-slice-name": name, "ray.io/tpu-pod-type": pod, "ray.io/tpu-topology": topology}
    node = {"Alive": True, "Resources": {"CPU": cpus, "TPU": float(chips)}, "Labels": labels}
    return [node | {"NodeID": f"{name}-{host}"} for host in range(hosts)]


Library = Callable[[str], None]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Pretend that this library for TPUs is installed, and no other."""

    def pretend(name: str) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda asked: object() if asked == name else None)

    return pretend


def test_groups_reserve_slices(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    """A worker a host under torch_xla, a worker a chip under torch_tpu; a slice that lost a host is none."""
    head = {"Alive": True, "Resources": {"CPU": 2.0}, "Labels": {}, "NodeID": "head"}
    whole = [node for name in "abc" for node in tpu_nodes(name, "v4-16", "2x2x2", 2, 4)]
    monkeypatch.setattr(ray, "nodes", lambda: [head, *whole, *tpu_nodes("torn", "v4-16", "2x2x2", 1, 4)])
    library("torch_xla")
    found = place(Machine(workers=2))
    assert (found.slice, found.kind, found.groups, found.slots) == (slice_named("v4-16"), "xla", 3, 6)
    assert (found.resources, found.trial_resources) == ({"CPU": 9, "TPU": 4}, {"CPU": 9, "TPU": 4})
    assert place(Machine(workers=6, min_workers=2)).groups == 1
    config = group_config(found)
    assert (config.num_workers, config.topology, config.accelerator_type) == (2, "2x2x2", "TPU-V4")
    assert config.use_tpu
    for machine, says in (
        (Machine(), "--workers 1: v4-16 takes 2 workers: give a multiple"),
        (Machine(workers=2, trial_workers=3), "--trial-workers 3: v4-16 takes 2 workers"),
        (Machine(workers=8), "8 workers: the cluster has 3 whole slices v4-16, 2 each"),
    ):
        with pytest.raises(ValueError, match=says):
            place(machine)
    library("torch_tpu")
    found = place(with_loaders(0, workers=8))
    assert (found.kind, found.groups, found.slots, found.resources) == ("tpu", 3, 24, {"CPU": 1, "TPU": 1})
    library("nothing")
    with pytest.raises(ValueError, match=r"neither torch_xla nor torch_tpu is installed here: pip install"):
        place(Machine(workers=2))


@pytest.mark.parametrize("name", ["v3-8", "v5e-8", "v6e-1"])
def test_a_host_of_its_own(monkeypatch: pytest.MonkeyPatch, library: Library, name: str) -> None:
    shape = slice_named(name)
    nodes = [node for at in "ab" for node in tpu_nodes(at, shape.accelerator_type, "", 1, shape.chips)]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    library("torch_xla")
    found = place(with_loaders(1))
    assert (found.groups, found.slots, found.resources) == (2, 2, {"CPU": 2, "TPU": shape.chips})
    assert group_config(found).total_resources == {"CPU": 2, "TPU": shape.chips}


def test_slices_of_two_shapes_or_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [*tpu_nodes("a", "v4-16", "2x2x2", 2, 4), *tpu_nodes("b", "v5litepod-8", "2x4", 1, 8)]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    with pytest.raises(ValueError, match="the cluster has TPU slices v4-16 and v5e-8: a study runs on one kind"):
        place(Machine())
    nodes[0] = nodes[0] | {"Labels": {}}
    with pytest.raises(ValueError, match=r"node a-0 has 4 TPU chips and no label ray.io/tpu-pod-type"):
        place(Machine())
