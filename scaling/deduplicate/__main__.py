"""Find copies of test images in upstream data: `python -m scaling.deduplicate UPSTREAM --against TEST --out DIR`."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tyro
from rich.console import Console
from rich.table import Table

from scaling.checks import check, check_flag
from scaling.console import command_line, console, storage_of
from scaling.data import Selected, parse_uri
from scaling.data.sources import Images, available_cores, list_text, open_announced, quoted
from scaling.deduplicate.matching import KINDS, Catalogue, Matches, describe_tests, find_copies
from scaling.store import Storage

SHOWN = 20  # unreadable images named in the report


@dataclass(frozen=True)
class Options:
    """List the upstream images that are copies of test images.

    Copies are the same file, or re-encoded, resized, brightened or slightly cropped. Train without them by the URI's
    option `?without=DIR/removed.txt`.

    python -m scaling.deduplicate fashion:train --against fashion:test --out results/dedup
    python -m scaling.deduplicate parquet:/data/up --against parquet:/data/a parquet:/data/b --out s3://bucket/dedup
    """

    upstream: Annotated[str, tyro.conf.Positional]
    """URI of the training split, such as parquet:PATH."""
    against: tuple[str, ...]
    """URIs of the test splits."""
    out: str
    """Directory or URI for removed.txt, report.json and pairs.parquet."""
    processes: int | None = None
    """Processes that read and compare images. Default: one a core."""
    json: bool = False
    """Print the report as JSON."""


def main(options: Options) -> int:
    check(len(options.against) > 0, "--against needs at least one URI of a test split")
    check(
        options.upstream not in options.against, f"--against {options.upstream} is the upstream set: give test splits"
    )
    processes = options.processes if options.processes is not None else available_cores()
    check_flag("processes", processes)
    place = storage_of(options.out)
    # Before anything is written or compared: these say what cannot be read.
    upstream, splits = open_announced(options.upstream), [open_announced(uri) for uri in options.against]
    place.make()
    began = time.monotonic()
    tests = describe_tests(options.against, processes)
    described = time.monotonic()
    matches = find_copies(options.upstream, tests, processes)
    seconds = {"tests": described - began, "upstream": time.monotonic() - described}

    report = summary(options.upstream, tests, matches, seconds)
    place.write("pairs.parquet", _parquet(upstream, splits, tests, matches))
    place.write("report.json", json.dumps(report, indent=1).encode())
    removed = [upstream.name(int(number)) for number in np.unique(matches.upstream)]
    comment = f"{len(removed)} copies of test images in {options.upstream}"
    place.write("removed.txt", list_text(removed, comment))  # last: what trainings read
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        _show(report, place, console())
    return 0


def summary(upstream: str, tests: Catalogue, matches: Matches, seconds: dict[str, float]) -> dict[str, Any]:
    """The report as a JSON value. An image counts once, under the first kind of KINDS that it has matches of."""
    best = np.full(matches.described.images, len(KINDS))
    # `.at`, because an image may have several matches, of which plain indexing would keep the last.
    np.minimum.at(best, matches.upstream, matches.kind)
    counts = np.bincount(best, minlength=len(KINDS) + 1).tolist()
    matched = np.searchsorted(tests.starts, np.unique(matches.test), side="right") - 1
    sizes = np.diff([*tests.starts, len(tests)]).tolist()
    with_copies = np.bincount(matched, minlength=len(tests.uris)).tolist()
    return {
        "upstream": {"uri": upstream, **_facts(matches.described)},
        "removed": sum(counts[: len(KINDS)]),
        "by_kind": dict(zip(KINDS, counts, strict=False)),
        "pairs": len(matches.upstream),
        "tests": [
            {"uri": uri, "images": size, "with_copies": count}
            for uri, size, count in zip(tests.uris, sizes, with_copies, strict=True)
        ],
        "tests_flat": tests.described.flat,
        "tests_unreadable": len(tests.described.unreadable),
        "seconds": seconds,
    }


def _facts(described: Any) -> dict[str, Any]:
    facts = asdict(described)
    reasons = [reason for _, reason in facts.pop("unreadable")]
    return {**facts, "unreadable": len(reasons), "first_unreadable": reasons[:SHOWN]}


def _parquet(upstream: Images, splits: Sequence[Images], tests: Catalogue, matches: Matches) -> bytes:
    """The pairs as a Parquet file: names of both images, the test set, kind, differing bits of the hash, residual."""
    sets = np.searchsorted(tests.starts, matches.test, side="right") - 1
    inside = matches.test - tests.starts[sets]
    table = pa.table(
        {
            "upstream": pa.array([_name(upstream, int(number)) for number in matches.upstream], pa.string()),
            "test": pa.array(
                [_name(splits[k], int(i)) for k, i in zip(sets.tolist(), inside.tolist(), strict=True)], pa.string()
            ),
            "test_set": pa.array([tests.uris[k] for k in sets.tolist()], pa.string()),
            "kind": pa.array([KINDS[k] for k in matches.kind.tolist()], pa.string()),
            "distance": pa.array(matches.distance, pa.int64()),
            "residual": pa.array(matches.residual, pa.float64()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _name(images: Images, number: int) -> str:
    """The image's name as text: one with bytes that are no UTF-8 as the list has it."""
    name = images.name(number)
    return quoted(name) if any("\udc80" <= sign <= "\udcff" for sign in name) else name


def _show(report: dict[str, Any], place: Storage, out: Console) -> None:
    upstream, removed = report["upstream"], report["removed"]
    table = Table(title=f"Copies of test images in {upstream['uri']}", title_justify="left")
    for heading in ("test set", "images", "of them with a copy upstream"):
        table.add_column(heading, justify="left" if heading == "test set" else "right")
    for test in report["tests"]:
        table.add_row(test["uri"], f"{test['images']:,}", f"{test['with_copies']:,}")
    out.print(table)
    kinds = {"bytes": "the same file", "whole": "a copy of the whole image", "crop": "a copy of a part"}
    counts = ", ".join(f"{kinds[kind]}: {count:,}" for kind, count in report["by_kind"].items())
    out.print(f"[bold]{removed:,} of {upstream['images']:,} upstream images[/bold] ({counts})", markup=True)
    out.print(f"not compared: {upstream['flat']:,} without contrast, {upstream['unreadable']:,} that cannot be read")
    for reason in upstream["first_unreadable"]:
        out.print(f"  {reason}")
    rate = upstream["images"] / max(report["seconds"]["upstream"], 1e-9)
    removed_list = place.path("removed.txt")
    out.print(f"{rate:,.0f} upstream images per second; list: {removed_list}", soft_wrap=True)
    source = parse_uri(upstream["uri"])
    if removed and not isinstance(source, Selected):  # in the URI's own quoting, which a path may need
        out.print(f"train without them: {Selected(source, without=removed_list)}", soft_wrap=True)


if __name__ == "__main__":
    command_line(main, Options)
