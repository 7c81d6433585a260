"""Rules that a schema cannot express: hosts that fit the topology, closed dashboards, storage for all machines."""

import math
import re
from collections.abc import Iterator
from typing import Any

from clusters.hardware import Slice, catalogue, chip_generation, gpu_slice, slice_named, tpu_slice
from clusters.launch.request import is_shared
from clusters.launch.yaml_lines import LineError, Path, YamlDocument

ACCELERATOR, TOPOLOGY = "cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-tpu-topology"
CLOSED = ("127.0.0.1", "localhost", "::1")
DASHBOARD_HOST = re.compile(r"dashboard[-_]host[\"']?\s*[=: ]\s*[\"']?([^\s\"',}]+)")
STORAGE = re.compile(r"--storage[= ]+[\"']?([^\s\"']+)")
DASHBOARD_PORT = 8265


def kuberay_mistakes(document: YamlDocument, text: str) -> Iterator[LineError]:
    job = document.value["kind"] == "RayJob"
    root: Path = ("spec", "rayClusterSpec") if job else ("spec",)
    if document.get(*root, "authOptions", "mode") != "token":  # KubeRay's dashboard listens to all of the network
        at = document.line((*root, "authOptions", "mode"))
        yield LineError(at, "the dashboard is open, and who reaches it runs code: set authOptions.mode: token")
    groups = document.get(*root, "workerGroupSpecs") or []
    machines = 1  # the head
    for number, group in enumerate(groups):
        machines += group.get("replicas", 0) * group.get("numOfHosts", 1)
        yield from _group(document, (*root, "workerGroupSpecs", number), group)
    if job:
        entrypoint, line = document.value["spec"]["entrypoint"], document.line(("spec", "entrypoint"))
        yield from storage_mistakes(entrypoint, line, machines)


def _group(document: YamlDocument, path: Path, group: dict[str, Any]) -> Iterator[LineError]:
    """A group of hosts: those of TPU slices must be the topology's, in number and in chips."""
    pod = group["template"]["spec"]
    replicas = group.get("replicas", 0)
    low, high = group.get("minReplicas", 0), group.get("maxReplicas", replicas)
    if not low <= replicas <= high:
        at = document.line((*path, "replicas"))
        yield LineError(at, f"replicas {replicas} are not between minReplicas {low} and maxReplicas {high}")
    selector = (*path, "template", "spec", "nodeSelector")
    labels = pod.get("nodeSelector", {})
    chips, at = _asked(document, path, pod, "google.com/tpu")
    if not (chips or ACCELERATOR in labels or TOPOLOGY in labels):
        if group.get("numOfHosts", 1) != 1:
            yield LineError(document.line((*path, "numOfHosts")), "numOfHosts is for TPU slices: set replicas")
        return
    missing = [label for label in (ACCELERATOR, TOPOLOGY) if label not in labels]
    if missing:
        yield LineError(document.line(selector), f"TPU hosts are selected by {missing[0]}, which is missing")
        return
    known = {label: chip for chip in catalogue().values() for label in chip.gke}
    if labels[ACCELERATOR] not in known:
        names = ", ".join(sorted(known))
        yield LineError(document.line((*selector, ACCELERATOR)), f"no TPU is called {labels[ACCELERATOR]!r}: {names}")
        return
    try:
        shape = tpu_slice(known[labels[ACCELERATOR]], labels[TOPOLOGY])
    except ValueError as error:
        yield LineError(document.line((*selector, TOPOLOGY)), str(error))
        return
    hosts = group.get("numOfHosts", 1)
    if hosts != shape.hosts:
        says = f"topology {shape.topology} of {shape.chip.name} has {shape.hosts} hosts, numOfHosts is {hosts}"
        yield LineError(document.line((*path, "numOfHosts")), says)
    if chips != shape.chips_on_host:
        yield LineError(at, f"a host of {shape.name} has {shape.chips_on_host} chips, google.com/tpu asks for {chips}")


def _asked(document: YamlDocument, path: Path, pod: dict[str, Any], resource: str) -> tuple[int, int]:
    """(number of a resource that the containers of a pod are limited to, its line)."""
    total, line = 0, document.line((*path, "template", "spec"))
    for number, container in enumerate(pod["containers"]):
        value = container.get("resources", {}).get("limits", {}).get(resource)
        if value is not None:
            total += int(value) if str(value).isdecimal() else 0
            line = document.line((*path, "template", "spec", "containers", number, "resources", "limits", resource))
    return total, line


def ray_up_mistakes(document: YamlDocument, text: str) -> Iterator[LineError]:
    yield from dashboard_mistakes(text)
    types = document.get("available_node_types") or {}
    head = document.get("head_node_type")
    if head not in types:
        yield LineError(document.line(("head_node_type",)), f"head_node_type {head!r} is none of available_node_types")
    least, most = sum(node.get("min_workers", 0) for node in types.values()), document.get("max_workers")
    if most is not None and least > most:
        yield LineError(document.line(("max_workers",)), f"max_workers {most} is less than the {least} of min_workers")
    for name, node in types.items():
        yield from _node(document, ("available_node_types", name), node)
    rules = document.get("provider", "security_group", "IpPermissions") or []
    for number, rule in enumerate(rules):
        low, high = rule.get("FromPort", 0), rule.get("ToPort", 65535)
        world = any(each.get("CidrIp") == "0.0.0.0/0" for each in rule.get("IpRanges", []))
        if world and low <= DASHBOARD_PORT <= high:
            at = document.line(("provider", "security_group", "IpPermissions", number))
            yield LineError(at, f"port {DASHBOARD_PORT}, the dashboard's, is open to the world")


