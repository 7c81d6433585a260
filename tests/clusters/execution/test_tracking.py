import struct
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clusters.execution import tracking
from clusters.execution.tracking import prepare_trackers, tracked
from clusters.execution.work import Work, title_of
from scaling.console.trackers import Tracking
from scaling.specs.pretraining import Dataset, Pretrain
from scaling.specs.study import Task, Transfer
from scaling.store.results import write_rows
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from tests.helpers.specs import RECIPE, TINY

DATA = Dataset("d", num_classes=2, num_train=16, num_test=8)
RUN = Pretrain("tiny", TINY, DATA, 0.1, 1, RECIPE, resolution=16)


def scalars(directory: Path) -> list[tuple[int, str, float]]:
    """(step, name, value) of all event files of a TensorBoard run."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in directory.glob("events.out.tfevents.*"):
        data, place = file.read_bytes(), 0
        while place < len(data):  # a record: its length, a checksum of it, the event, a checksum
            (size,) = struct.unpack_from("<Q", data, place)
            event = Event.FromString(data[place + 12 : place + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            place += 16 + size
    return found


def told(storage: Storage, where: Tracking, run: Pretrain, *, rows: bool) -> list[int]:
    """Steps that the training reported, of a run shown in the trackers; with its rows or without."""
    heard: list[int] = []

    def report(step: int, metrics: dict[str, Any]) -> bool:
        heard.append(step)
        return step == 2

    with tracked(report, Work(run), where, storage, "study") as shown:
        assert shown(1, {"train_loss": 2.0}) is False
        assert shown(2, {"train_loss": 1.0}) is True
        if rows:
            about = {"run_id": run.id, "name": run.name, "family": "vit"}
            curve = dict.fromkeys(TABLES["curve"].names) | about
            write_rows(storage, "curve", [curve | {"step": s, "train_loss": 1.0, "dev_top1": s / 10} for s in (1, 2)])
            write_rows(storage, "pretrain", [dict.fromkeys(TABLES["pretrain"].names) | about])
    return heard


def test_without_trackers_the_report_is_as_it_was(tmp_path: Path) -> None:
    def report(step: int, metrics: dict[str, Any]) -> None: ...

    with tracked(report, Work(RUN), Tracking(), Storage.of(tmp_path), "study") as shown:
        assert shown is report


def test_tensorboard_gets_losses_while_it_trains_and_evaluations_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "board"
    run = replace(RUN, name="a b/c")
    assert told(Storage.of(tmp_path), Tracking(tensorboard=str(place)), run, rows=True) == [1, 2]
    (directory,) = (place / "study").iterdir()
    assert directory.name == f"a-b-c-{run.id}"
    found = scalars(directory)
    assert (1, "train_loss", 2.0) in found
    evaluations = [(step, value) for step, name, value in found if name == "dev_top1"]
    assert [step for step, _ in evaluations] == [1, 2]
    assert [value for _, value in evaluations] == pytest.approx([0.1, 0.2])


def test_a_fine_tunings_run_is_named_after_its_model_and_setting(tiny_run: Pretrain, tiny_task: Task) -> None:
    trial = Transfer(tiny_run, tiny_task, tiny_task.own, 3, "dev")
    assert title_of(trial) == f"{tiny_run.name} fractals dev lr {tiny_task.own.base_lr:g} seed 3"


def test_a_tracker_that_fails_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no network\nat all")

    monkeypatch.setattr(tracking, "_wandb", broken)
    monkeypatch.setattr(tracking, "_mlflow", lambda *_: (broken, broken))
    where = Tracking(wandb="p", mlflow="u")
    assert told(Storage.of(tmp_path), where, RUN, rows=False) == [1, 2]
    assert capsys.readouterr().err.count("is left out of this training: no network") == 2


def test_a_full_disk_holds_up_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does the thread of tensorboardX, which waits for ever when what it writes to has failed."""
    from tensorboardX.record_writer import RecordWriter

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracking, "EVERY", 0.0)
    heard = []
    with tracked(
        lambda step, _: heard.append(step), Work(RUN), Tracking(str(tmp_path)), Storage.of(tmp_path), "study"
    ) as shown:
        shown(0, {"train_loss": 1.0})
        monkeypatch.setattr(RecordWriter, "write", full)
        for step in range(1, 50):
            shown(step, {"train_loss": 1.0})
    assert heard == list(range(50))
    told = capfd.readouterr().err
    assert told == "tensorboard is left out of this training: [Errno 28] No space left on device\n"


