"""How many functions of ours lie between an entry and the work: the frames of a tiny study's real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow  # a whole study in processes of its own, a minute and more
MOST = 4  # frames of ours, the entry and the last function included
STUDY = """
from scaling.data.catalog import ifs
from scaling.specs import Pretrain, Recipe, Study, Task, ViT
RECIPE = Recipe(batch_size=8, warmup_steps=1, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=8, warmup_steps=1, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=4, images=24, size=16)
TASK = Task("t", DATA, (0.03, 0.1), 2, TUNING, dev_fraction=0.25, resolution=16)
RUNS = (Pretrain(f"tiny-{p}", ViT(p, 16, 1, 32, 2), DATA, 1e-3, 0.1, RECIPE, resolution=16) for p in (4, 8))
STUDY = Study("stacks", tuple(RUNS), (TASK,))
"""
# Python imports a module of this name at every start. It notes the stack of the first backward pass of each training,
# and that of the call of train_queue, without any change to the code that runs.
SITE = """
import importlib.abc, json, os, sys, time, traceback

def note(kind):
    frames = [(frame.filename, frame.lineno, frame.name) for frame in traceback.extract_stack()[:-2]]
    name = f"{kind}-{os.getpid()}-{time.monotonic_ns()}"
    with open(os.path.join(os.environ["STACKS"], name), "w") as file:
        json.dump(frames, file)

def noting(kind, function):
    def call(*arguments, **named):
        note(kind)
        return function(*arguments, **named)
    return call

class Watcher(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "scaling.training.loop":  # torch is imported by then
            import torch
            torch.Tensor.backward = noting("backward", torch.Tensor.backward)
        if name == "clusters.run":
            import clusters.execution
            clusters.execution.train_queue = noting("train_queue", clusters.execution.train_queue)
        return None

if "STACKS" in os.environ:
    sys.meta_path.insert(0, Watcher())
"""

Frame = tuple[str, int, str]  # file, line, function


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Frame]]]:
    """By kind, the frames that lie in the repository, from the entry to the work."""
    folder = tmp_path_factory.mktemp("stacks")
    (folder / "stacks.py").write_text(STUDY)
    (folder / "sitecustomize.py").write_text(SITE)
    (folder / "notes").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(folder), "STACKS": str(folder / "notes")}
    command: list[str | Path] = [
        sys.executable,
        ROOT / "scaling" / "run_study.py",
        folder / "stacks.py",
        "--storage",
        folder / "rows",
    ]
    # What follows the last unit, the report with its charts, is not looked at here, and has little to draw.
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, list[list[Frame]]] = {}
    for file in sorted((folder / "notes").iterdir()):
        frames: list[Frame] = [tuple(frame) for frame in json.loads(file.read_text())]
        found.setdefault(file.name.split("-")[0], []).append([frame for frame in frames if ours(frame)])
    return found


def ours(frame: Frame) -> bool:
    return Path(frame[0]).is_relative_to(ROOT) and ".venv" not in frame[0]


def names(frames: list[Frame]) -> list[str]:
    return [function for _, _, function in frames]


def test_from_the_front_door_to_the_queue(stacks: dict[str, list[list[Frame]]]) -> None:
    (frames,) = stacks["train_queue"]
    door = names(frames).index("main")
    assert names(frames)[:door] == ["<module>", "command_line", "exit_code", "<lambda>"]  # the script and its parser
    assert names(frames)[door:] == ["main", "run", "_pretrain"]
    assert len(frames[door:]) + 1 <= MOST  # and train_queue itself


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("work_shift", ["work_shift", "pretrain", "train"]),
        ("trial", ["trial", "do_unit", "finetune", "train"]),
        ("do_unit", ["do_unit", "finetune", "train"]),
    ],
)
def test_from_a_workers_entry_to_the_gradient(
    stacks: dict[str, list[list[Frame]]], entry: str, path: list[str]
) -> None:
    """The function that Ray calls is the first: Ray Train's, Tune's, and that of the final runs' tasks."""
    reached = [frames for frames in stacks["backward"] if frames[0][2] == entry]
    assert reached
    for frames in reached:
        assert names(frames) == path
        assert len(frames) <= MOST
