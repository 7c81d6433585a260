"""The front doors: plans, and mistakes that end in one line, exit code 2 and nothing written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from scaling import finetune_grid, run_study
from scaling.checkpoints.formats import save_safetensors
from scaling.console.cli import command_line
from scaling.models.build import build
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.store import frames, results
from scaling.store.lease import lease
from scaling.store.storage import Storage
from tests.helpers.measured import measured

ROOT = Path(__file__).parents[2]
MINE = """
from dataclasses import replace
from scaling.data.catalog import JFT_300M, ifs
from scaling.specs import *
RECIPE = Recipe(batch_size=8, warmup_steps=2, loss="softmax")
RUN = Pretrain("tiny", ViT(8, 16, 1, 32, 2), ifs(classes=4, images=24, size=16), 1e-3, 1, RECIPE, resolution=16)
"""


def call(door: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a front door in this process; the exit code."""
    monkeypatch.setattr(sys, "argv", ["door", *arguments])
    with pytest.raises(SystemExit) as end:
        command_line(door.main, door.Options)
    return int(end.value.code or 0)


Write = Callable[[str], str]


@pytest.fixture
def mine(tmp_path: Path) -> Write:
    """Writes a study file of the user's own and returns its path."""

    def write(text: str) -> str:
        file = tmp_path / "mine.py"
        file.write_text(MINE + text)
        return str(file)

    return write


