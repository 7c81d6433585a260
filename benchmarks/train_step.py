"""Time our training steps against timm's: `python benchmarks/train_step.py [--models NAME ...] [--modes MODE ...]`.

A step is forward, loss, backward and optimizer step on one batch that lies on the device; both sides share loss,
optimizer and autocast. (In bf16 our layers also add up in bf16; timm's do so in float32.)
The contestants of a model live in one process and take turns, round after round, so that whatever else the machine
does falls on all of them. What counts are ratios: seconds depend on the machine.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from benchmarks.peers import peer
from scaling.console import command_line, console
from scaling.flops import train_flops
from scaling.measure import gemm_rate, timed
from scaling.models import build
from scaling.specs import Precision, Recipe, without_representation, zoo_model
from scaling.training import Device, local_device, make_optimizer

Mode = Literal["fp32", "bf16", "fp32-compiled", "bf16-compiled"]  # bf16: autocast, weights stay float32
Side = Literal["ours", "peer"]
RECIPE = Recipe()
CLASSES = 1000
BATCH = {"cpu": 8, "cuda": 128}


@dataclass(frozen=True)
class Options:
    """Time training steps of our models against timm's, in turns.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --models ViT-S/32 --modes fp32 --rounds 3
    """

    models: tuple[str, ...] = ("ViT-Ti/16", "ViT-S/32", "R50x1", "R26+ViT-S/32")
    """Models of the zoo. R50x1 has its norms after the convolutions, as in hybrids, BiT-R50x1 before them."""
    modes: tuple[Mode, ...] = ("fp32", "bf16", "fp32-compiled", "bf16-compiled")
    """Arithmetic, and whether by torch.compile."""
    rounds: int = 10
    """Turns of each contestant."""
    seconds: float = 0.2
    """Seconds of one turn, at least."""
    batch_size: int | None = None
    """Images a step. Default: 8 on a CPU, 128 on a GPU."""
    resolution: int = 224
    """Pixels a side."""
    threads: int = 1
    """CPU threads."""
    json: bool = False
    """Print one JSON value instead of text."""


@dataclass
class Contestant:
    """One way to make a step, and the seconds it took, by round."""

    model: str
    side: Side
    what: str
    mode: Mode
    flops: float  # of a step, by the closed form of our model
    step: Callable[[], None] = field(repr=False)
    steps: int = 1  # a turn
    seconds: list[float] = field(default_factory=list)  # a step, of each round

    @property
    def tflops(self) -> float:
        """A second, at the median."""
        return self.flops / statistics.median(self.seconds) / 1e12


def main(options: Options) -> int:
    if options.rounds < 1:
        raise ValueError(f"rounds must be positive, got {options.rounds}")
    device = local_device("fp32", options.threads)
    out = console(options.json)
    rates = {precision: gemm_rate(device, precision) for precision in get_args(Precision)}
    products = ", ".join(f"{precision} {rate:.3g}" for precision, rate in rates.items())
    out.print(f"{device.name}, {device.cores} core(s); matrix products: {products} TFLOP/s")
    measured = []
    for name in options.models:
        contestants = enter(name, options, device)
        race(contestants, options, device, out)
        out.print("\n".join(report(contestants, rates)))
        measured += contestants
    if options.json:
        rows = [{key: value for key, value in vars(c).items() if key != "step"} for c in measured]
        print(json.dumps({"device": device.name, "gemm_tflops": rates, "contestants": rows}))
    return 0


def precision_of(mode: Mode) -> Precision:
    return "bf16" if mode.startswith("bf16") else "fp32"


def enter(name: str, options: Options, device: Device) -> list[Contestant]:
    """Both sides in every mode, each with a module and an optimizer of its own. timm's have no pre-training head."""
    spec, batch = without_representation(zoo_model(name)), options.batch_size or BATCH[device.kind]
    images = torch.randn(batch, 3, options.resolution, options.resolution, device=device.torch)
    labels = torch.randint(CLASSES, (batch,), device=device.torch)
    flops = train_flops(spec, options.resolution, CLASSES, batch)
    contestants = []
    for mode in options.modes:
        ours = build(spec, CLASSES, resolution=options.resolution), "ours"
        theirs = peer(name, spec, CLASSES, options.resolution)
        for side, (module, what) in zip(get_args(Side), (ours, theirs), strict=True):
            step = make_step(module, mode, images, labels, device)
            contestants.append(Contestant(name, side, what, mode, flops, step))
    return contestants


def make_step(module: nn.Module, mode: Mode, images: Tensor, labels: Tensor, device: Device) -> Callable[[], None]:
    """The training step of the loop, on the same images every time."""
    module.to(device.torch).train()
    optimizer = make_optimizer(module, RECIPE)
    for group in optimizer.param_groups:
        group["lr"] = 1e-4  # a classifier that stays zero would send zeros back, which some chips multiply faster
    device = replace(device, precision=precision_of(mode), compile=mode.endswith("compiled"))
    device.compiled(module)

    def step() -> None:
        with device.autocast():
            logits = module(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def race(contestants: list[Contestant], options: Options, device: Device, out: Console) -> None:
    """Fill in the contestants' seconds. Two steps each to warm up and compile; a third decides the steps of a turn.

    A turn begins with a step that is not timed: the first one finds the caches and the allocator as others left them.
    """
    for contestant in contestants:
        start = time.perf_counter()
        timed(contestant.step, 2, device)
        out.print(f"  {contestant.side} {contestant.mode}: ready after {time.perf_counter() - start:.0f} s")
        contestant.steps = max(1, round(options.seconds / timed(contestant.step, 1, device)))
    for _ in range(options.rounds):
        for contestant in contestants:
            contestant.step()
            contestant.seconds.append(timed(contestant.step, contestant.steps, device))


def report(contestants: list[Contestant], rates: dict[str, float]) -> list[str]:
    """Lines: each contestant's rate, then how many times as fast each of ours is as each peer."""
    ours, peers = ([c for c in contestants if c.side == side] for side in ("ours", "peer"))
    lines = [f"\n{ours[0].model} against {peers[0].what}"]
    for c in contestants:
        precision = precision_of(c.mode)
        share = c.tflops / rates[precision]
        lines.append(f"  {c.side:4} {c.mode:13} {c.tflops:8.3f} TFLOP/s, {share:4.0%} of {precision} matrix products")
    for mine in ours:
        for other in peers:
            median, low, high = ratio(mine, other)
            lines.append(f"  ours {mine.mode:13} / peer {other.mode:13} {median:6.2f}  ({low:.2f} to {high:.2f})")
    return lines


def ratio(mine: Contestant, other: Contestant) -> tuple[float, float, float]:
    """How many times as fast, round by round: (median, lower quartile, upper quartile).

    Turns of one round lie close together, so that a slow spell of the machine falls on both.
    """
    by_round = [theirs / own for own, theirs in zip(mine.seconds, other.seconds, strict=True)]
    low, median, high = statistics.quantiles(by_round, n=4) if len(by_round) > 1 else by_round * 3
    return median, low, high


if __name__ == "__main__":
    command_line(main, Options, renamed={"--batch": "--batch-size"})
