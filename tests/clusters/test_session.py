"""What a placement gives a worker."""

from dataclasses import replace

import pytest
import ray

from clusters.placement import Placement
from clusters.session import place


def test_a_worker_gets_the_placements_hardware_options() -> None:
    placement = Placement(cpus=1, precision="bf16", compile=True, microbatch=6, loaders=3)
    device = placement.device()
    assert (device.kind, device.precision, device.compile, device.microbatch) == ("cpu", "bf16", True, 6)
    assert (device.loaders, device.occupied, placement.resources) == (3, 4, {"CPU": 4})
    plain = Placement().device()
    assert (plain.precision, plain.compile, plain.microbatch) == ("fp32", False, None)


def nodes_of(monkeypatch: pytest.MonkeyPatch, *nodes: dict[str, float]) -> None:
    gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [gone, *({"Alive": True, "Resources": node} for node in nodes)])


def test_groups_fill_the_cluster_and_options_are_handed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 5.0})
    assert place(Placement(workers=2)) == Placement(workers=2, groups=2, slots=5, loaders=0)
    wish = Placement(precision="bf16", compile=True, microbatch=3, slots=4)
    assert place(wish) == replace(wish, groups=5, loaders=0)


def test_a_group_may_begin_with_fewer_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 3.0})
    assert place(Placement(workers=8, min_workers=2)).groups == 1
    with pytest.raises(ValueError, match="--workers 4: the cluster has 0 GPUs and 3 CPUs"):
        place(Placement(workers=8, min_workers=4))


def test_trials_share_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 16.0, "GPU": 2.0})
    found = place(Placement(trial_gpus=0.25, loaders=0))
    assert (found.gpus, found.groups, found.slots, found.trial_resources) == (1, 2, 8, {"CPU": 1, "GPU": 0.25})
    with pytest.raises(ValueError, match="--trial-workers 3: the cluster has 2 GPUs and 16 CPUs"):
        place(Placement(trial_workers=3, loaders=0))


def test_loaders_are_the_cpus_that_gpus_leave_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """On each node with GPUs; the others' CPUs are no use to a worker with a GPU."""
    nodes_of(monkeypatch, {"CPU": 8.0}, {"CPU": 12.0, "GPU": 2.0}, {"CPU": 16.0, "GPU": 4.0})
    found = place(Placement(workers=2))
    assert (found.loaders, found.slots, found.groups, found.gpus) == (3, 6, 3, 1)
    assert found.resources == {"CPU": 4, "GPU": 1}
    few = place(Placement(loaders=5))
    assert (few.loaders, few.slots) == (5, 2 + 2)
    nodes_of(monkeypatch, {"CPU": 200.0, "GPU": 1.0})
    assert place(Placement()).loaders == 16


def test_loaders_take_cpus_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 5.0}, {"CPU": 3.0})
    assert place(Placement(loaders=1)).slots == 3
    with pytest.raises(ValueError, match="0 GPUs and 8 CPUs, and each worker takes 3 CPUs: lower --loaders"):
        place(Placement(workers=3, loaders=2))
