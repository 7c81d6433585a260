"""What others on the network and on the machine see of a local session: nothing. In a process of its own, with Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROBE = """
import json, os, subprocess, sys
from pathlib import Path
from clusters.execution.ray_session import session
from clusters.execution import sweep  # as the driver has it: Tune hands the environment on
from ray import tune
import ray

def processes(pid):
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True).stdout
    return [str(pid)] + [each for child in listed.split() for each in processes(child)]

def sockets(pid):
    found = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True).stdout  # it may have ended
    return [line.rpartition("socket:[")[2][:-1] for line in found.splitlines() if "socket:[" in line]

def trial(config):
    tune.report({"letters": len(os.environ["AWS_SECRET_ACCESS_KEY"]), "done": True})

with session(num_cpus=2):
    done = tune.Tuner(trial, run_config=tune.RunConfig(storage_path=sys.argv[1], verbose=0)).fit()
    found = done[0].metrics["letters"]
    mine = {inode for pid in processes(os.getpid()) for inode in sockets(pid)}
    lines = [line.split() for table in ("tcp", "tcp6") for line in open(f"/proc/net/{table}")]
    listening = [line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in mine]
    logs = Path(ray._private.worker._global_node.get_session_dir_path())
    mode = oct(logs.parent.parent.stat().st_mode & 0o777)
    leaks = [str(file) for file in logs.rglob("*") if file.is_file() and b"ZEBRA/42+" in file.read_bytes()]
print(json.dumps([found, listening, mode, leaks]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's list of sockets")
def test_nobody_else_reaches_a_local_session_or_reads_its_keys(tmp_path: Path) -> None:
    environment = os.environ | {"AWS_SECRET_ACCESS_KEY": "ZEBRA/42+", "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    words = [sys.executable, "-c", PROBE, str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found, listening, mode, leaks = json.loads(done.stdout.splitlines()[-1])
    assert found == len("ZEBRA/42+")  # workers have it, from the environment
    assert len(listening) > 5
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert set(listening) <= loopback
    assert (mode, leaks) == ("0o700", [])
