"""What a Tune actor is made of. It imports none of our modules: an actor must be ready before its first trial ends.

Tune gives a waiting trial to whichever actor is free, and drops the actor that it had begun to start for it. If actors
imported torch while they start, the first to be ready would take the trials of the others, and few slots would be used.
"""

from functools import cache
from typing import Any

from ray import cloudpickle


def trial(config: dict[str, Any], job: bytes) -> None:
    """Do one trial. An actor's first one unpickles what all trials have in common, and imports what that needs."""
    sweep = _unpickled(job)
    with sweep.reported() as rows:
        row = sweep.do(sweep.work(config), sweep.storage, sweep.study, sweep.placement, sweep.flag)
        assert row is not None
        rows.append(row)


@cache
def _unpickled(job: bytes) -> Any:
    """A `trials.Sweep`, whose module is imported with it."""
    # Measured: with torch imported while actors start, 2 or 3 of 8 slots stayed in use.
    return cloudpickle.loads(job)
