"""A Slurm batch script: `ray symmetric-run` on every node, the study on the first."""

from clusters.launch.request import LaunchRequest, title


def slurm_script(request: LaunchRequest) -> str:
    shape = request.slice
    partition = request.partition or "gpu"
    return f"""\
#!/bin/bash
{title(request, "Slurm")} Then, in the checkout that has .venv (make builds it): sbatch FILE
#SBATCH --job-name={request.name}
#SBATCH --partition={partition}  # change: yours, and add --account where your site wants one
#SBATCH --nodes={shape.hosts}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={shape.chips_on_host}
#SBATCH --cpus-per-task={shape.host_cpus}
#SBATCH --mem={shape.host_memory_gib}G
#SBATCH --time={request.hours}:00:00  # submitted again, it goes on from the last checkpoints
#SBATCH --requeue
#SBATCH --output=%x-%j.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"  # on a file system that all nodes see, as your home directory must be

# Only who has the token may use the cluster; it is kept in ~/.ray/auth_token.
export RAY_AUTH_MODE=token
.venv/bin/ray get-auth-token --generate > /dev/null

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
srun --nodes={shape.hosts} --ntasks={shape.hosts} --kill-on-bad-exit=0 \\
  .venv/bin/ray symmetric-run --address "$head:$port" --min-nodes {shape.hosts} \\
  --num-cpus={shape.host_cpus} --num-gpus={shape.chips_on_host} --disable-usage-stats \\
  -- env "RAY_ADDRESS=$head:$port" .venv/bin/python {request.command}
"""
