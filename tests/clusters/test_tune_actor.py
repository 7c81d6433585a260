"""What a Tune actor imports before its first trial, and that it keeps what trials have in common."""

import subprocess
import sys

from ray import cloudpickle

from clusters.tune_actor import _unpickled


def test_an_actor_starts_without_torch_or_rows() -> None:
    asked = "import sys, clusters.tune_actor; print({'torch', 'polars', 'clusters.ray_tune'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_what_trials_have_in_common_is_unpickled_once() -> None:
    job = cloudpickle.dumps({"study": "x", "flag": object()})
    assert _unpickled(job) is _unpickled(bytes(job))
