"""Slices of machines: names such as v4-16 and h100:8 to chips, hosts, workers and topology. Imports no ray."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.hardware.catalogue import Hardware, catalogue, chip_generation, chip_named
from scaling.checks import check

ONE_HOST = 8  # chips of a v5e or v6e slice that one machine can hold, where other TPU machines have four
SLICE_NAME, POD, TOPOLOGY = (f"ray.io/tpu-{what}" for what in ("slice-name", "pod-type", "topology"))  # Ray's labels
SHAPE = re.compile(r"\d+x\d+(x\d+)?")


@dataclass(frozen=True)
class Slice:
    """Chips that work as one: a TPU slice of a topology, or the GPUs of some machines (topology None)."""

    chip: Hardware
    chips: int
    topology: str | None = None  # chips along each axis, 2x2x2

    @property
    def name(self) -> str:
        """The common name: v4-16 (cores), v5e-16 (chips), h100:8; v4:4x4x12 for a shape that is not standard."""
        kind = self.chip.name.removeprefix("tpu-")
        if self.topology is None:
            return f"{kind}:{self.chips}"
        return f"{kind}-{self.cores}" if self.standard else f"{kind}:{self.topology}"

    @property
    def standard(self) -> bool:
        """Whether a TPU slice's size says its shape."""
        return self.topology in self.chip.topologies

    @property
    def accelerator_type(self) -> str:
        """Cloud TPU's name of the slice: v5litepod-16."""
        assert self.topology is not None
        return f"{self.chip.gcp_generation}-{self.cores}"

    @property
    def cores(self) -> int:
        return self.chips * self.chip.cores_per_chip

    @property
    def chips_on_host(self) -> int:
        if self.chip.kind == "tpu" and self.chip.cores_per_chip == 1 and self.chips <= ONE_HOST:
            return self.chips
        return min(self.chips, self.chip.chips_per_host)

    @property
    def hosts(self) -> int:
        return self.chips // self.chips_on_host

    @property
    def workers(self) -> int:
        """Workers of a training: one per TPU host, one per GPU."""
        return self.hosts if self.chip.kind == "tpu" else self.chips

    @property
    def host_cpus(self) -> int:
        """CPUs that a launch file asks for on each host: a full machine's, or the chips' share of them."""
        return self._share(self.chip.host_cpus or 1)

    @property
    def host_memory_gib(self) -> int:
        return self._share(self.chip.host_memory_gib or 1)

    def _share(self, of_full: int) -> int:
        full = self.chip.chips_per_host
        return max(1, of_full * min(self.chips_on_host, full) // full)

    @property
    def price_usd_per_hour(self) -> float | None:
        price = self.chip.price_usd_per_chip_hour
        return None if price is None else price * self.chips


def slice_named(name: str) -> Slice:
    """The slice of a name: a TPU's by size (v4-16, v5litepod-16) or shape (v4:2x2x2), GPUs by number (h100:64).

    The size of a TPU slice counts cores, as its makers do: two per chip for v2, v3, v4, v5p, v7x, one for v5e, v6e.
    Raises ValueError with the sizes that exist.
    """
    kind, mark, size = name.strip().lower().rpartition(":" if ":" in name else "-")
    chip = chip_generation(kind) or catalogue().get(kind)
    check(mark != "" and chip is not None and chip.kind != "cpu", f"unknown slice {name!r}: such as v4-16 or h100:8")
    assert chip is not None
    if chip.kind == "tpu":
        return tpu_slice(chip, size) if mark == ":" else _of_cores(chip, size)
    check(size.isdecimal() and int(size) > 0, f"slice {name!r}: {size!r} is not a number of GPUs")
    return gpu_slice(chip, int(size))


def tpu_slice(chip: Hardware, topology: str) -> Slice:
    """The TPU slice of a topology. Raises ValueError with the shapes that exist."""
    check(_known(chip, topology), f"{chip.name} has no topology {topology!r}: there are {', '.join(chip.topologies)}")
    return Slice(chip, math.prod(map(int, topology.split("x"))), topology)


def gpu_slice(chip: Hardware, number: int) -> Slice:
    """A number of GPUs: some of one machine, or all of several machines. Raises ValueError for any other number."""
    full = chip.chips_per_host
    check(
        number <= full or number % full == 0,
        f"{number} {chip.name} are no whole machines: up to {full} on one, or a multiple of {full}",
    )
    return Slice(chip, number)


def slices_of(nodes: Sequence[Mapping[str, Any]]) -> tuple[Slice, int] | None:
    """The TPU slices that nodes, as `ray.nodes()` lists them, make up: their shape, and how many are whole.

    None without TPUs. Raises ValueError for slices of several shapes, or nodes that do not say what they are part of.
    """
    chips: Counter[str] = Counter()  # by the slice
    shapes: dict[str, Slice] = {}  # by name
    for node in nodes:
        number, labels = int(node["Resources"].get("TPU", 0)), node.get("Labels") or {}
        if node["Alive"] and number:
            pod, topology = labels.get(POD, ""), labels.get(TOPOLOGY, "")
            check(pod != "", f"node {node['NodeID']} has {number} TPU chips and no label {POD}")
            chip = chip_generation(pod.rpartition("-")[0])
            # By the topology where there is one: 4x4x12 is not the only shape of its number of chips.
            shape = tpu_slice(chip, topology) if chip and _known(chip, topology) else slice_named(pod)
            shapes[shape.name] = shape
            # A node without a name of its slice is one by itself.
            chips[labels.get(SLICE_NAME, node["NodeID"])] += number
    if not chips:
        return None
    check(len(shapes) == 1, f"the cluster has TPU slices {' and '.join(sorted(shapes))}: a study runs on one kind")
    (shape,) = shapes.values()
    return shape, sum(number == shape.chips for number in chips.values())


def slice_wanted(name: str | None, chip: str | None, nodes: int | None) -> Slice:
    """The slice that a command asks for: by name, or so many full machines of a chip."""
    check((name is None) != (chip is None), "give either --slice (v4-16, h100:64) or --hardware with --nodes")
    if name is not None:
        check(nodes is None, f"--slice {name} says the number of machines: leave --nodes out")
        return slice_named(name)
    assert chip is not None
    named = chip_named(chip)
    check(nodes is None or nodes > 0, f"--nodes must be positive, got {nodes}")
    check(named.kind != "cpu", "--hardware cpu: launch files are for accelerators; see the README for CPU clusters")
    if named.kind == "gpu":
        return gpu_slice(named, (nodes or 1) * named.chips_per_host)
    fitting = [tpu_slice(named, shape) for shape in named.topologies]
    fitting = [each for each in fitting if each.hosts == (nodes or 1)]
    shapes = ", ".join(tpu_slice(named, shape).name for shape in named.topologies)
    check(fitting != [], f"{chip} has no slice of {nodes} hosts: take --slice, one of {shapes}")
    return fitting[-1]


def _of_cores(chip: Hardware, size: str) -> Slice:
    slices = {str(each.cores): each for each in (tpu_slice(chip, shape) for shape in chip.topologies)}
    unit = "cores" if chip.cores_per_chip > 1 else "chips"
    names = ", ".join(each.name for each in slices.values())
    check(size in slices, f"{chip.name} has no slice of {size} {unit}: there are {names}")
    return slices[size]


def _known(chip: Hardware, topology: str) -> bool:
    return topology in chip.topologies or _of_cubes(chip, topology)


def _of_cubes(chip: Hardware, topology: str) -> bool:
    """Whether a three-dimensional shape is made of whole cubes of 4 x 4 x 4, sides in order, within the largest."""
    if SHAPE.fullmatch(topology) is None or topology.count("x") != 2 or chip.topologies[-1].count("x") != 2:
        return False
    sides, most = ([int(side) for side in shape.split("x")] for shape in (topology, chip.topologies[-1]))
    ordered = sorted(sides) == sides and all(side > 0 and side % 4 == 0 for side in sides)
    return ordered and all(side <= limit for side, limit in zip(sides, most, strict=True))
