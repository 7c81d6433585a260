"""Measured costs: the search for the best batch, what fits, and whole runs of the command on tiny models."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaling.flops.counts import train_flops
from scaling.measure import memory, steps, timing
from scaling.measure.__main__ import Options, main
from scaling.measure.steps import Budget, rates_by_doubling
from scaling.models.build import build
from scaling.specs.architectures import ResNet
from scaling.specs.execution import Execution
from scaling.specs.zoo import ZOO
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.specs import TINY

GIB = 2**30


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models of the zoo, small products, few images to decode, and lines through small peaks."""
    monkeypatch.setitem(ZOO, "tiny", TINY)
    monkeypatch.setitem(ZOO, "tiny-R", ResNet((1,), width=8, groups=4))
    monkeypatch.setattr(timing, "GEMM_SIZES", {"cpu": (8,)})
    monkeypatch.setattr(steps, "INPUT_IMAGES", 4)
    monkeypatch.setattr(steps, "RISE", 2**20)
    write_photographs = timing.photographs
    monkeypatch.setattr(steps, "photographs", lambda folder, count: write_photographs(folder, count=10, side=40))


def options(*models: str, **fields: Any) -> Options:
    usual: dict[str, Any] = {"resolution": (16,), "seconds": 1e-3, "max_batch_size": 4, "num_classes": 5}
    return Options(models, **(usual | fields))


def test_rows_say_what_was_measured(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(options("tiny", "tiny-R", resolution=(16, 37), storage=storage.uri, batch_size=3, memory=64, json=True))
        == 0
    )
    rows = frames.read_table(storage, "measure").sort("measured_at").to_dicts()
    printed = json.loads(capsys.readouterr().out)
    assert [row["measure_id"] for row in rows] == [row["measure_id"] for row in printed]
    # 37 pixels are 32 in patches of 8; a ResNet takes them as they are
    assert [(row["name"], row["resolution"]) for row in rows] == [
        ("tiny", 16),
        ("tiny", 32),
        ("tiny-R", 16),
        ("tiny-R", 37),
    ]
    for row in rows:
        assert (row["device"], row["precision"], row["cores"], row["train_batch"]) == ("cpu", "fp32", 1, 3)
        assert row["memory_limit"] == 64 * GIB
        assert row["batches"] == [1, 2, 4][: len(row["batches"])]
        assert row["images_per_second"] == max(row["rates"]) == row["rates"][row["batches"].index(row["batch"])]
        assert row["train_flops"] == train_flops(ZOO[row["name"]], row["resolution"], 5, 3)
        assert row["train_images_per_second"] == pytest.approx(3 / row["step_seconds"])
        assert row["mfu"] == pytest.approx(row["train_flops"] / row["step_seconds"] / 1e12 / row["gemm_tflops"])
        assert row["input_images_per_second"] > 0
        assert row["largest_batch_by"] in ("line", None)
        assert (row["largest_batch"] is None) == (row["largest_batch_by"] is None)


def test_a_size_twice_is_measured_once(capsys: pytest.CaptureFixture[str]) -> None:
    """16 and 20 pixels are the same two patches."""
    assert main(options("tiny", "tiny", resolution=(16, 20))) == 0
    printed = capsys.readouterr().out
    assert printed.count("tiny at 16") == 1
    assert "Measured costs" in printed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (options(), "give the models to measure"),
        (options("tiny", resolution=()), "--resolution needs at least one"),
        (options("tiny", resolution=(7,)), "images of 7 pixels are smaller than a patch of tiny"),
        (options("tiny", resolution=(0,)), "images of 0 pixels"),
        (options("tiiny"), "no model 'tiiny' in the zoo; did you mean tiny"),
        (options("tiny", threads=0), "--threads must be positive, got 0"),
        (options("tiny", max_batch_size=-1), "--max-batch-size must be positive, got -1"),
        (options("tiny", memory=0.0), "--memory must be positive"),
        (options("tiny", seconds=0.0), "--seconds must be positive"),
        (options("tiny", data="parquet:/nowhere"), "/nowhere"),
        (options("tiny", storage="/proc/nowhere"), "storage /proc/nowhere cannot be written"),
    ],
)
def test_mistakes_are_named(wrong: Options, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        main(wrong)


@given(st.lists(st.floats(1, 100), min_size=1, max_size=9), st.integers(1, 600))
def test_the_best_batch_is_looked_for_until_two_are_worse(rates: list[float], most: int) -> None:
    tried: list[int] = []

    def rate(batch: int) -> float | None:
        tried.append(batch)
        number = batch.bit_length() - 1
        return rates[number] if number < len(rates) else None

    by_batch = rates_by_doubling(rate, most)
    assert list(by_batch) == [2**n for n in range(len(by_batch))]
    best = max(by_batch, key=by_batch.__getitem__)
    if len(by_batch) < len(rates) and 2 ** len(by_batch) <= most:  # ended early: two in a row brought nothing
        assert tried == list(by_batch)
        assert best << 2 == max(by_batch)
    assert all(batch <= most for batch in tried)


def test_a_batch_that_memory_has_no_room_for_is_halved_on_a_cpu() -> None:
    """The next batch is expected to take twice the peak, the process with it: a limit below that ends at one image."""
    device, module = local_device(Execution("fp32"), 1), build(TINY, 5, resolution=16)
    small, large = (Budget(1e-3, 8, limit) for limit in (1, 1024 * GIB))
    assert list(steps.inference_rates(module, 16, small, device)) == [1]
    assert len(steps.inference_rates(module, 16, large, device)) >= 3
    assert steps.training_step(module, 5, 16, 6, small, device)[0] == 1
    assert steps.training_step(module, 5, 16, 6, large, device)[0] == 6


def test_a_training_step_changes_the_weights() -> None:
    device, module = local_device(Execution("fp32"), 1), build(TINY, 5, resolution=16)
    before = [parameter.clone() for parameter in module.parameters()]
    batch, seconds, peak = steps.training_step(module, 5, 16, 2, Budget(1e-3, 8, GIB * 1024), device)
    assert batch == 2
    assert seconds > 0
    assert peak is None or peak > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_a_step_is_compiled_where_that_is_asked_for(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr("torch.nn.Module.compile", lambda module, **_: compiled.append(module))
    main(options("tiny", storage=storage.uri))
    assert compiled == []
    main(options("tiny", storage=storage.uri, compile=True))
    assert len(compiled) == 1
    assert frames.read_table(storage, "measure").sort("measured_at")["compiled"].to_list() == [False, True]


def test_the_largest_batch_of_a_cpu_is_on_a_line_of_measured_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of 100 MB, and 10 MB an image: 1 GB are 90 images."""
    monkeypatch.setattr(memory, "peak_memory", lambda work, device: 10**8 + 10**7 * len(work.args[1]))
    device, module = local_device(Execution("fp32"), 1), build(TINY, 5, resolution=16)
    assert steps.largest_batch(module, 16, device, 10**9, start=2) == ("line", 90)
    monkeypatch.setattr(memory, "peak_memory", lambda work, device: None)
    assert steps.largest_batch(module, 16, device, 10**9, start=2) == (None, None)


def test_other_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = replace(local_device(Execution("fp32"), 1), kind="xla")
    monkeypatch.setattr("scaling.measure.__main__.local_device", lambda *_, **__: strange)
    with pytest.raises(ValueError, match=r"costs are measured on cpu.* so far, and this is xla"):
        main(options("tiny"))