def _node(document: YamlDocument, path: Path, node: dict[str, Any]) -> Iterator[LineError]:
    """A machine of a cloud: the chips that Ray is told of must be those it has."""
    config, resources = node["node_config"], node["resources"]
    key = "acceleratorConfig" if "acceleratorConfig" in config else "acceleratorType"
    try:
        shape = _tpu(config) or _machine(config)
    except ValueError as error:
        yield LineError(document.line((*path, "node_config", key)), str(error))
        return
    if shape is None:
        return
    name = "TPU" if shape.topology else "GPU"
    if resources.get(name, 0) != shape.chips_on_host:
        says = f"a host of {shape.name} has {shape.chips_on_host} chips, resources say {name} {resources.get(name, 0)}"
        yield LineError(document.line((*path, "resources", name)), says)
    if shape.topology and node.get("max_workers", 0) > 1 and shape.hosts > 1:
        says = f"{shape.name} is one worker, all its {shape.hosts} hosts included: max_workers counts slices"
        # As many as there are hosts: these were counted, not slices. Any other number may be meant.
        if node["max_workers"] == shape.hosts:
            yield LineError(document.line((*path, "max_workers")), says)


def _tpu(config: dict[str, Any]) -> Slice | None:
    if "machineType" in config:
        return None
    if "acceleratorType" in config:
        return slice_named(str(config["acceleratorType"]))
    if shape := config.get("acceleratorConfig"):
        # GCP's interface has V5LITE_POD for what is v5litepod everywhere else.
        chip = chip_generation(str(shape.get("type", "")).lower().replace("lite_pod", "litepod"))
        if chip is None:
            raise ValueError(f"unknown TPU type {shape.get('type')!r}: such as V4 or V5P")
        return tpu_slice(chip, str(shape.get("topology")))
    return None


def _machine(config: dict[str, Any]) -> Slice | None:
    """The GPUs of a catalogued machine type."""
    machine = config.get("InstanceType") or config.get("machineType")
    for chip in catalogue().values():
        attached = config.get("guestAccelerators", [])
        if machine is not None and machine == chip.gcp_machine and chip.gcp_attached:
            # A machine that one of several GPUs can be attached to does not say which.
            mine = [each for each in attached if str(each["acceleratorType"]).endswith(chip.gcp_attached)]
            if mine:
                return Slice(chip, math.prod(each["acceleratorCount"] for each in mine))
        elif machine is not None and machine in (chip.gcp_machine, chip.aws_machine):
            return gpu_slice(chip, chip.chips_per_host)
    return None


def skypilot_mistakes(document: YamlDocument, text: str) -> Iterator[LineError]:
    yield from dashboard_mistakes(text)
    resources, nodes = document.value["resources"], document.get("num_nodes") or 1
    ports = resources.get("ports", [])
    if any(str(port) == str(DASHBOARD_PORT) for port in (ports if isinstance(ports, list) else [ports])):
        yield LineError(document.line(("resources", "ports")), f"port {DASHBOARD_PORT}, the dashboard's, is opened")
    name, at = resources.get("accelerators"), document.line(("resources", "accelerators"))
    hosts = nodes
    if isinstance(name, str):
        try:
            shape = _sky_slice(name)
        except ValueError as error:
            yield LineError(at, str(error))
            return
        if shape.topology:
            hosts = shape.hosts * nodes
        elif shape.hosts > 1:
            yield LineError(at, f"{name} is more than one machine has, {shape.chip.chips_per_host}: set num_nodes")
    line = next((n for n, each in enumerate(text.splitlines(), 1) if "run_study.py" in each), document.line(("run",)))
    yield from storage_mistakes(document.value["run"], line, hosts)


def _sky_slice(name: str) -> Slice:
    if name.startswith("tpu"):
        return slice_named(name.removeprefix("tpu-"))
    return slice_named(name if ":" in name else f"{name}:1")


def dashboard_mistakes(text: str) -> Iterator[LineError]:
    """The dashboard must listen to its own machine only: who reaches it runs code, and tokens travel unencrypted.

    `text` is the file without its comments.
    """
    for number, line in enumerate(text.splitlines(), 1):
        for host in DASHBOARD_HOST.findall(line):
            if host not in CLOSED:
                says = f"the dashboard is open on {host}, and who reaches it runs code: take 127.0.0.1"
                yield LineError(number, f"{says} and a tunnel (ray dashboard, ssh -L 8265:127.0.0.1:8265)")


def storage_mistakes(command: str, line: int, machines: int) -> Iterator[LineError]:
    """Several machines need one storage that all of them see."""
    match = STORAGE.search(command)
    if machines > 1 and "run_study.py" in command and not (match and is_shared(match[1])):
        says = (
            f"{machines} machines need a storage that all of them see: --storage gs://BUCKET/PATH or an absolute path"
        )
        yield LineError(line, f"{says}, not {match[1] if match else 'none'}")
