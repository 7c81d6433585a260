"""Slices by name, against Ray's own arithmetic of TPUs."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.execution.placement import describe_slice, scaling_config
from clusters.hardware.catalogue import Hardware, catalogue
from clusters.hardware.slices import Slice, gpu_slice, slice_named, slice_wanted, tpu_slice

TPUS = [chip for chip in catalogue().values() if chip.kind == "tpu"]
STANDARD = [tpu_slice(chip, shape) for chip in TPUS for shape in chip.topologies]


@pytest.mark.parametrize(
    ("name", "chips", "hosts", "topology"),
    [
        ("v3-8", 4, 1, "2x2"),
        ("v4-16", 8, 2, "2x2x2"),
        ("v4-512", 256, 64, "4x8x8"),
        ("v5e-16", 16, 4, "4x4"),
        ("v5litepod-8", 8, 1, "2x4"),
        ("v5p-128", 64, 16, "4x4x4"),
        ("v6e-64", 64, 16, "8x8"),
        ("v6e-1", 1, 1, "1x1"),
        ("tpu7x-16", 8, 2, "2x2x2"),
        ("v4:4x4x12", 192, 48, "4x4x12"),
        ("h100:8", 8, 1, None),
        ("h100:64", 64, 8, None),
        ("H100:2", 2, 1, None),
        ("t4:8", 8, 2, None),
    ],
)
def test_names(name: str, chips: int, hosts: int, topology: str | None) -> None:
    found = slice_named(name)
    assert (found.chips, found.hosts, found.topology) == (chips, hosts, topology)
    assert slice_named(found.name) == found


@pytest.mark.parametrize("found", STANDARD, ids=lambda found: found.name)
def test_standard_slices_are_rays(found: Slice) -> None:
    """Sizes, names and hosts as `ray.util.tpu` has them."""
    from ray._private.accelerators import TPUAcceleratorManager, tpu
    from ray.util.tpu import get_tpu_version_from_type, get_tpu_worker_resources

    assert found.chip.ray is not None
    assert found.topology is not None
    version = get_tpu_version_from_type(found.chip.ray)
    workers, resources = get_tpu_worker_resources(found.topology, found.chip.ray)
    assert (workers, resources["TPU"]) == (found.workers, found.chips_on_host)
    assert tpu.get_chips_per_host(found.topology, version) == found.chips_on_host
    pod = tpu.infer_tpu_pod_type_from_topology(found.topology, found.chip.ray)
    assert pod == tpu.normalize_tpu_accelerator_type(found.accelerator_type)
    assert tpu.get_total_chips_from_accelerator_type(pod) == found.chips
    assert slice_named(found.name) == slice_named(found.accelerator_type) == found
    # Ray's table begins with pods; a single host of v2 and v3 is no pod
    pods = not (version in ("v2", "v3") and found.hosts == 1)
    assert TPUAcceleratorManager.is_valid_tpu_accelerator_topology(version, found.topology) == pods


@given(st.sampled_from(TPUS), st.lists(st.integers(1, 6), min_size=2, max_size=3))
def test_a_shape_is_refused_or_whole(chip: Hardware, sides: list[int]) -> None:
    """Whatever shape is let through has whole hosts, in the same number as Ray says."""
    from ray.util.tpu import get_tpu_worker_resources

    try:
        found = tpu_slice(chip, "x".join(str(4 * side) for side in sides))
    except ValueError:
        return
    assert found.hosts * found.chips_on_host == found.chips == math.prod(4 * side for side in sides)
    assert found.topology is not None
    assert chip.ray is not None
    assert get_tpu_worker_resources(found.topology, chip.ray)[0] == found.workers


@given(st.sampled_from([chip for chip in catalogue().values() if chip.kind == "gpu"]), st.integers(1, 100))
def test_gpus_fill_whole_machines(chip: Hardware, number: int) -> None:
    full = chip.chips_per_host
    if number > full and number % full:
        with pytest.raises(ValueError, match="no whole machines"):
            gpu_slice(chip, number)
    else:
        found = gpu_slice(chip, number)
        assert found.hosts * found.chips_on_host == number == found.workers


@pytest.mark.parametrize(
    "found", [*STANDARD, slice_named("h100:8"), slice_named("h100:64")], ids=lambda found: found.name
)
def test_ray_takes_the_scaling_config(found: Slice) -> None:
    """Ray validates when it is made: one host too many is refused, so a mistake of ours would be."""
    config = scaling_config(found, slices=2)
    assert config.num_workers == 2 * found.workers
    assert describe_slice(found)["total_resources"]["GPU" if config.use_gpu else "TPU"] == found.chips
    if found.hosts > 1 and config.use_tpu:
        import ray.train

        make: Any = ray.train.ScalingConfig  # as in placement: with fields that mypy does not see
        with pytest.raises(ValueError, match="must be a multiple of"):
            make(
                num_workers=found.hosts + 1,
                use_tpu=True,
                topology=found.topology,
                accelerator_type=found.chip.ray,
                resources_per_worker=config.resources_per_worker,
            )


def test_machines_by_number() -> None:
    assert slice_wanted(None, "h100", 8) == slice_named("h100:64")
    assert slice_wanted(None, "tpu-v4", 2) == slice_named("v4-16")
    assert slice_wanted("v4-16", None, None).hosts == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("v4-17", None, None), "tpu-v4 has no slice of 17 cores: there are v4-8, v4-16"),
        (("v5e-12", None, None), "no slice of 12 chips"),
        (("v4:2x3x4", None, None), "no topology '2x3x4'"),
        (("h100:12", None, None), "12 h100 are no whole machines: up to 8 on one, or a multiple of 8"),
        (("h100:many", None, None), "'many' is not a number of GPUs"),
        (("cpu:4", None, None), "unknown slice 'cpu:4'"),
        (("x", None, None), "unknown slice 'x'"),
        ((None, "tpu-v4", 3), "tpu-v4 has no slice of 3 hosts"),
        ((None, "h100", 0), "--nodes must be positive"),
        ((None, "cpu", 1), "--hardware cpu"),
        (("v4-16", "tpu-v4", None), "give either --slice"),
        (("v4-16", None, 2), "leave --nodes out"),
    ],
)
def test_mistakes_are_named(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        slice_wanted(*arguments)
