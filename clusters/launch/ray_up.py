"""Ray's cluster launcher (`ray up`): a small head and the slice's machines, on GCP or AWS."""

import json

from clusters.launch.request import LaunchRequest, indented, ray_image, title, yaml_text
from scaling.checks import check

HEAD = {"gcp": "n2-standard-8", "aws": "m6i.2xlarge"}
GCP_IMAGE = "projects/deeplearning-platform-release/global/images/family/common-cu128-ubuntu-2204-nvidia-570"
GCP_HEAD_IMAGE = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2204-lts"
START = "export RAY_AUTH_MODE=token; ulimit -n 65536; ray start"
DOCKER = "sudo apt-get update; sudo apt-get install -y docker.io; sudo usermod -aG docker $USER"
_PRIVILEGED = '\n  worker_run_options: ["--privileged"]  # the TPUs are seen in no other way'


def ray_up_cluster(request: LaunchRequest) -> str:
    cloud = request.kind.removeprefix("ray-up-")
    tpu = request.slice.topology is not None
    number = 1 if tpu else request.slice.hosts  # the launcher takes a TPU slice as one worker
    return f"""\
{title(request, "ray up")} Then:
#   ray get-auth-token --generate             once: only who has this token may use the cluster
#   ray up FILE                               in the checkout, which is copied to the machines
#   ray dashboard FILE                        leave it running: forwards port 8265, which nobody else can reach
#   RAY_AUTH_MODE=token RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265 ray job submit --working-dir . -- \\
#     python {request.command}
#   ray down FILE
cluster_name: {yaml_text(request.name)}
max_workers: {number}
idle_timeout_minutes: 30
{_provider(request, cloud)}
auth:
  ssh_user: ubuntu
docker:
  image: {yaml_text(request.image or ray_image(request.slice.chip.kind))}  # Ray and Python as here
  container_name: ray
  pull_before_run: true{_PRIVILEGED if tpu else ""}
file_mounts:
  "~/.ray/auth_token": "~/.ray/auth_token"
  "~/scaling-studies": "."
rsync_exclude: [".git/**", ".venv/**", "results/**"]
head_node_type: head
available_node_types:
  head:  # no work is placed on it
    resources: {{"CPU": 0}}
    node_config:
      {indented(_head_node(cloud), 6)}
  worker:
    min_workers: {number}
    max_workers: {number}
    resources: {json.dumps(_resources(request))}  # of each host
    node_config:
      {indented(_worker_node(request, cloud), 6)}
initialization_commands:  # outside the container
  - command -v docker || ({DOCKER})
setup_commands:
  - pip install --constraint ~/scaling-studies/{request.constraints} "$HOME/scaling-studies[{request.extras}]"
head_start_ray_commands:
  - ray stop
  - >-
    {START} --head --port=6379 --object-manager-port=8076
    --autoscaling-config=~/ray_bootstrap_config.yaml --dashboard-host=127.0.0.1
worker_start_ray_commands:
  - ray stop
  - {START} --address=$RAY_HEAD_IP:6379 --object-manager-port=8076
"""


def _provider(request: LaunchRequest, cloud: str) -> str:
    if cloud == "aws":
        zone = request.zone or "us-east-1a"
        return f"""provider:
  type: aws
  region: {zone[:-1]}
  availability_zone: {zone}  # change: one where you have a quota for {request.slice.chip.aws_machine}
  cache_stopped_nodes: false"""
    zone = request.zone or "us-central1-a"
    machine = request.slice.name if request.slice.topology else request.slice.chip.gcp_machine
    return f"""provider:
  type: gcp
  region: {zone.rpartition("-")[0]}
  availability_zone: {zone}  # change: one where you have a quota for {machine}
  project_id: {yaml_text(request.project or "my-project")}  # change: yours"""


def _resources(request: LaunchRequest) -> dict[str, int]:
    shape = request.slice
    if shape.topology is not None:
        return {"CPU": shape.host_cpus, "TPU": shape.chips_on_host}
    # The kind of GPU too: the autoscaler must know of it before there is a machine that could say so.
    return {"CPU": shape.host_cpus, "GPU": shape.chips_on_host, f"accelerator_type:{shape.chip.ray}": 1}


def _head_node(cloud: str) -> str:
    if cloud == "aws":
        return f"""InstanceType: {HEAD[cloud]}
BlockDeviceMappings:
  - DeviceName: /dev/sda1
    Ebs: {{VolumeSize: 128, VolumeType: gp3}}"""
    return f"machineType: {HEAD[cloud]}\n{_gcp_disk(GCP_HEAD_IMAGE)}"


def _worker_node(request: LaunchRequest, cloud: str) -> str:
    if request.slice.topology is not None:
        return _tpu_node(request)
    return _aws_node(request) if cloud == "aws" else _gcp_node(request)


def _tpu_node(request: LaunchRequest) -> str:
    shape = request.slice
    accelerator = f"acceleratorType: {shape.accelerator_type}"
    if not shape.standard:
        kind = (shape.chip.gcp_generation or "").upper()
        accelerator = f'acceleratorConfig: {{type: {kind}, topology: "{shape.topology}"}}'
    check(shape.chip.gcp_runtime is not None, f"ray-up-gcp: no software version is known for {shape.chip.name}")
    spot = "\nschedulingConfig: {preemptible: true}" if request.spot else ""
    return (
        f"{accelerator}  # {shape.hosts} hosts of {shape.chips_on_host} chips\n"
        f"runtimeVersion: {shape.chip.gcp_runtime}{spot}"
    )


def _gcp_node(request: LaunchRequest) -> str:
    chip = request.slice.chip
    check(chip.gcp_machine is not None, f"ray-up-gcp: {chip.name} is on no GCP machine of the catalogue")
    _check_full(request)
    attached = ""
    if chip.gcp_attached:
        zone = f"projects/{request.project or 'my-project'}/zones/{request.zone or 'us-central1-a'}"
        attached = f"""guestAccelerators:
  - acceleratorType: {yaml_text(f"{zone}/acceleratorTypes/{chip.gcp_attached}")}
    acceleratorCount: {request.slice.chips_on_host}
"""
    # GCP restarts no preemptible machine, and refuses to be asked for it.
    spot = ", preemptible: true" if request.spot else ""
    return f"""machineType: {chip.gcp_machine}
{attached}scheduling:
  - {{onHostMaintenance: TERMINATE, automaticRestart: {json.dumps(not request.spot)}{spot}}}
{_gcp_disk(GCP_IMAGE)}"""


def _aws_node(request: LaunchRequest) -> str:
    chip = request.slice.chip
    check(chip.aws_machine is not None, f"ray-up-aws: {chip.name} is on no AWS machine of the catalogue")
    _check_full(request)
    spot = "\nInstanceMarketOptions: {MarketType: spot}" if request.spot else ""
    return f"""InstanceType: {chip.aws_machine}
BlockDeviceMappings:
  - DeviceName: /dev/sda1
    Ebs: {{VolumeSize: 256, VolumeType: gp3}}{spot}
# change: add ImageId, an Ubuntu image with the GPU's driver and NVIDIA's container toolkit (Deep Learning Base AMI)"""


def _check_full(request: LaunchRequest) -> None:
    shape = request.slice
    full = shape.chip.chips_per_host
    check(shape.chips_on_host == full, f"{request.kind}: the machines have {full} {shape.chip.name}, not {shape.chips}")


def _gcp_disk(image: str) -> str:
    return f"""disks:
  - boot: true
    autoDelete: true
    type: PERSISTENT
    initializeParams:
      diskSizeGb: 256
      sourceImage: {image}"""
