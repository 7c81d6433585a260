"""The chip catalogue (`hardware.toml`): cores, peaks, memory, prices, measured throughput. Imports no ray."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

SECONDS_PER_DAY = 86_400
PAPER_UTILISATION = 0.348  # 1.847 EF per core-day of 61.5 TFLOP/s: all of the ViT paper's Table 2 on TPU v3
TPU_TYPE = "TPU_ACCELERATOR_TYPE"  # set on TPU machines: v4-16


@dataclass(frozen=True)
class Hardware:
    """One kind of chip. A core is the vendor's core: a TPU v3 chip has two. The catalogue explains the fields."""

    name: str
    cores_per_chip: int
    dtype: str
    peaks: dict[str, float] = field(default_factory=dict)  # TFLOP/s per chip, dense, by arithmetic
    price_usd_per_chip_hour: float | None = None
    exaflops_per_core_day: dict[str, float] = field(default_factory=dict)  # measured: by model, and 'pooled'
    memory_gb: float | None = None
    chips_per_host: int = 1
    host_cpus: int | None = None
    host_memory_gib: int | None = None
    device: str | None = None
    ray: str | None = None
    topologies: tuple[str, ...] = ()
    gke: tuple[str, ...] = ()
    gcp_generation: str | None = None
    gcp_runtime: str | None = None
    gcp_machine: str | None = None
    gcp_attached: str | None = None
    aws_machine: str | None = None
    peak_source: str = ""
    price_source: str | None = None
    as_of: str = ""

    @property
    def kind(self) -> str:
        """tpu, gpu or cpu."""
        return "tpu" if self.topologies else "gpu" if self.ray else "cpu"

    @property
    def peak_tflops(self) -> float | None:
        """TFLOP/s per chip, dense, in `dtype`."""
        return self.peaks.get(self.dtype)

    def rate(self, model: str, utilisation: float | None = None) -> float:
        """ExaFLOPs per core-day of training `model`.

        A given utilisation (share of the peak) goes first, then what was measured for the model or pooled over models,
        then the utilisation of the paper's own runs. Raises ValueError when there is no peak to take a share of.
        """
        measured = self.exaflops_per_core_day
        if utilisation is None and measured:
            return measured.get(model, measured["pooled"])
        if self.peak_tflops is None:
            raise ValueError(f"hardware {self.name} has no catalogued peak to take a utilisation of")
        share = PAPER_UTILISATION if utilisation is None else utilisation
        if not 0 < share <= 1:
            raise ValueError(f"utilisation must be in (0, 1], got {share}")
        return share * self.peak_tflops / self.cores_per_chip * SECONDS_PER_DAY / 1e6

    def price_usd(self, core_days: float) -> float | None:
        """List price of so many core-days, or None where no price is known."""
        if self.price_usd_per_chip_hour is None:
            return None
        # Prices are by the chip, core-days by the core.
        return core_days / self.cores_per_chip * 24 * self.price_usd_per_chip_hour

    def rate_note(self, utilisation: float | None) -> str:
        """Where the throughput of `rate` comes from, for people."""
        if utilisation is not None:
            return f"{utilisation:.0%} of peak"
        if self.exaflops_per_core_day:
            return "the measured rate"
        return f"{PAPER_UTILISATION:.0%} of peak, the ViT paper's own on TPU v3"


@cache
def catalogue() -> dict[str, Hardware]:
    """All chips by name."""
    tables = tomllib.loads((files("clusters.hardware") / "hardware.toml").read_text())
    common = {name: value for name, value in tables.items() if isinstance(value, str)}
    return {name: _hardware(name, row, common) for name, row in tables.items() if isinstance(row, dict)}


def _hardware(name: str, row: dict[str, Any], common: dict[str, str]) -> Hardware:
    sources: dict[str, Any] = {"as_of": common["as_of"]}
    if "peaks" in row:
        sources["peak_source"] = common["peak_source"]
    if "price_usd_per_chip_hour" in row:
        sources["price_source"] = common["price_source"]
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Hardware(name=name, **(sources | values))


def chip_named(name: str) -> Hardware:
    """The chip called `name`. Raises ValueError naming close matches."""
    chips = catalogue()
    if name not in chips:
        near = difflib.get_close_matches(name, chips, n=3) or sorted(chips)
        raise ValueError(f"unknown hardware {name!r}: try {', '.join(near)}")
    return chips[name]


def chip_generation(name: str) -> Hardware | None:
    """The TPU of a generation: v4, or in the words of Cloud TPU and Ray, v5litepod, tpu7x. None for an unknown one."""
    for chip in catalogue().values():
        if chip.kind == "tpu" and name in (chip.name, chip.name.removeprefix("tpu-"), chip.gcp_generation):
            return chip
    return None


def chip_of_device(device: str | None, environment: Mapping[str, str] | None = None) -> Hardware | None:
    """The chip of a machine; None for an accelerator that the catalogue lacks.

    `device` is a name of the catalogue, as torch.cuda gives it ('NVIDIA H100 80GB HBM3'), as attempts on TPUs have it
    ('tpu v4-16'), or None without a GPU. A TPU machine's environment says what slice it is part of.
    """
    if device is not None and device != "cpu":
        if device in catalogue():
            return catalogue()[device]
        if device.startswith("tpu "):
            return chip_generation(device.removeprefix("tpu ").rpartition("-")[0])
        return next((chip for chip in catalogue().values() if chip.device and re.search(chip.device, device)), None)
    if kind := (environment or {}).get(TPU_TYPE):
        return chip_generation(kind.rpartition("-")[0])
    return catalogue()["cpu"]
