"""Whether final weights are as they were written, by their manifest and by the row of the run that left them."""

from pathlib import Path, PurePosixPath

from scaling.checks import NAME, say
from scaling.store import DamagedError, Storage, checkpoint_name, open_directory, read_row, row_file

WEIGHTS = "model.safetensors"


def check_file(source: str | Path) -> None:
    """`check_whole` of the directory of a file of weights on a disk, where it is a checkpoint of ours."""
    path = Path(str(source).removeprefix("file://")).expanduser()
    if path.name == WEIGHTS and (path.parent / "spec.json").exists():
        check_whole(Storage.of(path.parent))


def check_whole(directory: Storage) -> None:
    """Raise DamagedError, naming the file, if a directory of final weights is not as it was written.

    It is compared with the manifest beside the weights and, in a study's storage, with the run's row. One that is older
    than manifests is said to be unchecked, unless there is the row.
    """
    study, run_id = _study_of(directory)
    row = read_row(study, "pretrain", run_id) if study is not None else None
    try:
        saved = open_directory(directory, "")
        known = row is not None or saved.checked
        sha256 = saved.digest(WEIGHTS)[1] if known else ""
        for file in saved.files or ():
            if file != WEIGHTS:
                saved.digest(file)
        if row is not None and row["weights_sha256"] != sha256:
            raise DamagedError(f"{saved.path(WEIGHTS)} is damaged: it has other bytes than the run's row says")
    except DamagedError as error:
        if row is None or study is None:
            raise
        rows = study.shown(row_file("pretrain", run_id))
        raise DamagedError(f"{error}; to train it again, remove {directory.place} and {rows}") from None
    if not known:
        say([f"{saved.path(WEIGHTS)} was written without digests: it is taken as it is, and cannot be checked"])


def _study_of(directory: Storage) -> tuple[Storage | None, str]:
    """The storage of a study and the unit's id, by the path of the unit's final weights; None for another path."""
    place, mark, settings = directory.uri.partition("?") if directory.local is None else (directory.uri, "", "")
    unit_id = PurePosixPath(place).parent.name
    if not NAME.fullmatch(unit_id) or not place.endswith(f"/{checkpoint_name(unit_id)}"):
        return None, ""
    return Storage(place.removesuffix(f"/{checkpoint_name(unit_id)}") + mark + settings), unit_id
