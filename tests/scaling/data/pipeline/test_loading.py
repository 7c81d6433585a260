"""Batches by threads and by processes, corrupt images, and what a killed trainer leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.data.pipeline.loading import Stream, batches
from scaling.data.pipeline.prefetch import AHEAD
from scaling.data.pipeline.preprocessing import (
    Batch,
    Skipped,
    eval_images_left,
    has_small,
    is_small,
    readable,
    replaced,
)
from scaling.data.sources import encoding
from scaling.data.sources.decoding import CorruptImageError
from scaling.data.sources.encoding import png
from scaling.data.sources.read import open_split
from scaling.specs.recipe import Recipe
from tests.helpers.images import plain_labels
from tests.helpers.photographs import photograph, written

RECIPE = Recipe(batch_size=48, loss="softmax")
N = 50
BAD = (3, 4, 20, 49)


def stream_of(path: Path, images: Sequence[bytes], torn: Sequence[int] = ()) -> Stream:
    return Stream(written(path, images, torn), None, np.arange(len(images)), RECIPE, 7, 32)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return stream_of(tmp_path_factory.mktemp("photos") / "photos.parquet", [photograph(i) for i in range(N)])


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """With four corrupt images, the last of all among them; three are held out."""
    found = stream_of(tmp_path_factory.mktemp("photos") / "torn.parquet", [photograph(i) for i in range(N)], BAD)
    return replace(found, index=np.setdiff1d(np.arange(N), [5, 21, 30]), skip=True)


def taken(stream: Stream, steps: int = 3, loaders: int = 0) -> tuple[list[Batch], Skipped]:
    skipped: Skipped = {}
    return list(batches(0, steps, stream=stream, skipped=skipped, loaders=loaders)), skipped


def same(first: list[Batch], second: list[Batch]) -> bool:
    return all(torch.equal(x, y) for a, b in zip(first, second, strict=True) for x, y in zip(a, b, strict=True))


def test_processes_make_what_threads_make(stream: Stream, torn: Stream) -> None:
    """Batches of 48 are no whole number of blocks of 32."""
    for source in (stream, torn, replace(stream, rank=1, world=3)):
        plain, met = taken(source)
        assert plain[0][0].dtype == torch.uint8
        assert plain[0][0].shape == (48 // source.world, 3, 32, 32)
        for loaders in (1, 2):
            made, also_met = taken(source, loaders=loaders)
            assert same(made, plain)
            assert also_met == met


def test_any_step_can_be_the_first(stream: Stream) -> None:
    whole, _ = taken(stream, 4, loaders=1)
    assert same(list(batches(2, 4, stream=stream, skipped={}, loaders=1)), whole[2:])


def test_torchs_generator_is_left_as_it_is(stream: Stream) -> None:
    torch.manual_seed(0)
    taken(stream, loaders=1)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), after)


def test_at_most_a_few_batches_exist(stream: Stream) -> None:
    """The thread stops AHEAD of who takes the batches."""
    made: list[int] = []

    def targets(epochs: np.ndarray, indices: np.ndarray) -> torch.Tensor:
        made.append(len(made))
        return torch.zeros(len(indices))

    source = batches(0, 20, stream=stream, skipped={}, targets=targets)
    next(source)
    deadline = time.monotonic() + 5
    while len(made) < AHEAD + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(made) == AHEAD + 1
    assert isinstance(source, Generator)
    source.close()


def test_the_processes_end_with_the_batches(stream: Stream) -> None:
    source = batches(0, 100, stream=stream, skipped={}, loaders=2)
    next(source)
    mine = loaders_of(os.getpid())
    assert len(mine) == 2
    assert isinstance(source, Generator)
    source.close()
    assert ended(lambda: not loaders_of(os.getpid()))


def test_a_corrupt_image_is_named_by_processes_as_by_threads(torn: Stream) -> None:
    messages = []
    for loaders in (0, 1):
        with pytest.raises(CorruptImageError, match=r"the image in row \d+ of .*torn\.parquet cannot") as caught:
            taken(replace(torn, skip=False), loaders=loaders)
        messages.append(str(caught.value))
    assert messages[0].split(" cannot")[0].split("row ")[1].split(" ")[0] in map(str, BAD)
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]


def test_corrupt_images_are_replaced_by_the_next_and_noted_once(torn: Stream) -> None:
    made, met = taken(torn, 5)
    assert len(met) == len(BAD)
    assert all(any(f"row {i} of" in message for message in met) for i in BAD)
    follower = {3: 6, 4: 6, 20: 22, 49: 0}  # 5 and 21 are held out, 49 is the last
    labels = plain_labels(open_split(torn.uri, None))
    for step, (_, found) in enumerate(made):
        indices = [follower.get(i, i) for i in torn.samples(step)[1].tolist()]
        assert found.tolist() == labels[indices].tolist()


def test_the_other_images_are_the_same_as_without_corrupt_ones(stream: Stream, torn: Stream) -> None:
    whole = replace(stream, index=torn.index)
    for step, (with_bad, plain) in enumerate(zip(taken(torn)[0], taken(whole)[0], strict=True)):
        good = torch.from_numpy(~np.isin(torn.samples(step)[1], BAD))
        assert torch.equal(with_bad[0][good], plain[0][good])
        assert not torch.equal(with_bad[0], plain[0])


def test_a_set_of_corrupt_images_alone_is_an_error(torn: Stream) -> None:
    with pytest.raises(CorruptImageError, match="none of 2 training images can be decoded: the image in row 20"):
        taken(replace(torn, index=np.array([3, 20])))


def test_evaluation_leaves_corrupt_images_out(torn: Stream) -> None:
    images, everyone = open_split(torn.uri, None), np.arange(N)
    skipped: Skipped = {}
    good = np.setdiff1d(everyone, BAD)
    x, found = eval_images_left(images, everyone, 32, skipped)
    assert np.array_equal(found, good)
    assert torch.equal(x, eval_images_left(images, good, 32, None)[0])
    assert len(skipped) == len(BAD)
    for refuse in (lambda: eval_images_left(images, everyone, 32, None), lambda: readable(images, everyone, None)):
        with pytest.raises(CorruptImageError, match="row 3 of"):
            refuse()


def test_small_sets_skip_too(tmp_path: Path) -> None:
    """Where all images would lie decoded in memory, but for a corrupt one; an error when it is met, without `skip`."""
    pixels = np.random.default_rng(0).integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)
    files = [png(p) for p in pixels]
    whole, torn = (stream_of(tmp_path / f"{len(bad)}.parquet", files, bad) for bad in ((), (8,)))
    images = open_split(torn.uri, None)
    assert has_small(images)
    assert not is_small(images)
    with pytest.raises(CorruptImageError, match="row 8 of"):
        list(batches(0, -(-N // RECIPE.batch_size), stream=torn, skipped={}))
    made, met = taken(replace(torn, skip=True), 2)
    plain, _ = taken(whole, 2)
    assert len(met) == 1
    for step in range(2):
        good = torch.from_numpy(torn.samples(step)[1] != 8)
        assert torch.equal(made[step][0][good], plain[step][0][good])
    assert replaced(images, np.array([8]), torn.index, {}).tolist() == [9]


def test_shards_are_counted_in_the_chosen_images(tmp_path: Path) -> None:
    tiny = photograph(0)
    for name, count in (("a", 7), ("b", 3), ("c", 6)):
        content = encoding.encode_parquet([tiny] * count, np.zeros(count, np.int64), ["x"])
        (tmp_path / f"{name}.parquet").write_bytes(content)
    chosen = Stream(f"parquet:{tmp_path}", None, np.array([0, 1, 6, 10, 15]), RECIPE, 0, 16, window=1)
    assert chosen.images.shards.tolist() == [7, 3, 6]
    assert chosen.shards is not None
    assert chosen.shards.tolist() == [3, 2]
    assert isinstance(chosen.index, np.ndarray)
    epochs, indices = chosen.samples(0)  # 48 images: more than nine epochs of five
    for epoch in range(9):
        order = indices[epochs == epoch].tolist()
        assert sorted(order) == chosen.index.tolist()
        assert {tuple(sorted(order[:3])), tuple(sorted(order[:2]))} & {(0, 1, 6), (10, 15)}


KILLED = """
import sys
import numpy as np
from scaling.data.pipeline.loading import Stream, batches
from scaling.specs.recipe import Recipe
if __name__ == "__main__":
    stream = Stream(sys.argv[1], None, np.arange(50), Recipe(batch_size=48), 0, 32)
    for number, _ in enumerate(batches(0, 10**6, stream=stream, skipped={}, loaders=2)):
        if not number:
            print("ready", flush=True)
