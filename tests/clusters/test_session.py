"""What a placement gives a worker."""

import pytest
import ray

from clusters.session import Placement, place


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
    assert place(2, None) == Placement(workers=2, groups=2, slots=5)
    expected = Placement(workers=1, groups=5, slots=5, precision="bf16", compile=True, microbatch=3)
    assert place(1, "bf16", compile=True, microbatch=3) == expected


def test_loaders_are_the_cpus_that_gpus_leave_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """On each node with GPUs; the others' CPUs are no use to a worker with a GPU."""
    nodes_of(monkeypatch, {"CPU": 8.0}, {"CPU": 12.0, "GPU": 2.0}, {"CPU": 16.0, "GPU": 4.0})
    found = place(2, None)
    assert (found.loaders, found.slots, found.groups, found.gpus) == (3, 6, 3, 1)
    assert found.resources == {"CPU": 4, "GPU": 1}
    few = place(1, None, loaders=5)
    assert (few.loaders, few.slots) == (5, 2 + 2)
    nodes_of(monkeypatch, {"CPU": 200.0, "GPU": 1.0})
    assert place(1, None).loaders == 16


def test_loaders_take_cpus_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes_of(monkeypatch, {"CPU": 5.0}, {"CPU": 3.0})
    assert place(1, None, loaders=1).slots == 3
    with pytest.raises(ValueError, match="0 GPUs and 8 CPUs, and each worker takes 3 CPUs: lower --loaders"):
        place(3, None, loaders=2)
    with pytest.raises(ValueError, match="--loaders must not be negative, got -1"):
        place(1, None, loaders=-1)
