"""How far a study is, from the rows of its storage alone: no cluster is asked, and none needs to be there."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scaling import store
from scaling.schedule.pending import trial_results
from scaling.schedule.trials import chosen_settings, due_trials, final_runs, search_pairs, trials_left, upstreams
from scaling.specs import Probe, Study, from_json
from scaling.store import Storage, finished_ids, lease_holder

if TYPE_CHECKING:
    import polars as pl

ATTEMPT = ["unit_id", "kind", "name", "started", "seconds_total", "last_step", "outcome", "reason"]


@dataclass(frozen=True)
class Stage:
    """A stage's units: those that have their rows, and those to come at most."""

    name: str
    done: int
    left: int


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a unit that has no rows yet."""

    kind: str
    name: str
    step: int  # that it was last seen at
    seen: datetime  # UTC, when its row was written
    outcome: str
    reason: str


@dataclass(frozen=True)
class Status:
    study: str
    storage: str
    worker: str | None  # who works on it now
    stages: tuple[Stage, ...]
    open: tuple[Attempt, ...]

    @property
    def finished(self) -> bool:
        return not any(stage.left for stage in self.stages)


def study_status(storage: Storage) -> Status:
    """How the study that ran in a storage stands. Raises ValueError when none did."""
    if not storage.exists("study.json"):
        raise ValueError(f"storage {storage.uri} holds no study: run_study writes study.json when it begins")
    study = from_json(Study, storage.read("study.json").decode())
    attempts = store.open_attempts(storage, ATTEMPT)
    claim = lease_holder(storage)
    return Status(
        study.name,
        storage.uri,
        f"process {claim.pid} on {claim.host} since {claim.since}" if claim else None,
        tuple(_stages(study, storage, attempts)),
        tuple(_open(attempts)),
    )


def _stages(study: Study, storage: Storage, attempts: "pl.DataFrame") -> Iterator[Stage]:
    there = {table: finished_ids(storage, table) for table in ("pretrain", "transfer", "fewshot")}
    yield _stage("pre-training", [run.id for run in study.runs], there["pretrain"])
    known = trial_results(storage, attempts)
    trials = 0
    finals: list[str] = []
    for pair in search_pairs(study):
        if due_trials(pair, known)[1]:
            finals += [run.id for run in final_runs(pair, chosen_settings(pair, known), study.seeds)]
        else:
            trials += trials_left(pair, known)
            finals += [""] * len(study.seeds)  # at a setting that nobody knows yet: one, let us say
    yield Stage("dev trials", len(known), trials)
    yield _stage("final runs", finals, there["transfer"])
    probes = [Probe(upstream, few).id for upstream in upstreams(study) for few in study.fewshot]
    yield _stage("few-shot probes", probes, there["fewshot"])


def _stage(name: str, ids: list[str], there: Collection[str]) -> Stage:
    done = sum(unit_id in there for unit_id in ids)
    return Stage(name, done, len(ids) - done)


def _open(attempts: "pl.DataFrame") -> Iterator[Attempt]:
    """Units at work, or that failed, the latest first."""
    latest = attempts.sort("started").unique("unit_id", keep="last", maintain_order=True)
    for row in latest.filter(latest["outcome"].is_in(["running", "failed", "interrupted"])).reverse().to_dicts():
        seen = row["started"] + timedelta(seconds=row["seconds_total"])
        yield Attempt(row["kind"], row["name"], row["last_step"], seen, row["outcome"], row["reason"])


def render_status(found: Status, most: int = 20) -> list[str]:
    """Lines for people: the stages, then who works on it, then what is open."""
    state = "finished" if found.finished else "not finished"
    lines = [f"study {found.study}: {state}, in {found.storage}"]
    for stage in found.stages:
        if stage.done or stage.left:
            lines.append(f"  {stage.name:16} {stage.done} done" + (f", {stage.left} to do" if stage.left else ""))
    if found.worker:
        lines.append(f"at work: {found.worker}")
    elif not found.finished:
        lines.append("nobody works on it: run the same command again to go on")
    for attempt in found.open[:most]:
        ago = (datetime.now(UTC) - attempt.seen).total_seconds()
        what = "at work" if attempt.outcome == "running" and found.worker else attempt.outcome
        what = "killed" if what == "running" else what
        line = f"  {attempt.kind} {attempt.name}: {what}, step {attempt.step}, heard of {ago:.0f} s ago"
        lines.append(line + (f": {attempt.reason}" if attempt.reason else ""))
    if len(found.open) > most:
        lines.append(f"  and {len(found.open) - most} more")
    return lines
