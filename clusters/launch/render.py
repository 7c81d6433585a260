"""The launch file of a wish."""

from clusters.launch.kuberay import ray_cluster, ray_job
from clusters.launch.ray_up import cluster
from clusters.launch.request import LaunchRequest
from clusters.launch.skypilot import task
from clusters.launch.slurm import script


def launch_file(wish: LaunchRequest) -> str:
    """Its text. Raises ValueError where the chip is not to be had in that way."""
    match wish.kind:
        case "ray-up-gcp" | "ray-up-aws":
            return cluster(wish)
        case "raycluster":
            return ray_cluster(wish)
        case "rayjob":
            return ray_job(wish)
        case "slurm":
            return script(wish)
        case "skypilot":
            return task(wish)
