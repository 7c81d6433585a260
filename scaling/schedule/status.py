"""How far a study is, by the rows of its storage alone: no cluster is asked, and none needs to run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scaling import store
from scaling.schedule.pairs import evaluation_runs, final_runs, search_pairs, upstreams
from scaling.schedule.pending import trial_results
from scaling.schedule.trials import chosen_settings, due_trials, trials_left
from scaling.specs import Probe, Study, from_json
from scaling.store import DAMAGED, Storage, finished_ids, lease_holder

if TYPE_CHECKING:
    import polars as pl

ATTEMPT = ["unit_id", "kind", "name", "started", "seconds_total", "last_step", "outcome", "reason"]


@dataclass(frozen=True)
class Stage:
    """A stage of a study, such as its dev trials, in units of work."""

    name: str
    done: int  # units that have their rows
    left: int  # units to come, at most


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a unit that has no rows yet."""

    kind: str
    name: str
    step: int  # its last known step
    seen: datetime  # UTC, of its last heartbeat: when its row was written
    outcome: str
    reason: str


@dataclass(frozen=True)
class Status:
    """How far a study is, and which units are open."""

    study: str
    storage: str
    worker: str | None  # the process that works on it now, by its lease
    stages: tuple[Stage, ...]
    open: tuple[Attempt, ...]  # latest first
    damaged: int  # checkpoints that were found damaged and set aside

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
        len(storage.list(DAMAGED)),
    )


def _stages(study: Study, storage: Storage, attempts: "pl.DataFrame") -> Iterator[Stage]:
    finished = {table: finished_ids(storage, table) for table in ("pretrain", "transfer", "fewshot", "metric")}
    yield _stage("pre-training", [run.id for run in study.runs], finished["pretrain"])
    results = trial_results(storage, attempts)
    trials = 0
    finals: list[str] = []
    for pair in search_pairs(study):
        if due_trials(pair, results)[1]:
            finals += [run.id for run in final_runs(pair, chosen_settings(pair, results), study.seeds)]
        else:
            trials += trials_left(pair, results)
            finals += [""] * len(study.seeds)  # ids are unknown until a setting is chosen; one setting is assumed
    yield Stage("dev trials", len(results), trials)
    yield _stage("final runs", finals, finished["transfer"])
    probes = [Probe(upstream, few).id for upstream in upstreams(study) for few in study.fewshot]
    yield _stage("few-shot probes", probes, finished["fewshot"])
    yield _stage("evaluations", [run.id for run in evaluation_runs(study)], finished["metric"])


def _stage(name: str, ids: list[str], finished: Collection[str]) -> Stage:
    done = sum(unit_id in finished for unit_id in ids)
    return Stage(name, done, len(ids) - done)


def _open(attempts: "pl.DataFrame") -> Iterator[Attempt]:
    """Units that run, or whose last attempt failed or was interrupted, latest first."""
    latest = attempts.sort("started").unique("unit_id", keep="last", maintain_order=True)
    for row in (
        latest.filter(latest["outcome"].is_in(["running", "failed", "interrupted", "killed"])).reverse().to_dicts()
    ):
        seen = row["started"] + timedelta(seconds=row["seconds_total"])
        yield Attempt(row["kind"], row["name"], row["last_step"], seen, row["outcome"], row["reason"])


def render_status(status: Status, most: int = 20) -> list[str]:
    """Lines for people: the stages, then the process that works on them, then up to `most` open units."""
    state = "finished" if status.finished else "not finished"
    lines = [f"study {status.study}: {state}, in {status.storage}"]
    for stage in status.stages:
        if stage.done or stage.left:
            lines.append(f"  {stage.name:16} {stage.done} done" + (f", {stage.left} to do" if stage.left else ""))
    if status.worker:
        lines.append(f"running: {status.worker}")
    elif not status.finished:
        lines.append("nothing is running: run the same command again to go on")
    for attempt in status.open[:most]:
        ago = (datetime.now(UTC) - attempt.seen).total_seconds()
        outcome = attempt.outcome
        if outcome == "running" and not status.worker:
            outcome = "killed"  # nothing holds the lease, so nobody is left to write that it ended
        line = f"  {attempt.kind} {attempt.name}: {outcome}, step {attempt.step}, last heartbeat {ago:.0f} s ago"
        lines.append(line + (f": {attempt.reason}" if attempt.reason else ""))
    if len(status.open) > most:
        lines.append(f"  and {len(status.open) - most} more")
    if status.damaged:
        plural = "" if status.damaged == 1 else "s"
        lines.append(f"{status.damaged} damaged checkpoint{plural} set aside in {DAMAGED}/: nothing needs them")
    return lines
