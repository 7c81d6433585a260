"""Which device a worker takes, and what it is called."""

import importlib.util
from typing import Literal

import pytest
import torch

from scaling.specs.execution import Execution
from scaling.training.devices import Device, local_device, tpu_cores


def test_devices_that_are_not_there_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^unknown device 'npu': cpu, cuda, xla, tpu$"):
        local_device(kind="npu")
    with pytest.raises(ValueError, match="device cuda: torch sees no GPU"):
        local_device(kind="cuda")
    with pytest.raises(ValueError, match="device tpu: there is no TPU"):
        local_device(kind="tpu")
    monkeypatch.setenv("PJRT_DEVICE", "TPU")
    with pytest.raises(ValueError, match=r"torch_xla is not installed; .*constraints-tpu-xla.txt.* unset PJRT_DEVICE"):
        local_device()


def test_the_cpu_is_taken_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("PJRT_DEVICE", raising=False)
    device = local_device(threads=1)
    assert (device.kind, device.precision, device.cores, device.chips) == ("cpu", "fp32", 1, 1)


@pytest.mark.parametrize(
    ("accelerator", "devices", "cores"), [("v4-16", 4, 8), ("v5p-128", 4, 8), ("v3-8", 8, 8), ("v5litepod-16", 4, 4)]
)
def test_cores_are_counted_as_their_maker_does(accelerator: str, devices: int, cores: int) -> None:
    assert tpu_cores(accelerator, devices) == cores


@pytest.mark.parametrize("kind", ["cpu", "cuda", "xla"])
def test_what_is_on_the_device_is_not_put_there_again(kind: Literal["cpu", "cuda", "xla"]) -> None:
    """A tensor of a GPU cannot be pinned, one of XLA's devices cannot be split once more."""

    class There(torch.Tensor):
        device = torch.device(kind)

    batch = torch.zeros(4).as_subclass(There)
    assert Device(kind, "x", Execution("fp32"), 1, chips=2).put(batch) is batch
