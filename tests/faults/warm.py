"""Imported by the server of the campaign's forks: what a job imports and prepares is there in every fork.

But not polars' threads, which a fork would wait for: it is imported and not used.
"""

import tempfile
from pathlib import Path

import torch

import scaling.store.frames  # noqa: F401
from scaling.store.storage import Storage
from tests.faults.campaign_work import do, jobs, made_data

torch.set_num_threads(1)  # a fork has no other threads
with tempfile.TemporaryDirectory() as folder:
    for job in jobs(made_data(Path(folder) / "data")):
        storage = Storage.of(Path(folder) / job.name)
        storage.make()
        do(storage, (*job.before, *job.works))