def test_rows_that_cannot_be_read_at_the_end_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreadable(*_: object) -> None:
        raise ValueError("curve/x.parquet is not a whole Parquet file")

    monkeypatch.setattr(tracking, "_points", unreadable)
    assert told(Storage.of(tmp_path), Tracking(str(tmp_path / "board")), RUN, rows=True) == [1, 2]
    assert "warning: the trackers lack the last evaluations: curve/x.parquet" in capsys.readouterr().err


def test_wandb_and_mlflow_get_the_facts_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.air.integrations import mlflow as ray_mlflow
    from ray.air.integrations import wandb as ray_wandb

    calls: dict[str, Any] = {}
    logged: list[tuple[str, Any]] = []

    def setup_wandb(config: dict[str, Any], **about: Any) -> Any:
        calls["wandb"] = (config, about)
        log, nothing = (lambda values: logged.append(("wandb", values))), (lambda *_, **__: None)
        return SimpleNamespace(define_metric=nothing, finish=nothing, log=log)

    def setup_mlflow(config: dict[str, Any], **about: Any) -> Any:
        calls["mlflow"] = (config, about)
        log = lambda values, step: logged.append(("mlflow", {"steps": step, **values}))  # noqa: E731
        return SimpleNamespace(log_metrics=log, end_run=lambda: None)

    monkeypatch.setattr(ray_wandb, "setup_wandb", setup_wandb)
    monkeypatch.setattr(ray_mlflow, "setup_mlflow", setup_mlflow)
    told(Storage.of(tmp_path), Tracking(wandb="project", mlflow="sqlite://"), RUN, rows=True)
    config, about = calls["wandb"]
    assert config["recipe.batch_size"] == RUN.recipe.batch_size
    assert (about["project"], about["trial_id"], about["group"]) == ("project", RUN.id, "study")
    assert calls["mlflow"][1]["tags"] == {"unit_id": RUN.id, "kind": "pretrain"}
    assert (about["trial_name"], calls["mlflow"][1]["run_name"]) == (RUN.name, RUN.name)
    for name in ("wandb", "mlflow"):
        values = [value for to, value in logged if to == name]
        assert values[0] == {"steps": 1, "train_loss": 2.0}
        assert [value["dev_top1"] for value in values if "dev_top1" in value] == [0.1, 0.2]


def test_a_missing_package_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^--wandb needs a package that is not installed: pip install wandb$"):
        missing(Tracking(wandb="p"))


def missing(where: Tracking) -> None:
    import importlib.util

    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    where.check()


def test_what_cannot_work_is_said_before_a_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_trackers(Tracking(), "study")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    wandb: Any = ModuleType("wandb")
    wandb.api = SimpleNamespace(api_key=None)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with pytest.raises(ValueError, match="--wandb p needs a login"):
        prepare_trackers(Tracking(wandb="p"), "study")
    monkeypatch.setenv("WANDB_MODE", "offline")
    prepare_trackers(Tracking(wandb="p"), "study")

    def refuse(uri: str) -> None:
        raise RuntimeError(f"cannot reach {uri}\nlong story")

    mlflow: Any = ModuleType("mlflow")
    mlflow.set_tracking_uri = refuse
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    with pytest.raises(ValueError, match=r"--mlflow http://\.\.\.@h cannot be used: cannot reach http://\.\.\.@h$"):
        prepare_trackers(Tracking(mlflow="http://me:word@h"), "study")