"""


def test_a_killed_trainer_leaves_no_process(stream: Stream, tmp_path: Path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(KILLED)
    with subprocess.Popen([sys.executable, script, stream.uri], stdout=subprocess.PIPE, start_new_session=True) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"ready\n"
        (server,) = [pid for pid in session_of(it.pid) if "forkserver" in command(pid) and parent(pid) == it.pid]
        assert len(loaders_of(it.pid)) == 2
        os.kill(it.pid, signal.SIGKILL)
    assert ended(lambda: not session_of(it.pid)), [command(pid) for pid in session_of(it.pid)]
    assert server not in session_of(it.pid)


def ended(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def status(pid: int) -> list[str]:
    """State, parent, group, session, ... of a process; nothing when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parent(pid: int) -> int:
    found = status(pid)
    return int(found[1]) if found else 0


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def running() -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if (found := status(pid)) and found[0] not in "ZX"]


def session_of(leader: int) -> list[int]:
    return [pid for pid in running() if (found := status(pid)) and int(found[3]) == leader]


def loaders_of(trainer: int) -> list[int]:
    """The children of the trainer's fork server."""
    servers = [pid for pid in running() if parent(pid) == trainer and "forkserver" in command(pid)]
    return [pid for pid in running() if parent(pid) in servers]
