"""A study's custom models: tried and counted where the study needs them, once on a machine."""

import sys
from dataclasses import replace

import pytest

from scaling.flops.counts import forward_macs, parameters, pretrain_flops
from scaling.models.custom import count as counting
from scaling.schedule.counted import count_study
from scaling.specs.architectures import ViT
from scaling.specs.identity import from_json, to_json
from scaling.specs.models import Custom
from scaling.specs.pretraining import FewShot, Pretrain, Scratch
from scaling.specs.search import Choice, Range, Search
from scaling.specs.study import Study, Task
from tests.helpers import models

MODEL = Custom(models.convnet, {"width": 4})


@pytest.fixture
def study(tiny_run: Pretrain, tiny_task: Task) -> Study:
    run = replace(tiny_run, model=MODEL)
    task = replace(tiny_task, final_resolution=24, search=Search((("resolution", Choice((16, 20))),), sampler="grid"))
    few = FewShot(tiny_run.data, resolution=28)
    return Study("x", (run, tiny_run), (task,), (few,), scratch=(Scratch("y", Custom(models.BiasedMLP)),))


def test_costs_wherever_the_study_needs_them(study: Study) -> None:
    counted = count_study(study)
    model = counted.runs[0].model
    assert isinstance(model, Custom)
    assert [(count.resolution, count.num_classes) for count in model.counts] == [(16, 4), (20, 4), (24, 4), (28, 1)]
    assert pretrain_flops(counted.runs[0], valid=True) < pretrain_flops(counted.runs[0], valid=False)
    assert parameters(model, num_classes=4, resolution=16) == parameters(model, num_classes=4, resolution=24)
    assert forward_macs(model, 24, 4) > 2 * forward_macs(model, 16, 4)
    assert counted.runs[1] == study.runs[1]
    assert model.fingerprint is not None
    assert counted.scratch[0].model != study.scratch[0].model
    assert from_json(Study, to_json(counted)) == counted == count_study(counted)


def test_a_second_time_imports_no_torch_and_builds_nothing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    first = count_study(study)
    monkeypatch.setattr(counting, "custom_outline", None)
    monkeypatch.setitem(sys.modules, "scaling.models", None)
    assert count_study(study) == first
    with pytest.raises(ImportError):
        count_study(replace(study, runs=(replace(study.runs[0], model=replace(MODEL, version="2")),)))


def test_an_id_does_not_depend_on_what_else_is_in_the_study(study: Study) -> None:
    alone = replace(study, runs=study.runs[:1], tasks=(), fewshot=(), scratch=())
    assert count_study(alone).runs[0].id == count_study(study).runs[0].id
    other = replace(study, tasks=(replace(study.tasks[0], resolution=32),))
    assert count_study(other).scratch[0].id == count_study(study).scratch[0].id


def test_models_of_ours_are_left_alone(tiny_run: Pretrain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scaling.models", None)
    assert isinstance(tiny_run.model, ViT)
    assert count_study(Study("x", (tiny_run,))) == Study("x", (tiny_run,))


def test_what_cannot_be_counted_is_said(
    tiny_run: Pretrain, tiny_task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    count_study(Study("x", (replace(tiny_run, model=Custom(models.Spectral)),)))
    assert (
        "tests.helpers.models:Spectral: aten._fft_c2c cannot be counted: its FLOPs are too few"
        in capsys.readouterr().err
    )
    searched = replace(tiny_task, search=Search((("resolution", Range(8, 16)),), trials=2))
    with pytest.raises(ValueError, match="resolution of task fractals must be a Choice to search `Custom` models"):
        count_study(Study("x", (replace(tiny_run, model=MODEL),), (searched,)))


def test_a_model_that_has_changed_is_refused(study: Study) -> None:
    run = count_study(study).runs[0]
    assert isinstance(run.model, Custom)
    with pytest.raises(ValueError, match=r"has parameters of other names or shapes .* version"):
        count_study(Study("x", (replace(run, model=replace(run.model, fingerprint="0" * 16)),)))


def test_weights_that_do_not_fit_a_tasks_pixels_are_said_before_anything_starts(
    tiny_run: Pretrain, tiny_task: Task
) -> None:
    run = replace(tiny_run, model=Custom(models.BiasedMLP))
    with pytest.raises(
        ValueError, match=r"at 16 pixels and at 32: .* wrong shape: model\.bias \[31\] instead of \[127\]"
    ):
        count_study(Study("x", (run,), (replace(tiny_task, resolution=32),)))
    baseline = Scratch("y", run.model)
    count_study(Study("x", (tiny_run,), (replace(tiny_task, resolution=32),), scratch=(baseline,)))
