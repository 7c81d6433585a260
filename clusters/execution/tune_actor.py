"""What a Tune actor is made of. It imports nothing of ours: an actor must be there before its first trial is through.

Tune gives a trial that waits to whatever actor is free, and drops the one that it had begun to start for it. Were torch
imported while actors start, the first to be ready would take the trials of the rest, and few of the slots be used.
"""

from functools import cache
from typing import Any

from ray import cloudpickle


def trial(config: dict[str, Any], job: bytes) -> None:
    """One trial. The first of an actor unpickles what all have in common, and imports what that needs."""
    from clusters.execution.trials import do_trial

    do_trial(config, **_unpickled(job))


@cache
def _unpickled(job: bytes) -> dict[str, Any]:
    return cloudpickle.loads(job)
