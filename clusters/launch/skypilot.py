"""A SkyPilot task: the machines by their accelerators, Ray on all of them, the study on the first."""

import json

from clusters.launch.request import LaunchRequest, title
from scaling.checks import check

PORT = 6379  # SkyPilot's own Ray has another


def task(wish: LaunchRequest) -> str:
    found = wish.slice
    tpu = found.topology is not None
    flags = f"--resources='{{\"TPU\": {found.chips_on_host}}}'" if tpu else f"--num-gpus={found.chips_on_host}"
    return f"""\
{title(wish, "SkyPilot")}
# Then: sky launch -c {wish.name} --secret RAY_AUTH_TOKEN="$(ray get-auth-token --generate)" FILE
name: {wish.name}
workdir: .
num_nodes: {1 if tpu else found.hosts}{_pod(wish)}
resources:
  {_accelerators(wish)}
  disk_size: 256{_image(wish)}
  use_spot: {json.dumps(wish.spot)}
  autostop:  # the machines are deleted when they are idle: what is to stay belongs into --storage
    idle_minutes: 30
    down: true
envs:
  RAY_AUTH_MODE: token
secrets:
  RAY_AUTH_TOKEN: null  # given on the command line: only who has it may use the cluster
setup: |
  export PATH="$HOME/.local/bin:$PATH"
  command -v uv || pip install --user uv
  uv venv --python 3.11 .venv
  uv pip install --python .venv --constraint {wish.constraints} '.[{wish.extras}]'
run: |
  set -uo pipefail
  head=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)
  if [ "$SKYPILOT_NODE_RANK" != 0 ]; then
    for attempt in $(seq 60); do  # until the head is up; it ends with the head
      .venv/bin/ray start --address="$head:{PORT}" {flags} --block && break
      sleep 5
    done
    exit 0
  fi
  .venv/bin/ray start --head --port={PORT} --dashboard-host=127.0.0.1 {flags} --block &
  ray=$!
  export RAY_ADDRESS="$head:{PORT}"
  .venv/bin/python - <<'END'
  import time
  import ray

  for attempt in range(60):
      try:
          ray.init(address="auto", log_to_driver=False)
          break
      except ConnectionError:
          time.sleep(5)
  while sum(node["Alive"] for node in ray.nodes()) < {found.hosts}:
      time.sleep(5)
  END
  .venv/bin/python {wish.command}
  code=$?
  kill $ray
  exit $code
"""


def _accelerators(wish: LaunchRequest) -> str:
    found = wish.slice
    if found.topology is None:
        return f"accelerators: {found.chip.name.upper()}:{found.chips_on_host}"
    runtime = found.chip.gcp_runtime
    check(runtime is not None, f"skypilot: no software version is known for {found.chip.name}")
    check(found.standard, f"skypilot: {found.name} is no standard shape, which a size could say")
    return f"""accelerators: tpu-{found.accelerator_type}
  accelerator_args:
    runtime_version: {runtime}"""


def _pod(wish: LaunchRequest) -> str:
    hosts = wish.slice.hosts
    return f"  # one slice; what follows runs on each of its {hosts} hosts" if wish.slice.topology and hosts > 1 else ""


def _image(wish: LaunchRequest) -> str:
    return f"\n  image_id: docker:{wish.image}" if wish.image else ""
