"""Check a launch file: against its format's schema, the chip catalogue, and what is safe. Needs no ray and no cloud."""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema

from clusters.launch import rules, slurm_rules
from clusters.launch.yaml_lines import LineError, Marked, load

Rules = Callable[[Marked, str], Iterator[LineError]]
LONG = 200  # characters of a message
COMMENT = re.compile(r"(^|[ \t])#.*$", re.MULTILINE)


def mistakes(text: str) -> tuple[str, list[LineError]]:
    """What kind of file a text is, and all that is wrong with it, by line. Raises LineError for no launch file."""
    if re.search(r"^#SBATCH", text, re.MULTILINE):
        return "Slurm script", _sorted(slurm_rules.check(text))
    try:
        document = load(text)
    except LineError as mistake:
        return "YAML", [mistake]
    kind, schema, rule = _format(document)
    found = list(_by_schema(document, schema))
    if not found:  # else the rules would stumble over what is not there
        found = list(rule(document, COMMENT.sub("", text)))
    return kind, _sorted(found)


def _sorted(found: Iterator[LineError] | list[LineError]) -> list[LineError]:
    return sorted(found, key=lambda mistake: mistake.line)


def _format(document: Marked) -> tuple[str, dict[str, Any], Rules]:
    match document.value:
        case {"apiVersion": _, "kind": kind}:
            return f"KubeRay {kind}", _schema("kuberay"), rules.kuberay
        case {"cluster_name": _} | {"provider": _}:
            return "ray up cluster", _schema("ray"), rules.ray_up
        case {"run": _} | {"resources": _}:
            return "SkyPilot task", _schema("skypilot"), rules.skypilot
        case _:
            raise LineError(1, "this is no file of ray up, KubeRay, Slurm or SkyPilot")


@cache
def _schema(name: str) -> dict[str, Any]:
    if name != "ray":
        return json.loads((files("clusters.launch") / "schemas" / f"{name}.json").read_text())
    found = find_spec("ray")  # Ray's own, without importing it
    assert found is not None
    assert found.origin is not None
    return json.loads((Path(found.origin).parent / "autoscaler" / "ray-schema.json").read_text())


def _by_schema(document: Marked, schema: dict[str, Any]) -> Iterator[LineError]:
    for error in jsonschema.Draft7Validator(schema).iter_errors(document.value):
        path = tuple(error.absolute_path)
        where = ".".join(map(str, path)) or "the file"
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            known = error.schema.get("properties", {})
            for key in error.instance.keys() - known.keys():
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"; is it {near[0]}?" if near else ""
                yield LineError(document.line((*path, key)), f"{where} has no key {key!r}{hint}")
        else:
            what = error.message if len(error.message) < LONG else f"{error.message[:LONG]}..."
            yield LineError(document.line(path), f"{where}: {what}")
