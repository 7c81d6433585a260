"""Whether the user's code behind a study's rows is still what it was when they were made."""

import json

from scaling.checks import check
from scaling.specs import Study, named_in, source_version
from scaling.store import Storage

CODE = "code.json"  # in a storage: the version of the source of each named function, by path and the user's version


def check_code(study: Study, storage: Storage, *, same: bool) -> dict[str, str]:
    """The versions to record with a run. `same`: the user says that what differs changes no result.

    Raises ValueError when a function's source is another than the one that the storage has rows of.
    """
    known = _recorded(storage)
    for named in named_in(study):
        version = source_version(named)
        if version is None:
            continue
        label = f"{named.path} {named.version}".strip()
        check(
            same or known.get(label, version) == version,
            f"the code of {named.path} has changed since {storage.shown(CODE)} recorded it: give it a new version, "
            f"{type(named).__name__}({named.path!r}, version=...), to train anew; or, if no result can differ, go on "
            "with --same-code",
        )
        known[label] = version
    return known


def record_code(versions: dict[str, str], storage: Storage) -> None:
    """Keep the versions of `check_code`, if there are any, in a storage whose lease is held."""
    if versions and versions != _recorded(storage):
        storage.write(CODE, json.dumps(versions, indent=1, sort_keys=True).encode())


def _recorded(storage: Storage) -> dict[str, str]:
    if not storage.exists(CODE):
        return {}
    try:
        recorded = json.loads(storage.read(CODE))
    except ValueError:
        recorded = None
    check(isinstance(recorded, dict), f"{storage.shown(CODE)} is damaged: remove it, if the code is the same as before")
    versions: dict[str, str] = recorded
    return versions
