"""What fits into memory."""

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
    found = memory.room(lambda batch: batch <= most, first)
    assert 0 <= found <= min(first, most)
    assert found == first or found >= most * 0.95 - 1


@given(st.integers(1, 10**8), st.integers(0, 10**10), st.integers(10, 10**6))
def test_the_line_through_peaks_ends_at_the_limit(slope: int, start: int, batch: int) -> None:
    batches = [1, 2, 4, 8]
    found = memory.by_line(batches, [start + slope * b for b in batches], start + slope * batch + slope // 2)
    assert found is not None
    assert abs(found - batch) <= max(1, 1e-6 * batch * (1 + start / slope))


def test_peaks_that_do_not_rise_say_nothing() -> None:
    assert memory.by_line([1, 2, 4], [5, 5, 5], 100) is None
    assert memory.by_line([1], [5], 100) is None
    assert memory.by_line([1, 2], [50, 60], 10) == 0


def test_the_peak_of_a_while_is_not_that_of_the_process_before() -> None:
    device = local_device(Execution("fp32"), 1)
    large, small = (memory.peak(lambda size=size: torch.ones(size * MIB // 4), device) for size in (256, 1))
    if large is None or small is None:
        pytest.skip("this kernel does not tell the peak of a while")
    assert 200 * MIB < large - small < 300 * MIB


def test_only_want_of_memory_is_no_room() -> None:
    def fails(text: str) -> None:
        raise RuntimeError(text)

    done: list[int] = []
    work = memory.tried(lambda: lambda: done.append(1))
    assert work is not None
    assert done == [1]
    full = "CUDA out of memory. Tried to allocate 2 GiB"
    assert memory.tried(lambda: lambda: fails(full)) is None
    assert memory.tried(lambda: fails(full) or work) is None  # no room for what it works on
    with pytest.raises(RuntimeError, match="shape"):
        memory.tried(lambda: lambda: fails("shape mismatch"))


def test_the_limit_is_the_containers_or_the_machines(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = local_device(Execution("fp32"), 1)
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "memory.max")
    machine = memory.limit(device)
    assert machine > 0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.limit(device) == machine
    (tmp_path / "memory.max").write_text(f"{machine // 2}\n")
    assert memory.limit(device) == machine // 2
    assert not memory.beyond(10, 10, device)
    assert memory.beyond(11, 10, device)
