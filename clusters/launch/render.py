"""The launch file that a request asks for."""

from clusters.launch.kuberay import ray_cluster, ray_job
from clusters.launch.ray_up import ray_up_cluster
from clusters.launch.request import LaunchRequest
from clusters.launch.skypilot import skypilot_task
from clusters.launch.slurm import slurm_script


def launch_file(request: LaunchRequest) -> str:
    """The text of the launch file. Raises ValueError where that kind of launch cannot get the chip."""
    match request.kind:
        case "ray-up-gcp" | "ray-up-aws":
            return ray_up_cluster(request)
        case "raycluster":
            return ray_cluster(request)
        case "rayjob":
            return ray_job(request)
        case "slurm":
            return slurm_script(request)
        case "skypilot":
            return skypilot_task(request)
