"""Files that bring a cluster up: for `ray up`, KubeRay, Slurm and SkyPilot, and what checks them."""

from clusters.launch.check import mistakes
from clusters.launch.render import launch_file
from clusters.launch.request import LaunchKind, LaunchRequest
from clusters.launch.yaml_lines import LineError

__all__ = [
    "LaunchKind",
    "LaunchRequest",
    "LineError",
    "launch_file",
    "mistakes",
]
