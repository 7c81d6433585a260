"""Costs of a study's `Custom` models: counted once on each machine, by torch, and then read from its disk."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scaling.checks import check, say
from scaling.specs import Choice, Count, Custom, Pretrain, Range, Scratch, Study, Task, code_version

Place = tuple[int, int]  # resolution, number of classes
FEATURES = 1  # class, where only features are read
ANY_CLASSES, ANY_RESOLUTION = 10, 224  # to take a baseline's fingerprint at, which has no data of its own


def count_study(study: Study) -> Study:
    """The study with the costs and fingerprints of its `Custom` models. Its data sets must be resolved.

    Each model is tried, on torch's meta device, at every resolution and number of classes that the study has for it,
    unless this machine has done so before, with this code. Operations that could not be counted are said on standard
    error. Raises ValueError, in one line, for a model that cannot be made or used.
    """
    notes: dict[str, None] = {}

    def counted(run: Pretrain | Scratch) -> Any:
        if not isinstance(run.model, Custom):
            return run
        places = list(dict.fromkeys(_places(run, study)))
        trained = isinstance(run, Pretrain) and bool(places)
        own = places[0] if trained else (ANY_RESOLUTION, ANY_CLASSES)
        code = code_version(run.model)
        facts = [_facts(run.model, code, place, own if trained else place) for place in places]
        for _, unknown in facts:
            if unknown:
                notes[f"{run.model.path}: {', '.join(unknown)} cannot be counted: its FLOPs are too few"] = None
        # In one order, so that equal models are equal.
        counts = tuple(sorted((count for count, _ in facts), key=lambda count: (count.resolution, count.num_classes)))
        return replace(run, model=replace(run.model, counts=counts, fingerprint=_fingerprint(run.model, code, own)))

    whole = replace(
        study, runs=tuple(counted(run) for run in study.runs), scratch=tuple(counted(each) for each in study.scratch)
    )
    say(list(notes))
    return whole


def _places(run: Pretrain | Scratch, study: Study) -> list[Place]:
    """Where the study uses the model: first its pre-training. Data sets that are not counted have no place."""
    own = [(run.resolution, run.data.num_classes)] if isinstance(run, Pretrain) else []
    tasks = [(pixels, task.data.num_classes) for task in study.tasks for pixels in _resolutions(task)]
    probes = [(few.resolution, FEATURES) for few in (*study.fewshot, *study.evaluations) if few.resolution is not None]
    return [(pixels, classes) for pixels, classes in (*own, *tasks, *probes) if classes is not None]


def _resolutions(task: Task) -> set[int]:
    """Those of its settings, of its search and of its final runs."""
    searched = dict(task.search.space).get("resolution") if task.search else None
    check(not isinstance(searched, Range), f"resolution of task {task.name} must be a Choice to search `Custom` models")
    choices = {int(value) for value in searched.values} if isinstance(searched, Choice) else set()
    settings = {setting.resolution for setting in (task.own, *task.resnet_settings)}
    return {*settings, *choices} | ({task.final_resolution} if task.final_resolution else set())


def _facts(model: Custom, code: str, place: Place, trained: Place) -> tuple[Count, Sequence[str]]:
    """What it costs at a place, where weights that were trained at another one must fit."""

    def made() -> dict[str, np.ndarray]:
        from scaling.models import check_fits, count_model  # here: a plan that has counts does without torch

        resolution, num_classes = place
        count, unknown = count_model(model, num_classes, resolution)
        check_fits(model, trained, place)
        numbers = [count.parameters, count.classifier, count.macs, count.macs_valid]
        return {"numbers": np.array(numbers, np.int64), "unknown": np.array(unknown, np.str_)}

    facts = _kept(model, code, ("count", *place, *trained), made)
    return Count(*place, *facts["numbers"].tolist()), facts["unknown"].tolist()


def _fingerprint(model: Custom, code: str, place: Place) -> str:
    """Raises ValueError when the model says another one, such as that of a stored study."""

    def made() -> dict[str, np.ndarray]:
        from scaling.models import fingerprint

        resolution, num_classes = place
        return {"fingerprint": np.array([fingerprint(model, num_classes, resolution)], np.str_)}

    found = str(_kept(model, code, ("fingerprint", *place), made)["fingerprint"][0])
    check(
        model.fingerprint in (None, found),
        f"{model.path} has parameters of other names or shapes than when the study was made, in {model.fingerprint}: "
        "take its code of then, or give the study's Custom a version",
    )
    return found


def _kept(model: Custom, code: str, what: tuple[object, ...], made: Any) -> dict[str, np.ndarray]:
    """What was found out of this model on this machine before, with this version of its code."""
    from scaling.data.sources import disk_cached  # here: a study without such models opens nothing

    key = ("custom", 1, model.path, model.options, model.version, code, *what)
    return dict(disk_cached(key, made))
