"""KubeRay 1.7's RayCluster and RayJob: GPUs on any Kubernetes, TPU slices on GKE."""

import json
from textwrap import indent

from clusters.hardware import Slice
from clusters.launch.request import LaunchRequest, indented, ray_image, ray_version, title, yaml_quoted, yaml_text
from scaling.checks import check

HOME = "/home/ray/scaling-studies"
GPU_RESOURCE = {"mi300x": "amd.com/gpu"}  # nvidia.com/gpu for all others


def ray_cluster(request: LaunchRequest) -> str:
    return f"""\
{_head_lines(request)}
#   kubectl apply -f FILE
#   kubectl port-forward service/{request.name}-head-svc 8265    leave it running: nobody else can reach the dashboard
#   export RAY_AUTH_MODE=token
#   export RAY_AUTH_TOKEN="$(kubectl get secret {request.name} -o jsonpath='{{.data.auth_token}}' | base64 -d)"
#   RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265 ray job submit --working-dir . -- \\
#     python {request.command}
apiVersion: ray.io/v1
kind: RayCluster
metadata:
  name: {yaml_text(request.name)}
spec:
  {indented(_cluster_spec(request), 2)}
"""


def ray_job(request: LaunchRequest) -> str:
    return f"""\
{_head_lines(request)}
#   kubectl apply -f FILE
#   kubectl logs -f job/{request.name}
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: {yaml_text(request.name)}
spec:
  entrypoint: {yaml_quoted(f"python {HOME}/{request.command}")}
  submissionMode: K8sJobMode
  backoffLimit: 3  # a new cluster goes on from the last checkpoints
  activeDeadlineSeconds: {request.hours * 3600}
  shutdownAfterJobFinishes: true
  ttlSecondsAfterFinished: 600
  rayClusterSpec:
    {indented(_cluster_spec(request), 4)}
"""


def _head_lines(request: LaunchRequest) -> str:
    tpu = request.slice.topology is not None
    pool = "\n# GKE needs a node pool of this topology, and its Ray add-on, which tells TPU hosts their numbers."
    return f"""\
{title(request, f"KubeRay {'RayJob' if request.kind == 'rayjob' else 'RayCluster'}")}{pool if tpu else ""}
# The image is this project in Ray's own. In the checkout, Dockerfile:
#   FROM {ray_image(request.slice.chip.kind)}
#   COPY --chown=ray . {HOME}
#   RUN pip install --constraint {HOME}/{request.constraints} --editable '{HOME}[{request.extras}]'
# Then:"""


def _cluster_spec(request: LaunchRequest) -> str:
    return f"""\
rayVersion: "{ray_version()}"
authOptions:
  mode: token  # KubeRay makes one, in the Secret named as the cluster
headGroupSpec:
  serviceType: ClusterIP
  rayStartParams:
    num-cpus: "0"  # no work is placed on the head
  template:
    spec:
      containers:
        - name: ray-head
          {indented(_container(request, {"cpu": "4", "memory": "16Gi"}), 10)}
          ports:
            - {{containerPort: 6379, name: gcs-server}}
            - {{containerPort: 8265, name: dashboard}}
            - {{containerPort: 10001, name: client}}{_storage(request, shared_memory=False, spaces=6)}
workerGroupSpecs:
  - groupName: {request.slice.chip.name}
    {indented(_numbers(request.slice), 4)}
    rayStartParams: {{}}
    template:
      spec:{_after(_selector(request), 8)}
        containers:
          - name: ray-worker
            {indented(_container(request, _worker_resources(request.slice)), 12)}\
{_storage(request, shared_memory=True, spaces=8)}"""


def _after(block: str, spaces: int) -> str:
    """A block on lines of its own, nothing for an empty one."""
    return "\n" + indent(block, " " * spaces) if block else ""


def _numbers(shape: Slice) -> str:
    """KubeRay counts TPU slices, each of several hosts, but single GPU machines."""
    slices, hosts = (1, shape.hosts) if shape.topology else (shape.hosts, 1)
    return f"replicas: {slices}\nminReplicas: {slices}\nmaxReplicas: {slices}\nnumOfHosts: {hosts}"


def _container(request: LaunchRequest, resources: dict[str, str]) -> str:
    asked = json.dumps(resources)
    return f"""\
image: {yaml_text(request.image or "scaling-studies:latest")}  # change: where you pushed it
securityContext: {{allowPrivilegeEscalation: false}}
resources:
  limits: {asked}
  requests: {asked}"""


def _worker_resources(shape: Slice) -> dict[str, str]:
    name = "google.com/tpu" if shape.topology else GPU_RESOURCE.get(shape.chip.name, "nvidia.com/gpu")
    host = {"cpu": str(shape.host_cpus), "memory": f"{shape.host_memory_gib}Gi"}
    return {**host, name: str(shape.chips_on_host)}


def _selector(request: LaunchRequest) -> str:
    shape = request.slice
    labels = {}
    if shape.topology is not None:
        check(shape.chip.gke != (), f"{request.kind}: GKE has no {shape.chip.name}")
        # Of some chips GKE calls slices of several hosts by another name.
        labels["cloud.google.com/gke-tpu-accelerator"] = shape.chip.gke[shape.hosts > 1]
        labels["cloud.google.com/gke-tpu-topology"] = shape.topology
    if request.spot:
        labels["cloud.google.com/gke-spot"] = '"true"'
    return "\n".join(["nodeSelector:", *(f"  {key}: {value}" for key, value in labels.items())]) if labels else ""


def _storage(request: LaunchRequest, *, shared_memory: bool, spaces: int) -> str:
    """What the last container of a pod mounts, and the pod's volumes, at so many spaces."""
    mounts, volumes = [], []
    if shared_memory:
        mounts.append("  - {name: shared-memory, mountPath: /dev/shm}")
        volumes.append("  - {name: shared-memory, emptyDir: {medium: Memory}}")
    if request.storage is not None and request.storage.startswith("/"):
        mounts.append(f"  - {{name: storage, mountPath: {yaml_quoted(request.storage)}}}")
        claim = f"persistentVolumeClaim: {{claimName: {yaml_text(request.claim)}}}"
        volumes.append(f"  - {{name: storage, {claim}}}  # change: a claim that many nodes may write to")
    if not mounts:
        return ""
    mount, volume = ("\n".join(lines) for lines in (["volumeMounts:", *mounts], ["volumes:", *volumes]))
    return _after(mount, spaces + 4) + _after(volume, spaces)