OPTIMIZER = "STUDY = Study('s', (replace(RUN, recipe=replace(RUN.recipe, optimizer=Optimizer"
OF_THE_USER = "STUDY = Study('s', (replace(RUN, recipe=replace(RUN.recipe, "
MISTAKES = {  # text of the study file, further arguments, what the message must say
    "negative rate": (
        "STUDY = Study('s', (replace(RUN, base_lr=-1.0),))",
        (),
        "base_lr of tiny must be positive, got -1",
    ),
    "patch": (
        "STUDY = Study('s', (replace(RUN, resolution=20),))",
        (),
        "patch size 8 of tiny does not divide the image",
    ),
    "no such optimizer": (
        f"{OPTIMIZER}('no_such:Lion'))),))",
        (),
        "Optimizer no_such:Lion cannot be imported: ModuleNotFoundError: No module named 'no_such'",
    ),
    "no such option": (
        f"{OPTIMIZER}('torch.optim:NAdam', {{'beta': 1}}))),))",
        ("--plan",),
        "Optimizer torch.optim:NAdam cannot be made: TypeError",
    ),
    "no such augmentation": (
        f"{OF_THE_USER}augment=(Augmentation('no_such:fade'),))),))",
        ("--plan",),
        "Augmentation no_such:fade cannot be imported: ModuleNotFoundError",
    ),
    "loss of a sum": (
        f"{OF_THE_USER}loss=Loss('tests.helpers.functions:summed'))),))",
        (),
        "Loss tests.helpers.functions:summed must be a mean over the images",
    ),
    "negative schedule": (
        f"{OF_THE_USER}schedule=Schedule('tests.helpers.functions:negative'))),))",
        (),
        "functions:negative must give a number of at least 0, it gives -0.499 at step 999 of 1000",
    ),
    "batch": (
        "STUDY = Study('s', (RUN,))",
        ("--workers", "9"),
        "tiny: batch_size 8 is 8 images, too few for 9 workers",
    ),
    "odd pairs": (
        "STUDY = Study('s', (replace(RUN, recipe=replace(RECIPE, mixup=0.1)),))",
        ("--microbatch", "1"),
        "tiny: MixUp mixes pairs: microbatch must be at least 2, got 1",
    ),
    "no microbatch": ("STUDY = Study('s', (RUN,))", ("--microbatch", "0"), "microbatch must be positive, got 0"),
    "crop": (
        "STUDY = Study('s', (replace(RUN, recipe=replace(RECIPE, crop='random', resize=12)),))",
        (),
        "tiny: resize 12 is smaller than the 16 pixels of a crop",
    ),
    "no workers": ("STUDY = Study('s', (RUN,))", ("--workers", "0"), "--workers must be at least 1"),
    "missing data": (
        "STUDY = Study('s', (replace(RUN, data=Dataset('d', 'parquet:/not/there')),))",
        (),
        "data set d: no Parquet file at /not/there",
    ),
    "plan-only data": ("STUDY = Study('s', (replace(RUN, data=JFT_300M),))", (), "jft-300m has no URI"),
    "no match": ("STUDY = Study('s', (RUN,))", ("--only", "R*"), "--only 'R*' matches none of tiny"),
    "ignored by the plan": (
        "STUDY = Study('s', (RUN,))",
        ("--plan", "--workers", "3"),
        "--workers does not go with --plan",
    ),
    "of the plan": ("STUDY = Study('s', (RUN,))", ("--hardware", "h100"), "--hardware goes with --plan"),
    "ignored by the status": (
        "STUDY = Study('s', (RUN,))",
        ("--status", "--only", "x"),
        "--only does not go with --status",
    ),
    "no flag": ("STUDY = Study('s', (RUN,))", ("--worker", "3"), "no flag --worker (did you mean --workers?)"),
    "hardware": ("STUDY = Study('s', (RUN,))", ("--plan", "--hardware", "abacus"), "unknown hardware 'abacus'"),
    "utilisation": (
        "STUDY = Study('s', (RUN,))",
        ("--plan", "--hardware", "h100", "--utilisation", "2"),
        "utilisation must be in (0, 1], got 2",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_users_mistake_is_one_line(
    mistake: str, mine: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text, arguments, message = MISTAKES[mistake]
    place = tmp_path / "results"
    assert call(run_study, monkeypatch, mine(text), "--storage", str(place), *arguments) == 2
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not place.exists()


def test_an_unknown_study_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(run_study, monkeypatch, "quickstrat") == 2
    assert "unknown study 'quickstrat': take one of" in capfd.readouterr().err


def test_a_storage_that_cannot_be_written_is_one_line(
    mine: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    study = mine("STUDY = Study('s', (RUN,))")
    assert call(run_study, monkeypatch, study, "--storage", str(tmp_path / "file" / "x")) == 2
    error = capfd.readouterr().err
    assert "cannot be written" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--checkpoint", "/not/there", "--task", "digits"), "/not/there is no checkpoint"),
        (("--checkpoint", "{checkpoint}", "--task", "digit"), "unknown task 'digit': take one of"),
        (("--checkpoint", "{checkpoint}", "--task", "cifar10"), "cifar10 has no data of its own"),
        (("--checkpoint", "{checkpoint}", "--task", "digits", "--base-lrs", "-1"), "must be positive"),
        (("--checkpoint", "{broken}", "--task", "digits"), "not a Pretrain"),
    ],
)
def test_mistakes_with_a_grid_are_one_line(
    arguments: tuple[str, ...],
    message: str,
    tiny_run: Pretrain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, spec in (("checkpoint", to_json(tiny_run)), ("broken", "{}")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"")
        (folder / "spec.json").write_text(spec)
    places = {"checkpoint": tmp_path / "checkpoint", "broken": tmp_path / "broken"}
    filled = [argument.format(**places) for argument in arguments]
    assert call(finetune_grid, monkeypatch, *filled, "--storage", str(tmp_path / "rows")) == 2
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "rows").exists()


def test_a_plan_as_json_from_another_directory(tmp_path: Path) -> None:
    """The script finds its own packages, wherever it is called from; nothing is written."""
    command = [sys.executable, str(ROOT / "scaling" / "run_study.py"), "vit_paper", "--plan", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env={"PATH": ""})
    plan = json.loads(done.stdout)
    assert len(plan["runs"]) == 18
    keys = {"name", "epochs", "parameters", "images", "steps", "exaflops", "exaflops_valid", "core_days", "price_usd"}
    assert keys <= plan["runs"][0].keys()
    assert {"exaflops", "exaflops_valid", "core_days", "price_usd"} <= plan["total"].keys()
    assert list(tmp_path.iterdir()) == []


def test_a_plan_by_measured_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those of --measured, or else of the study's own storage; what is not there is said."""
    place = Storage.of(tmp_path / "measured")
    results.write_rows(place, "measure", [measured("ViT-L/16", 224)])

    def told(*arguments: str) -> tuple[int, str]:
        code = call(run_study, monkeypatch, "vit_paper", "--plan", "--only=ViT-L/*", "--hardware=h100", *arguments)
        shown = capfd.readouterr()
        return code, " ".join((shown.out if code == 0 else shown.err).split())

    note = "the measured step times of 2 of 3 runs, else 35% of peak"  # L/16 of 7 and 14 epochs, not L/32
    for flag in ("--measured", "--storage"):
        code, text = told(flag, place.uri)
        assert code == 0
        assert note in text
    for arguments in (
        (),
        ("--storage", place.uri, "--hardware", "a100"),
        ("--storage", place.uri, "--utilisation=0.3"),
    ):
        code, text = told(*arguments)
        assert code == 0
        assert "measured step times" not in text
    elsewhere = f"error: {place.uri} has no costs of a100: its rows are of NVIDIA H100 80GB HBM3"
    assert told("--measured", place.uri, "--hardware", "a100") == (2, elsewhere)
    nowhere = f"error: {tmp_path}/no has no costs of h100: its rows are of no device"
    assert told("--measured", f"{tmp_path}/no") == (2, nowhere)
    both = "error: give --measured or --utilisation: one rate"
    assert told("--measured", place.uri, "--utilisation", "0.3") == (2, both)
    assert not (tmp_path / "no").exists()


def test_a_plan_of_the_users_own_study(
    mine: Write, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(run_study, monkeypatch, mine("STUDY = Study('s', (RUN,))"), "--plan") == 0
    assert "tiny" in capfd.readouterr().out


def test_help_is_there() -> None:
    for module in ("scaling.run_study", "scaling.finetune_grid", "analysis"):
        done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, check=True)
        assert b"usage" in done.stdout.lower()


def test_a_storage_that_another_process_works_on_is_one_line(
    mine: Write, tiny_run: Pretrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint, place = tmp_path / "checkpoint", tmp_path / "results"
    checkpoint.mkdir()
    save_safetensors(build(tiny_run.model, 4, resolution=16), checkpoint / "model.safetensors")
    (checkpoint / "spec.json").write_text(to_json(tiny_run))
    doors = {
        run_study: (mine("STUDY = Study('s', (RUN,))"),),
        finetune_grid: ("--checkpoint", str(checkpoint), "--task", "digits"),
    }
    with lease(Storage.of(place), "study first"):
        for door, arguments in doors.items():
            assert call(door, monkeypatch, *arguments, "--storage", str(place)) == 2
            error = capfd.readouterr().err
            assert f"is in use by process {os.getpid()} on " in error
            assert "(study first)" in error
            assert error.count("\n") == 1
    assert sorted(path.name for path in place.iterdir()) == [".lease", ".tmp"]  # not even study.json


@pytest.mark.parametrize("place", [(), ("--storage", "results/here"), ("--status",)])
def test_a_job_needs_a_storage_that_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, place: tuple[str, ...]
) -> None:
    """Its working directory is a copy that goes with it."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.chdir(tmp_path)
    assert call(run_study, monkeypatch, "quickstart", *place) == 2
    assert "--storage must be an absolute path that all nodes see, or a URI" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_study_on_s3(mine: Write, s3: Storage) -> None:
    """Pre-training, a grid and the report; what is done is seen there by the next start."""
    task = "Task('t', RUN.data, (0.01, 0.1), 4, RECIPE, dev_fraction=0.25, resolution=16)"
    study = mine(f"STUDY = Study('s', (RUN,), ({task},), seeds=(0,))")
    command = [sys.executable, str(ROOT / "scaling" / "run_study.py"), study, "--storage", s3.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert s3.path("report.html") in done.stdout
    assert [frames.read_table(s3, table).height for table in ("pretrain", "trial", "transfer")] == [1, 2, 1]
    assert set(frames.read_table(s3, "attempt")["outcome"]) == {"done"}
    assert s3.list(".lease") == []
    assert b"</html>" in s3.read("report.html")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Nothing to do" in again.stdout
    assert s3.list(".tmp") == []


@pytest.mark.slow
@pytest.mark.parametrize("start", range(10))
def test_a_study_on_s3_starts_from_nothing_every_time(mine: Write, s3: Storage, start: int) -> None:
    """Ray's start changes the environment, which drivers read: that once ended the process with SIGSEGV."""
    study = mine("STUDY = Study('s', (RUN,), (), seeds=(0,))")
    command = [sys.executable, str(ROOT / "scaling" / "run_study.py"), study, "--storage", s3.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert frames.read_table(s3, "pretrain").height == 1


def test_a_name_with_markup_is_planned_as_it_is(
    mine: Write, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study = mine("STUDY = Study('s', (replace(RUN, name='[/x] :smile: [bold]a'),))")
    assert call(run_study, monkeypatch, study, "--plan") == 0
    assert "[/x] :smile: [bold]a" in capfd.readouterr().out
