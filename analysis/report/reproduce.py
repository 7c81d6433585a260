"""How to reproduce a study and how to go on: its commands, versions, seeds and data, as HTML for its page."""

import polars as pl

from analysis.report import html
from analysis.rows import Rows
from scaling.specs import Dataset, Study, data_of
from scaling.store import Command, without_secrets

COMMANDS = 20  # that are listed, the last ones
NEXT = """
<p>Go on with the command that started the study, with the same storage: work that has its rows is not repeated,
and new runs, tasks or seeds join the rows. STORAGE is the directory or URI that holds this report.</p>
<pre><code>python -m analysis report STORAGE            # this report, from the rows as they are now
python -m analysis frontier STORAGE --json   # the points and the Pareto frontier
python -m analysis core-days STORAGE --json  # core time used, productive and lost
python -m analysis fit STORAGE --json        # scaling laws, with intervals and held-out error
python -m scaling.tracking STORAGE --out DIR # curves as TensorBoard event files
python -c "import polars; print(polars.read_parquet('STORAGE/transfer/*.parquet'))"</code></pre>
"""


def section(rows: Rows, study: Study | None, commands: list[Command]) -> str:
    """Commands, versions, seeds and data; a storage without recorded commands says so."""
    parts = [_commands(study, commands), _versions(commands), html.bullets(_seeds(rows)), _data(study)]
    return "\n".join(part for part in parts if part)


def _commands(study: Study | None, commands: list[Command]) -> str:
    if not commands:
        name = study.name if study else "STUDY"
        lead = "The command was not written down. For a study that comes with the project, it is:"
        return html.paragraph(lead) + html.code(f"python scaling/run_study.py {name} --storage STORAGE")
    lines = [f"{one.command}  # {one.started[:16].replace('T', ' ')} UTC" for one in commands[-COMMANDS:]]
    lead = "In the root of a checkout, with the packages of constraints.txt installed (make installs them):"
    if len(commands) > 1:
        lead = f"The work was done by {len(commands):,} commands; the last one alone does whatever is missing. {lead}"
    if len(commands) > COMMANDS:
        lead = f"{lead} The last {COMMANDS} of them:"
    return html.paragraph(lead) + html.code("\n".join(lines))


def _versions(commands: list[Command]) -> str:
    if not commands:
        return ""
    last = commands[-1]
    differ = len({(str(one.packages), one.python, one.commit) for one in commands}) > 1
    known = {"code (commit)": last.commit or "no git checkout", "Python": last.python, "machine": last.machine}
    versions = {**known, **last.packages}
    shown = pl.DataFrame({"what": list(versions), "version": list(versions.values())})
    caption = "Versions" + (" of the last command; earlier ones differ (commands/*.json)" if differ else "")
    return html.table(shown, caption, text=["version"])


def _seeds(rows: Rows) -> list[str]:
    """Sentences: the seeds of each kind of work, and what follows from a seed."""
    kinds = {
        "Pre-training": rows.pretrain["seed"],
        "Dev trials": rows.trial["seed"],
        "Final fine-tunings": rows.transfer["seed"],
        "Few-shot choices of images": rows.fewshot["seed"],
    }
    sentences = [
        f"{kind}: seeds {_listed(sorted(set(seeds.drop_nulls())))}." for kind, seeds in kinds.items() if seeds.count()
    ]
    same = (
        "Order of the images, augmentation and initial weights follow from the seed: on one machine a run of the same "
    )
    return [*sentences, f"{same}spec ends in the same weights."] if sentences else []


def _listed(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:12]))
    return f"{shown} and {len(values) - 12} more" if len(values) > 12 else shown


def _data(study: Study | None) -> str:
    if study is None:
        return ""
    sets = [run.data for run in study.runs] + [t.data for t in study.tasks] + [few.data for few in study.fewshot]
    sets += [data for each in study.evaluations if (data := data_of(each))]
    rows = [_described(data) for data in dict.fromkeys(sets)]
    lead = html.paragraph("study.json holds the study as it was run, every value of it. Its data:")
    return lead + html.table(pl.DataFrame(rows), "Data sets", text=["fingerprint"], long=["from"])


def _described(data: Dataset) -> dict[str, str]:
    places = [without_secrets(uri) for uri in (data.train, data.test, data.dev) if uri]
    images = [("–" if count is None else f"{count:,}") for count in (data.num_train, data.num_test)]
    return {
        "data set": data.name,
        "classes": str(data.num_classes or "–"),
        "training images": images[0],
        "test images": images[1],
        "fingerprint": data.fingerprint or "–",
        "from": " and ".join(places) or "–",
    }
