"""What a Tune actor is made of. It imports none of our modules: an actor must be ready before its first trial ends.

Tune gives a waiting trial to whichever actor is free, and drops the actor that it had begun to start for it. If actors
imported torch while they start, the first to be ready would take the trials of the others, and few slots would be used.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from ray import cloudpickle

if TYPE_CHECKING:
    from clusters.execution.trials import Sweep


def trial(config: dict[str, Any], job: bytes) -> None:
    """Do one trial. An actor's first one unpickles what all trials have in common, and imports what that needs."""
    from clusters.execution.trials import reported

    sweep = _unpickled(job)
    with reported() as rows:
        row = sweep.do(sweep.work(config), sweep.storage, sweep.study, sweep.placement, sweep.flag)
        assert row is not None
        rows.append(row)


@cache
def _unpickled(job: bytes) -> "Sweep":
    return cloudpickle.loads(job)
