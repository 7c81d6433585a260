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
from clusters.launch.yaml_lines import LineError, YamlDocument, load_yaml

Rules = Callable[[YamlDocument, str], Iterator[LineError]]
LONG = 200  # characters of a message
COMMENT = re.compile(r"(^|[ \t])#.*$", re.MULTILINE)


def mistakes(text: str) -> tuple[str, list[LineError]]:
    """The kind of launch file that a text is, and its mistakes by line. Raises LineError for a text that is none."""
    if re.search(r"^#SBATCH", text, re.MULTILINE):
        return "Slurm script", _sorted(slurm_rules.slurm_mistakes(text))
    try:
        document = load_yaml(text)
    except LineError as mistake:
        return "YAML", [mistake]
    kind, schema, rule = _format(document)
    errors = list(_by_schema(document, schema))
    if not errors:  # the rules rely on parts that the schema requires
        # Without comments, which may name what the rules look for.
        errors = list(rule(document, COMMENT.sub("", text)))
    return kind, _sorted(errors)


def _sorted(errors: Iterator[LineError] | list[LineError]) -> list[LineError]:
    return sorted(errors, key=lambda mistake: mistake.line)


def _format(document: YamlDocument) -> tuple[str, dict[str, Any], Rules]:
    match document.value:
        case {"apiVersion": _, "kind": kind}:
            return f"KubeRay {kind}", _schema("kuberay"), rules.kuberay_mistakes
        case {"cluster_name": _} | {"provider": _}:
            return "ray up cluster", _schema("ray"), rules.ray_up_mistakes
        case {"run": _} | {"resources": _}:
            return "SkyPilot task", _schema("skypilot"), rules.skypilot_mistakes
        case _:
            raise LineError(1, "this is no file of ray up, KubeRay, Slurm or SkyPilot")


@cache
def _schema(name: str) -> dict[str, Any]:
    if name == "ray":
        package = find_spec("ray")  # Ray's own schema, without the seconds that importing Ray takes
        assert package is not None
        assert package.origin is not None
        text = (Path(package.origin).parent / "autoscaler" / "ray-schema.json").read_text()
    else:
        text = (files("clusters.launch") / "schemas" / f"{name}.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _by_schema(document: YamlDocument, schema: dict[str, Any]) -> Iterator[LineError]:
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
            message = error.message if len(error.message) < LONG else f"{error.message[:LONG]}..."
            yield LineError(document.line(path), f"{where}: {message}")
