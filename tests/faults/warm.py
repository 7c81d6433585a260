"""Imported by the server of the campaign's forks: what a job imports and prepares is there in every fork."""

import tempfile
from pathlib import Path

import torch

from tests.faults.campaign_work import drive, jobs, made_data

torch.set_num_threads(1)  # a fork has no other threads
with tempfile.TemporaryDirectory() as folder:
    for job in jobs(made_data(Path(folder) / "data")):
        drive(Path(folder) / job.name, (*job.before, *job.works))
