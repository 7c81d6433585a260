"""Files that bring a cluster up: for `ray up`, KubeRay, Slurm and SkyPilot, and what checks them."""
