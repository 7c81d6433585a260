"""What a placement gives a worker."""

import pytest
import ray

from clusters.session import Placement, place


def test_a_worker_gets_the_placements_hardware_options() -> None:
    device = Placement(cpus=1, precision="bf16", compile=True, microbatch=6).device()
    assert (device.kind, device.precision, device.compile, device.microbatch) == ("cpu", "bf16", True, 6)
    plain = Placement().device()
    assert (plain.precision, plain.compile, plain.microbatch) == ("fp32", False, None)


def test_groups_fill_the_cluster_and_options_are_handed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 5.0})
    assert place(2, None) == Placement(workers=2, groups=2, slots=5)
    expected = Placement(workers=1, groups=5, slots=5, precision="bf16", compile=True, microbatch=3)
    assert place(1, "bf16", compile=True, microbatch=3) == expected
