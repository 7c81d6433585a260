"""Fills in what a study leaves to its data: counts, classes and fingerprints of data sets, hashes of weights."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.checks import check, check_regular, say
from scaling.data import uris
from scaling.data.splits import (
    aligned_labels,
    check_apart,
    check_classes,
    check_copies,
    check_dev,
    check_held_out,
    number_of_classes,
)
from scaling.specs import KNN, AnyEvaluation, Dataset, Evaluation, FewShot, LinearProbe, Pretrain, Study, data_of

if TYPE_CHECKING:
    from scaling.data.sources import Encoded, Facts

LARGEST_WEIGHTS = 2**35  # bytes


def resolve(dataset: Dataset) -> Dataset:
    """The data set with its fields that are None filled in from the data: classes, counts and fingerprint.

    Labels and a few images' bytes are read, no image is decoded; local paths become absolute. Nothing is opened for a
    set without URIs, or with nothing to fill in.

    Raises ValueError when the data are missing or broken, or contradict what the data set says; when test images are
    training images, or their classes are none of training's. What is odd, and no mistake for certain, is said on
    standard error.
    """
    resolved, notes = _resolved(dataset, {}, labelled=True)
    say(notes)
    return resolved


Surveys = dict[str, "tuple[Facts, Encoded]"]  # what is known of splits, by URI


def _resolved(dataset: Dataset, surveys: Surveys, *, labelled: bool) -> tuple[Dataset, list[str]]:
    """`resolve`, and notes to be said. Splits are read once, into `surveys`; `labelled`: its labels are trained on."""
    from scaling.store import refuse_secrets  # here, as below

    for split in (*uris.SPLITS, "dev"):
        refuse_secrets(getattr(dataset, split), f"data set {dataset.name}: the URI of its {split} split,")
    splits = {split: _absolute(uri) for split in (*uris.SPLITS, "dev") if (uri := getattr(dataset, split)) is not None}
    if not splits:
        return dataset, []
    dataset = replace(dataset, train=splits.get("train"), test=splits.get("test"), dev=splits.get("dev"))
    filled = [f"num_{split}" for split in splits if split != "dev"] + ["num_classes", "fingerprint"]
    if all(getattr(dataset, name) is not None for name in filled):
        return dataset, []
    facts = _facts(dataset, splits, surveys)
    counts = {"train": dataset.num_train, "test": dataset.num_test}
    for split in [split for split in counts if split in facts]:
        part = facts[split]
        given, counts[split] = counts[split], part.num_images
        check(
            given in (None, part.num_images),
            f"data set {dataset.name} says num_{split}={given}, but its files hold {part.num_images} images",
        )
    notes = [note for part in facts.values() for note in part.notes]
    notes += _broken(dataset, facts)
    if "train" in splits and "test" in splits:
        train, test = (surveys[splits[split]][1] for split in uris.SPLITS)
        check_apart(f"data set {dataset.name}", train, test)
    if "train" in splits and "dev" in splits:
        check_dev(dataset, surveys[splits["train"]][1], surveys[splits["dev"]][1])
    classes = dataset.num_classes or number_of_classes(facts)
    try:
        used = aligned_labels(facts)
    except ValueError as error:
        raise ValueError(f"data set {dataset.name}: {error}") from None
    notes += check_classes(dataset, facts, used, classes, labelled=labelled)
    fingerprint = _fingerprint(facts)
    check(
        dataset.fingerprint in (None, fingerprint),
        f"data set {dataset.name} says fingerprint={dataset.fingerprint}, but its files have {fingerprint}: other data",
    )
    if "train" in splits and "test" in splits:
        notes += check_copies(dataset, train, test)
    whole = replace(
        dataset, num_classes=classes, num_train=counts["train"], num_test=counts["test"], fingerprint=fingerprint
    )
    return whole, notes


def _facts(dataset: Dataset, splits: dict[str, str], surveys: Surveys) -> "dict[str, Facts]":
    from scaling.data.sources import survey  # here: study values load no readers of files

    try:
        for uri in splits.values():
            if uri not in surveys:
                surveys[uri] = survey(uris.parse_uri(uri))
    except ValueError as error:
        raise ValueError(f"data set {dataset.name}: {error}") from None
    return {split: surveys[uri][0] for split, uri in splits.items()}


def _broken(dataset: Dataset, facts: "dict[str, Facts]") -> list[str]:
    """A note about images that hold no image, where the data set skips them. Raises ValueError where it does not."""
    broken = [image for part in facts.values() for image in part.broken]
    if not broken:
        return []
    said = f"data set {dataset.name}: {broken[0]}" + (f", and {len(broken) - 1:,} more" if len(broken) > 1 else "")
    check(dataset.corrupt == "skip", f"{said}: remove or mend it, or count and skip such images: corrupt='skip'")
    return [said]


def _fingerprint(facts: "dict[str, Facts]") -> str:
    text = ",".join(f"{split}={part.fingerprint}" for split, part in facts.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _absolute(uri: str) -> str:
    """The URI with absolute local paths, so that a worker in another directory opens the same files."""
    try:
        source = uris.parse_uri(uri)
    except ValueError:
        return uri  # it is refused, with a message, where it is read
    base = uris.base_source(source)
    match base:
        case uris.Parquet() | uris.ImageFolder() | uris.WebDataset():
            base = replace(base, path=_full(base.path))
        case uris.ListFile():
            base = replace(base, path=_full(base.path), root=_full(base.root) if base.root else None)
        case uris.Torchvision():
            base = replace(base, root=_full(base.root))
        case uris.HuggingFace() if Path(base.name).expanduser().is_dir():
            base = replace(base, name=_full(base.name))
    if not isinstance(source, uris.Selected):
        return str(base) if base != source else uri
    lists = {name: _full(path) for name in ("only", "without") if (path := getattr(source, name))}
    return str(replace(source, source=base, **lists))


def _full(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().absolute())


def resolve_study(study: Study) -> Study:
    """The study with the counts and fingerprint of every data set, and the hash of every released file.

    Raises ValueError when data or files are missing.
    """
    from scaling.store import refuse_secrets  # here, as below

    for each in study.released:
        refuse_secrets(each.source, f"the source of released weights {each.name},")
    resolved: dict[Dataset, Dataset] = {}
    surveys: Surveys = {}
    notes: list[str] = []
    labels = _of_labels(study)

    def filled(data: Dataset) -> Dataset:
        if data not in resolved:  # studies use a data set many times
            resolved[data], more = _resolved(data, surveys, labelled=data in labels)
            notes.extend(more)
        return resolved[data]

    def with_data(few: FewShot | None) -> FewShot | None:
        return few and replace(few, data=filled(few.data))

    def evaluated(evaluation: AnyEvaluation) -> AnyEvaluation:
        return evaluation if isinstance(evaluation, Evaluation) else replace(evaluation, data=filled(evaluation.data))

    whole = replace(
        study,
        runs=tuple(_counted(replace(run, data=filled(run.data), fewshot=with_data(run.fewshot))) for run in study.runs),
        tasks=tuple(replace(task, data=filled(task.data)) for task in study.tasks),
        fewshot=tuple(replace(few, data=filled(few.data)) for few in study.fewshot),
        evaluations=tuple(map(evaluated, study.evaluations)),
        released=tuple(replace(each, sha256=each.sha256 or _sha256(each.source)) for each in study.released),
    )
    check_held_out(whole)
    _check_upstream(whole, surveys)
    say(notes)
    return whole


def _of_labels(study: Study) -> set[Dataset]:
    """The data sets whose labels are trained on, or fitted."""
    runs = [run.data for run in study.runs if run.masked is None]
    fewshot = [few.data for few in (*study.fewshot, *(run.fewshot for run in study.runs)) if few is not None]
    fitted = [each.data for each in study.evaluations if isinstance(each, KNN | LinearProbe)]
    return {*runs, *fewshot, *fitted, *(task.data for task in study.tasks)}


def _check_upstream(study: Study, surveys: Surveys) -> None:
    """Raise ValueError for test images of a task, or of few-shot data, that models are pre-trained on."""
    upstream = {run.data.train: run.data.name for run in study.runs if run.data.train in surveys}
    sets = [task.data for task in study.tasks] + [few.data for few in study.fewshot]
    sets += [data for each in study.evaluations if (data := data_of(each))]
    tested = {data.test: data.name for data in sets if data.test in surveys}
    for train, run in upstream.items():
        for test, task in tested.items():
            check_apart(f"test images of {task} in the pre-training set {run}", surveys[train][1], surveys[test][1])


def _counted(run: Pretrain) -> Pretrain:
    """The run with its subset as a number of images, so that a share and its number are the same experiment."""
    return replace(run, subset=run.num_images) if isinstance(run.subset, float) else run


def _sha256(source: str) -> str:
    import fsspec  # here: most studies have no files to hash

    if "://" not in source:
        check_regular(source, LARGEST_WEIGHTS)
    try:
        with fsspec.open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ImportError) as error:
        raise ValueError(f"weights {source} cannot be read: {' '.join(str(error).split())}") from None
