"""Launch files as Ray reads them: its autoscaler finds what a training asks for, its command line its options."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest.mock import MagicMock, patch

import pytest
import yaml

from clusters.execution.placement import scaling_config
from clusters.hardware.slices import Slice, slice_named
from clusters.launch import samples
from clusters.launch.render import launch_file
from clusters.launch.request import LaunchKind, LaunchRequest

TPUS = ("v3-8", "v4-16", "v4-512", "v5e-8", "v5e-16", "v5p-128", "v6e-1", "v6e-64")
SLICES = (*TPUS, "h100:2", "h100:8", "h100:64", "t4:8")


def written(kind: LaunchKind, found: Slice) -> dict[str, Any]:
    file: dict[str, Any] = yaml.safe_load(launch_file(LaunchRequest(kind, found, storage="gs://bucket/study")))
    return file


def autoscaled(kind: LaunchKind, found: Slice) -> dict[str, Any]:
    """The autoscaler's node types by Ray's own reading of a file."""
    if kind == "raycluster":
        from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

        custom = written(kind, found)
        custom["metadata"]["namespace"] = "default"
        return _derive_autoscaling_config_from_ray_cr(custom)
    from ray.autoscaler._private.util import prepare_config

    return prepare_config(written(kind, found))


def launched(
    config: dict[str, Any], bundles: list[dict[str, float]], *, spread: bool
) -> tuple[dict[str, int], list[dict[str, float]]]:
    """(nodes by type that Ray's autoscaler starts for the bundles, bundles that it finds no place for)."""
    scheduler: Any = import_module("ray.autoscaler._private.resource_demand_scheduler")  # whose types say too little
    nodes, left = scheduler.get_nodes_for(
        config["available_node_types"],
        {},
        config["head_node_type"],
        10_000,
        bundles,
        lambda node, asked, _: scheduler._default_utilization_scorer(
            node, asked, None, node_availability_summary=scheduler.NodeAvailabilitySummary({})
        ),
        strict_spread=spread,
    )
    return dict(nodes), left


@pytest.mark.parametrize("name", SLICES)
def test_kuberays_autoscaler_starts_the_slice_that_a_training_asks_for(name: str) -> None:
    found = slice_named(name)
    config, asked = autoscaled("raycluster", found), scaling_config(found)
    bundle = dict(asked.resources_per_worker)
    tpu = found.topology is not None
    assert launched(config, [bundle] * asked.num_workers, spread=tpu) == ({found.chip.name: found.hosts}, [])
    node = config["available_node_types"][found.chip.name]
    assert node["min_workers"] == node["max_workers"] == found.hosts
    # no training starts on the head
    assert config["available_node_types"][config["head_node_type"]]["resources"]["CPU"] == 0
    # nothing is left of the slice: one bundle more finds no place
    nodes, left = launched(config, [bundle] * (asked.num_workers + 1), spread=tpu)
    assert (nodes, left) == ({found.chip.name: found.hosts}, [bundle])


@pytest.mark.parametrize("name", [name for name in TPUS if name != "v3-8"])  # Ray knows no GKE label of a v3
def test_kuberays_autoscaler_knows_a_tpu_slice_by_the_name_that_ray_train_reserves_it_by(name: str) -> None:
    """Ray Train first asks for one TPU-v4-16-head: a slice whose first host has it."""
    from ray._private.accelerators.tpu import infer_tpu_pod_type_from_topology

    found = slice_named(name)
    resources = autoscaled("raycluster", found)["available_node_types"][found.chip.name]["resources"]
    assert found.topology is not None
    assert found.chip.ray is not None
    pod = infer_tpu_pod_type_from_topology(found.topology, found.chip.ray)
    assert resources[f"TPU-{pod}-head"] == 1
    assert resources["TPU"] == found.chips_on_host


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("ray-up-gcp", "ray-up-aws") for name in ("h100:8", "h100:64", "t4:8")]
)
def test_ray_up_starts_the_machines_that_a_training_asks_for(kind: LaunchKind, name: str) -> None:
    found = slice_named(name)
    config, asked = autoscaled(kind, found), scaling_config(found)
    bundle = {**asked.resources_per_worker, f"accelerator_type:{asked.accelerator_type}": 0.001}
    assert launched(config, [bundle] * asked.num_workers, spread=False) == ({"worker": found.hosts}, [])
    assert launched(config, [bundle] * (asked.num_workers + 1), spread=False)[1] == [bundle]


@pytest.fixture
def gcp() -> Iterator[Any]:
    """Ray's GCP provider, whose rules need none of the Google libraries that it imports."""
    missing = ("google_auth_httplib2", "googleapiclient", "httplib2", "google.oauth2")
    parts = ("googleapiclient.discovery", "googleapiclient.errors", "google.oauth2.credentials")
    with patch.dict(sys.modules, {name: MagicMock() for name in (*missing, *parts)}):
        yield import_module("ray.autoscaler._private.gcp.config")  # and patch.dict takes it away again


@pytest.mark.parametrize("name", [*TPUS, "v4:4x4x12"])
def test_ray_up_takes_tpu_machines_for_such(gcp: Any, name: str) -> None:
    """By the rules of Ray's GCP provider; its launcher makes a whole slice as one worker."""
    found = slice_named(name)
    worker = written("ray-up-gcp", found)["available_node_types"]["worker"]
    assert gcp.get_node_type(worker["node_config"]).value == "tpu"
    assert gcp._is_single_host_tpu(worker["node_config"]) == (found.hosts == 1)
    assert gcp._get_num_tpu_chips(worker["node_config"]) == found.chips
    assert worker["min_workers"] == worker["max_workers"] == 1


COMMAND = re.compile(r"\bray (start|stop|up|down|dashboard|job submit|get-auth-token|symmetric-run)\b(?!:)([^\n;|&]*)")


@pytest.mark.parametrize(("file", "text"), samples.sample_files().items())
def test_rays_commands_have_the_options_that_are_given(file: str, text: str) -> None:
    """Those of scripts and those that the comments tell people to type."""
    from click import Group
    from ray.scripts.scripts import cli

    job = cli.commands["job"]
    assert isinstance(job, Group)
    known: dict[str, set[str]] = {}
    for name, command in [*cli.commands.items(), ("job submit", job.commands["submit"])]:
        known[name] = {option for parameter in command.params for option in parameter.opts}
    known["symmetric-run"] |= known["start"]
    one_line = re.sub(r"(\\\n#?|\n)\s+(?=--)", " ", text)
    found = COMMAND.findall(one_line)
    assert found or file.startswith("rayjob")
    for name, rest in found:
        options = re.findall(r"(?<!\S)--[a-z-]+", rest.split(" -- ")[0])
        assert set(options) <= known[name], (name, options)
        assert options or name not in ("start", "symmetric-run", "get-auth-token", "job submit")
