"""What a placement gives a worker."""

from dataclasses import replace

import pytest
import ray

from clusters.placement import Placement
from clusters.session import place


def test_a_worker_gets_the_placements_hardware_options() -> None:
    device = Placement(cpus=1, precision="bf16", compile=True, microbatch=6).device()
    assert (device.kind, device.precision, device.compile, device.microbatch) == ("cpu", "bf16", True, 6)
    plain = Placement().device()
    assert (plain.precision, plain.compile, plain.microbatch) == ("fp32", False, None)


def test_groups_fill_the_cluster_and_options_are_handed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 5.0})
    assert place(Placement(workers=2)) == Placement(workers=2, groups=2, slots=5)
    wish = Placement(precision="bf16", compile=True, microbatch=3, slots=4)
    assert place(wish) == replace(wish, groups=5)


def test_trials_share_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 16.0, "GPU": 2.0})
    found = place(Placement(trial_gpus=0.25))
    assert (found.gpus, found.groups, found.slots, found.trial_resources) == (1, 2, 8, {"CPU": 1, "GPU": 0.25})
    with pytest.raises(ValueError, match="--trial-workers 3: the cluster has 2 GPUs and 16 CPUs"):
        place(Placement(trial_workers=3))
