"""What fits into memory."""

from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaling.measure import memory
from scaling.specs.execution import Execution
from scaling.training.devices import local_device

MIB = 2**20


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_what_a_gpu_has_no_room_for_is_lowered_until_it_has(most: int, first: int) -> None:
    fitting = memory.largest_with_room(lambda batch: batch <= most, first)
    assert 0 <= fitting <= min(first, most)
    assert fitting == first or fitting >= most * 0.95 - 1


@given(st.integers(1, 10**8), st.integers(0, 10**10), st.integers(10, 10**6))
def test_the_line_through_peaks_ends_at_the_limit(slope: int, start: int, batch: int) -> None:
    batches = [1, 2, 4, 8]
    predicted = memory.batch_by_line(batches, [start + slope * b for b in batches], start + slope * batch + slope // 2)
    assert predicted is not None
    assert abs(predicted - batch) <= max(1, 1e-6 * batch * (1 + start / slope))


def test_peaks_that_do_not_rise_say_nothing() -> None:
    assert memory.batch_by_line([1, 2, 4], [5, 5, 5], 100) is None
    assert memory.batch_by_line([1], [5], 100) is None
    assert memory.batch_by_line([1, 2], [50, 60], 10) == 0


def test_the_peak_of_a_while_is_not_that_of_the_process_before() -> None:
    device = local_device(Execution("fp32"), 1)
    large, small = (memory.peak_memory(partial(torch.ones, size * MIB // 4), device) for size in (256, 1))
    if large is None or small is None:
        pytest.skip("this kernel does not tell the peak of a while")
    assert 200 * MIB < large - small < 300 * MIB


def test_only_want_of_memory_is_no_room() -> None:
    def fails(text: str) -> NoReturn:
        raise RuntimeError(text)

    done: list[int] = []
    work = memory.try_work(lambda: lambda: done.append(1))
    assert work is not None
    assert done == [1]
    full = "CUDA out of memory. Tried to allocate 2 GiB"
    assert memory.try_work(lambda: lambda: fails(full)) is None
    assert memory.try_work(lambda: fails(full)) is None  # no room for what it works on
    with pytest.raises(RuntimeError, match="shape"):
        memory.try_work(lambda: lambda: fails("shape mismatch"))


def test_the_limit_is_the_containers_or_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = local_device(Execution("fp32"), 1)
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "memory.max")
    machine = memory.memory_limit(device)
    assert machine > 0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.memory_limit(device) == machine
    (tmp_path / "memory.max").write_text(f"{machine // 2}\n")
    assert memory.memory_limit(device) == machine // 2
    assert not memory.exceeds_memory(10, 10, device)
    assert memory.exceeds_memory(11, 10, device)
