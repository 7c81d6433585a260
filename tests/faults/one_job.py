"""`python -m tests.faults.one_job STORAGE JOB TRAIN TEST`: a job of the campaign as a process of its own."""

import sys

from scaling.data.resolve import resolve
from scaling.specs.pretraining import Dataset
from tests.faults.campaign_work import command, jobs


def main(place: str, name: str, train: str, test: str) -> None:
    job = next(job for job in jobs(resolve(Dataset("made", train, test))) if job.name == name)
    command(place, (*job.before, *job.works))


if __name__ == "__main__":
    main(*sys.argv[1:])
