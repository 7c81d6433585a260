"""A Slurm batch script: `ray symmetric-run` on every node, the study on the first."""

from clusters.launch.request import LaunchRequest, title


def script(wish: LaunchRequest) -> str:
    found = wish.slice
    partition = wish.partition or "gpu"
    return f"""\
#!/bin/bash
{title(wish, "Slurm")} Then, in the checkout that has .venv (make builds it): sbatch FILE
#SBATCH --job-name={wish.name}
#SBATCH --partition={partition}  # change: yours, and add --account where your site wants one
#SBATCH --nodes={found.hosts}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={found.chips_on_host}
#SBATCH --cpus-per-task={found.host_cpus}
#SBATCH --mem={found.host_memory_gib}G
#SBATCH --time={wish.hours}:00:00  # submitted again, it goes on from the last checkpoints
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
srun --nodes={found.hosts} --ntasks={found.hosts} --kill-on-bad-exit=0 \\
  .venv/bin/ray symmetric-run --address "$head:$port" --min-nodes {found.hosts} \\
  --num-cpus={found.host_cpus} --num-gpus={found.chips_on_host} --disable-usage-stats \\
  -- env "RAY_ADDRESS=$head:$port" .venv/bin/python {wish.command}
"""
