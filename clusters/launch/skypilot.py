"""A SkyPilot task: the machines by their accelerators, Ray on all of them, the study on the first."""

import json

from clusters.launch.request import LaunchRequest, title, yaml_text
from scaling.checks import check

PORT = 6379  # SkyPilot's own Ray has another


def skypilot_task(request: LaunchRequest) -> str:
    shape = request.slice
    tpu = shape.topology is not None
    flags = f"--resources='{{\"TPU\": {shape.chips_on_host}}}'" if tpu else f"--num-gpus={shape.chips_on_host}"
    return f"""\
{title(request, "SkyPilot")}
# Then: sky launch -c {request.name} --secret RAY_AUTH_TOKEN="$(ray get-auth-token --generate)" FILE
name: {yaml_text(request.name)}
workdir: .
num_nodes: {1 if tpu else shape.hosts}{_pod(request)}
resources:
  {_accelerators(request)}
  disk_size: 256{_image(request)}
  use_spot: {json.dumps(request.spot)}
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
  uv pip install --python .venv --constraint {request.constraints} '.[{request.extras}]'
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
  while sum(node["Alive"] for node in ray.nodes()) < {shape.hosts}:
      time.sleep(5)
  END
  .venv/bin/python {request.command}
  code=$?
  kill $ray
  exit $code
"""


def _accelerators(request: LaunchRequest) -> str:
    shape = request.slice
    if shape.topology is None:
        return f"accelerators: {shape.chip.name.upper()}:{shape.chips_on_host}"
    runtime = shape.chip.gcp_runtime
    check(runtime is not None, f"skypilot: no software version is known for {shape.chip.name}")
    check(shape.standard, f"skypilot: {shape.name} is no standard shape, which a size could say")
    return f"""accelerators: tpu-{shape.accelerator_type}
  accelerator_args:
    runtime_version: {runtime}"""


def _pod(request: LaunchRequest) -> str:
    hosts, several = request.slice.hosts, request.slice.topology is not None and request.slice.hosts > 1
    return f"  # one slice; what follows runs on each of its {hosts} hosts" if several else ""


def _image(request: LaunchRequest) -> str:
    return f"\n  image_id: {yaml_text(f'docker:{request.image}')}" if request.image else ""
