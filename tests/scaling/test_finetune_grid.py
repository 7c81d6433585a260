"""The grid's front door: whose weights, which search; mistakes in one line. Whole grids: tests/test_grid_kills.py."""

from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from scaling import finetune_grid
from scaling.checkpoints.formats import save_npz
from scaling.console.arguments import parse
from scaling.console.cli import Machine
from scaling.console.trackers import Tracking
from scaling.data.resolve import resolve_study
from scaling.finetune_grid import Options
from scaling.models.build import build
from scaling.runs.pretrain import pretrain
from scaling.specs.execution import Execution
from scaling.specs.pretraining import Pretrain, Released
from scaling.specs.search import Choice, Range
from scaling.specs.study import Study
from scaling.specs.zoo import zoo_model
from scaling.store.storage import Storage
from scaling.training.devices import local_device


@pytest.fixture
def trained(tiny_run: Pretrain, storage: Storage) -> Pretrain:
    pretrain(tiny_run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    return tiny_run


def test_a_checkpoint_is_named_in_many_ways(trained: Pretrain, storage: Storage) -> None:
    final = storage.path(f"checkpoints/{trained.id}/final")
    for checkpoint, runs in (
        (final, None),
        (storage.path(f"checkpoints/{trained.id}"), None),
        (trained.id, storage.uri),
        (trained.id[:6], storage.uri),
        ("tiny", storage.uri),
    ):
        upstream, given = finetune_grid._upstream(Options(checkpoint, "digits", runs))
        assert upstream == trained
        assert given == {trained.id: final}
    with pytest.raises(ValueError, match=r"'other' is 0 runs of .*, which has .* \(tiny\)"):
        finetune_grid._upstream(Options("other", "digits", storage.uri))


def test_a_file_of_weights_is_known_by_its_content(tmp_path: Path) -> None:
    ids = []
    for name in ("a.npz", "b.npz"):
        save_npz(build(zoo_model("ViT-micro-S/4"), 10, resolution=16), tmp_path / "made.npz")
        (tmp_path / "made.npz").rename(tmp_path / name)
        upstream, _ = finetune_grid._upstream(Options(str(tmp_path / name), "digits", model="ViT-micro-S/4"))
        assert isinstance(upstream, Released)
        (found,) = resolve_study(Study("x", (), released=(upstream,))).released
        ids.append(found.id)
    assert ids[0] != ids[1]  # weights are drawn anew


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("x.npz", "digits"), "x.npz does not say which model it is: give --model"),
        (Options("x.npz", "digits", model="ViT-X"), "no model 'ViT-X' in the zoo"),
        (Options("x.npz", "digits", model="ViT-micro-S/4"), "weights x.npz cannot be read"),
        (Options("/nowhere", "digits"), "/nowhere is no checkpoint"),
        (Options("/nowhere", "digits", trials=3), "--trials does not go with a grid without --search"),
        (Options("/nowhere", "digits", machine=Machine(workers=2)), "--workers does not go with a fine-tuning"),
        (Options("/nowhere", "digits", model="ViT-B/16"), "--model does not go with /nowhere"),
        (Options("x.npz", "digits", runs="/runs"), "--runs does not go with the file x.npz"),
        (Options("x", "vtab-dtd", vtab="/lists", train="ifs:"), "--train does not go with --vtab"),
    ],
)
def test_mistakes_are_one_line(options: Options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        finetune_grid.main(options)


def test_what_is_laid_on_the_machines_goes_with_every_fine_tuning() -> None:
    """Fields inside the machine's own values, too: the checkpoint is the first thing that is missed."""
    machine = Machine(trial_workers=2, execution=Execution("bf16", microbatch=8), tracking=Tracking("boards"))
    with pytest.raises(ValueError, match="/nowhere is no checkpoint"):
        finetune_grid.main(Options("/nowhere", "digits", machine=machine))


def test_flags_of_pre_training_are_not_offered() -> None:
    door = partial(parse, Options, program="python -m scaling.finetune_grid", without=finetune_grid.PRETRAINING_FLAGS)
    with pytest.raises(ValueError, match=r"no flag --workers \(did you mean --trial-workers\?\)"):
        door(["--checkpoint", "x", "--task", "digits", "--workers", "2"])
    options = door(["--checkpoint", "x", "--task", "digits", "--trial-workers", "2", "--precision", "bf16"])
    assert options.machine == Machine(trial_workers=2, execution=Execution("bf16"))


def test_the_protocol_follows_the_options() -> None:
    task = finetune_grid._task(Options("x", "digits", base_lrs=(0.1, 0.2), halving=9, steps=27, final_resolution=32))
    assert (task.base_lrs, task.steps, task.final_resolution, task.search) == ((0.1, 0.2), 27, 32, None)
    assert task.halving is not None
    assert task.halving.rungs(27) == [9, 27]
    searched = finetune_grid._task(Options("x", "digits", search="regularization", trials=5, search_seed=3))
    assert searched.base_lrs == (0.1, 0.2)
    assert searched.search is not None
    assert (searched.search.trials, searched.search.seed) == (5, 3)
    assert isinstance(dict(searched.search.space)["dropout"], Range)
    cost = finetune_grid._task(Options("x", "digits", search="cost", trials=6, steps=40)).search
    assert cost is not None
    assert dict(cost.space)["steps"] == Choice((10, 20, 40))
    assert cost.objectives == ("dev_top1", "flops")
    careful = finetune_grid._task(Options("x", "digits", corrupt="skip", dev_fraction=0.5, batch_size=7))
    assert (careful.data.corrupt, careful.dev_fraction, careful.recipe.batch_size) == ("skip", 0.5, 7)
    own = finetune_grid._task(
        Options("x", "birds", train="digits:train", test="digits:test", dev="digits:train?part=:9")
    )
    assert (own.name, own.steps, own.data.dev, len(own.base_lrs)) == ("birds", 500, "digits:train?part=:9", 4)
    for options, message in (
        (Options("x", "birds"), "unknown task 'birds': take one of .*, or give --train and --test of your own"),
        (Options("x", "birds", train="digits:train"), "unknown task 'birds'"),
        (Options("x", "cifar10"), "task cifar10 has no data of its own: give --train and --test"),
        (Options("x", "digits", search="all"), "unknown search 'all': take one of regularization, cost"),
        (Options("x", "vtab-cats", vtab="/lists"), "VTAB-1k has no task 'vtab-cats': take one of vtab-caltech101"),
        (Options("x", "vtab-dtd", vtab="/lists"), r"/lists/dtd/train800val200\.txt not found"),
    ):
        with pytest.raises(ValueError, match=message):
            finetune_grid._task(options)


def test_the_table_tells_what_was_chosen(
    trained: Pretrain, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    task = finetune_grid._task(Options("x", "digits", base_lrs=(0.1, 0.2)))
    study = resolve_study(Study("finetune", (trained,), (task,), seeds=(0, 1)))
    summary = finetune_grid._summary(study, storage)
    assert isinstance(summary["grid"], list)
    assert [row["dev_top1"] for row in summary["grid"]] == [None, None]
    assert summary["chosen"] == []
    finetune_grid._show(study, storage, Console(width=140))
    told = capsys.readouterr().out
    assert "tiny on digits" in told
    assert "base lr" in told
