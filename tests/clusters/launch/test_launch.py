"""Launch files: written for every slice, checked, and refused with a line when they are spoilt."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.__main__ import Check, Command, Launch, Slices, main
from clusters.hardware.slices import slice_named
from clusters.launch import samples
from clusters.launch.check import mistakes
from clusters.launch.render import launch_file
from clusters.launch.request import LaunchKind, LaunchRequest
from clusters.launch.yaml_lines import LineError, load_yaml

TPU_KINDS: tuple[LaunchKind, ...] = ("ray-up-gcp", "raycluster", "rayjob", "skypilot")
SLICES = ("v3-8", "v4-16", "v4-512", "v5e-8", "v5e-16", "v5p-128", "v6e-1", "v6e-64", "h100:8", "h100:64", "t4:8")
CASES = [(kind, name) for name in SLICES for kind in (get_args(LaunchKind) if ":" in name else TPU_KINDS)]


def made(kind: LaunchKind, name: str, **fields: Any) -> str:
    return launch_file(LaunchRequest(kind, slice_named(name), **{"storage": "gs://bucket/study", **fields}))


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("storage", ["gs://bucket/study", "/shared/a 'b' study"])
def test_what_is_written_passes_the_check(kind: LaunchKind, name: str, storage: str) -> None:
    image = None if kind == "slurm" else "example/image:1"
    for spot in (False, True):
        text = made(kind, name, storage=storage, spot=spot, study="my studies/new.py", image=image)
        assert mistakes(text)[1] == []


@pytest.mark.parametrize("file", samples.sample_files())
def test_samples_are_what_is_written(file: str) -> None:
    """When this fails after a change that was meant: python -m clusters.launch.samples."""
    assert (samples.FOLDER / file).read_text() == samples.sample_files()[file]


def test_no_sample_is_left_over() -> None:
    assert {file.name for file in samples.FOLDER.iterdir()} == set(samples.sample_files())


@pytest.mark.parametrize("file", [name for name in samples.sample_files() if name.startswith("ray-up")])
def test_ray_itself_takes_cluster_files(file: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(yaml.safe_load((samples.FOLDER / file).read_text())))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("file", [name for name in samples.sample_files() if name.startswith(("slurm", "skypilot"))])
def test_scripts_are_bash(file: str) -> None:
    text = (samples.FOLDER / file).read_text()
    scripts = [text] if file.endswith("sbatch") else [yaml.safe_load(text)[part] for part in ("setup", "run")]
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


SPOILT = [  # (kind, slice, text, what is put in its place, what is said)
    ("ray-up-gcp", "h100:64", "max_workers: 8\nidle", "max_worker: 8\nidle", "no key 'max_worker'; is it max_workers"),
    ("ray-up-gcp", "h100:64", "min_workers: 8", "min_workers: 9", None),
    ("ray-up-gcp", "h100:64", "min_workers: 8", "min_workers: many", "'many' is not of type 'integer'"),
    ("ray-up-gcp", "h100:64", '"GPU": 8', '"GPU": 4', "a host of h100:8 has 8 chips, resources say GPU 4"),
    ("ray-up-gcp", "t4:8", "acceleratorCount: 4", "acceleratorCount: 2", None),
    ("ray-up-gcp", "v4-16", "acceleratorType: v4-16", "acceleratorType: v4-17", "no slice of 17 cores"),
    ("ray-up-gcp", "v4-16", '"TPU": 4', '"TPU": 8', "a host of v4-16 has 4 chips, resources say TPU 8"),
    ("ray-up-gcp", "v4-16", "head_node_type: head", "head_node_type: tail", "'tail' is none of"),
    ("ray-up-aws", "h100:8", "dashboard-host=127.0.0.1", "dashboard-host=0.0.0.0", "dashboard is open on 0.0.0.0"),
    ("raycluster", "v4-16", "numOfHosts: 2", "numOfHosts: 4", "topology 2x2x2 of tpu-v4 has 2 hosts, numOfHosts is 4"),
    ("raycluster", "v4-16", "gke-tpu-topology: 2x2x2", "gke-tpu-topology: 2x3x2", "no topology '2x3x2'"),
    ("raycluster", "v4-16", "gke-tpu-accelerator: tpu-v4-podslice", "gke-tpu-accelerator: tpu-v4", "no TPU is called"),
    ("raycluster", "v4-16", "mode: token", "mode: disabled", "the dashboard is open"),
    ("raycluster", "v4-16", "workerGroupSpecs", "workerGroups", "has no key 'workerGroups'; is it workerGroupSpecs"),
    ("raycluster", "h100:64", "numOfHosts: 1", "numOfHosts: 8", "numOfHosts is for TPU slices"),
    ("raycluster", "h100:64", "maxReplicas: 8", "maxReplicas: 4", None),
    ("rayjob", "v6e-64", "limits: {\"cpu\": \"140\", \"memory\": \"540Gi\", \"google.com/tpu\": \"4\"}",
     "limits: {\"google.com/tpu\": \"8\"}", "a host of v6e-64 has 4 chips, google.com/tpu asks for 8"),
    ("rayjob", "v6e-64", "--storage gs://bucket/study", "--storage results", "17 machines need a storage"),
    ("rayjob", "v6e-64", "mode: token", "mode: open", "'open' is not one of"),
    ("slurm", "h100:64", "#SBATCH --nodes=8", "#SBATCH --node=8", "no option --node; is it --nodes"),
    ("slurm", "h100:64", "--min-nodes 8", "--min-nodes 4", "--min-nodes 4 is at odds with --nodes=8"),
    ("slurm", "h100:64", "--num-gpus=8", "--num-gpus=4", "--num-gpus 4 is at odds with --gpus-per-node=8"),
    ("slurm", "h100:64", "--ntasks-per-node=1", "--ntasks-per-node=8", "Ray is started once a node"),
    ("slurm", "h100:64", "--storage gs://bucket/study", "", "8 machines need a storage"),
    ("slurm", "h100:64", "--disable-usage-stats", "--dashboard-host 0.0.0.0", "dashboard is open on 0.0.0.0"),
    ("skypilot", "h100:64", "num_nodes", "nodes", "has no key 'nodes'; is it num_nodes"),
    ("skypilot", "h100:64", "accelerators: H100:8", "accelerators: H100:64", "more than one machine has, 8"),
    ("skypilot", "h100:64", "accelerators: H100:8", "accelerators: H101:8", "unknown slice 'H101:8'"),
    ("skypilot", "h100:64", "--storage gs://bucket/study", "--storage results/x", "8 machines need a storage"),
    ("skypilot", "h100:64", "disk_size: 256", "ports: 8265", "8265, the dashboard's, is opened"),
    ("skypilot", "v6e-8", "tpu-v6e-8", "tpu-v6e-9", "no slice of 9 chips"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "old", "new", "says"), SPOILT)
def test_a_spoilt_file_is_refused_with_its_line(
    kind: LaunchKind, name: str, old: str, new: str, says: str | None
) -> None:
    good = made(kind, name)
    assert old in good
    bad = good.replace(old, new, 1)
    line = good[: good.index(old)].count("\n") + 1
    _, found = mistakes(bad)
    assert found
    if says is not None:
        assert says in str(found[0])
        assert found[0].line == line


def test_the_line_of_what_is_missing_is_that_of_what_it_is_missing_from() -> None:
    good = made("raycluster", "v4-16")
    bad = good.replace("  authOptions:\n    mode: token  # KubeRay makes one, in the Secret named as the cluster\n", "")
    assert bad != good
    _, (found,) = mistakes(bad)
    assert bad.splitlines()[found.line - 1] == "spec:"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: [\n", 3, "not YAML"),
        ("cluster_name: a\nprovider: {}\ncluster_name: b\n", 3, "'cluster_name' is given twice, first in line 1"),
        ("a: 1\n---\nb: 2\n", 3, "one document is expected, there are 2"),
        ("a: \x00\n", 1, "not YAML"),
        ("- 1\n", 1, "this is no file of"),
        ("", 1, "one document is expected, there are 0"),
        ("a: &a [1, *a]\n", 1, "*a holds itself"),
        ("x: 1\na: &a\n  b: {c: *a}\n", 3, "*a holds itself"),
        ("a: &a 1\n<<: *a\n", 1, "not YAML"),
        ("a: *b\n", 1, "not YAML: found undefined alias"),
        ("[" * 5000, 1, "more than 60 levels"),
        ("- " * 5000, 1, "more than 60 levels"),
        ("a: " + "{b: " * 100 + "1" + "}" * 100, 1, "more than 60 levels"),
        ("a: 1\nb: [" + "1," * 30_000 + "]", 2, "more than 20,000 parts"),
        ("a: 1\nb: 2026-13-45\n", 2, "not YAML: ValueError: month must be in 1..12"),
        ("a: 1\nb: !!bool maybe\n", 2, "not YAML"),
        ("a: 1\nb: !!timestamp maybe\n", 2, "not YAML"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "not YAML"),
        ("a: " + "9" * 5000, 1, "not YAML"),
        ("a: 1\n8265: x\n", 2, "the key 8265 is no text: put it in quotes"),
        ("a: 1\n? [1, 2]\n: x\n", 2, "the key of several parts is no text"),
        ("a: 1\nno: x\n", 2, "the key no is no text"),
    ],
)
def test_what_is_no_launch_file(
    text: str, line: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert main(Check((file,))) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{file}:{line}: ")
    assert says in told


def bomb(levels: int, merged: bool) -> str:
    """Nine aliases of what is above, on each level: 9 to the power of `levels` parts when they are written out."""
    lines = ["a0: &a0 {x: 1}" if merged else "a0: &a0 [x, x, x]"]
    for level in range(1, levels):
        nine = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{nine}], y{level}: 1}}" if merged else f"[{nine}]"))
    return "\n".join(lines)


@pytest.mark.parametrize("merged", [False, True])
def test_aliases_do_not_grow(merged: bool) -> None:
    with pytest.raises(LineError, match="more than 20,000 parts, aliases written out") as raised:
        load_yaml(bomb(40, merged))
    assert raised.value.line < 10
    assert load_yaml(bomb(3, merged)).value["a2"]


VALUES = st.recursive(
    st.integers() | st.text("abc", min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_every_key_has_the_line_that_it_stands_in(value: object) -> None:
    text = yaml.safe_dump(value, default_flow_style=False)
    document, lines = load_yaml(text), text.splitlines()
    assert document.value == value
    for path, line in document.lines.items():
        if path and isinstance(path[-1], str):
            assert f"{path[-1]}:" in lines[line - 1] or f"'{path[-1]}':" in lines[line - 1]


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the parts of a YAML value lie, the whole left out."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from paths(part, (*path, key))


PUT = [None, 0, -1, 3, 1.5, "", "x", "8", [], {}, [1], ["x"], {"a": 1}, {"google.com/tpu": None}, True, 10**30]


@settings(max_examples=60)
@given(st.sampled_from([text for name, text in samples.sample_files().items() if name.endswith("yaml")]), st.data())
def test_whatever_stands_in_a_file_it_is_judged(text: str, data: st.DataObject) -> None:
    """A value of another type, or one that is missing, is a mistake or none, and never a crash of the check."""
    document = yaml.safe_load(text)
    *above, last = data.draw(st.sampled_from(list(paths(document))))
    part = document
    for key in above:
        part = part[key]
    value = data.draw(st.sampled_from(["missing", *PUT]))
    if value == "missing":
        del part[last]
    else:
        part[last] = value
    spoilt = yaml.safe_dump(document)
    try:
        _, found = mistakes(spoilt)
    except LineError as mistake:
        found = [mistake]
    assert all(1 <= mistake.line <= len(spoilt.splitlines()) and str(mistake) for mistake in found)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "job.yaml"
    assert main(Launch("rayjob", slice="v4-16", storage="gs://b/s", out=file)) == 0
    assert main(Launch("rayjob", hardware="tpu-v4", nodes=2, storage="gs://b/s")) == 0
    assert capsys.readouterr().out == file.read_text()
    assert main(Check((file,))) == 0
    assert "KubeRay RayJob, no mistakes found" in capsys.readouterr().out
    assert main(Slices(("v4-16", "h100:8"))) == 0
    assert "topology='2x2x2', accelerator_type='TPU-V4'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Launch("raycluster", slice="h100:8"), "2 machines need a storage that all of them see"),
        (Launch("slurm", slice="h100:16", storage="results"), "2 machines need .* not results"),
        (Launch("slurm", slice="h100:16", storage="file:///results"), "2 machines need"),
        (Launch("slurm", slice="v4-8"), "slurm has no TPUs"),
        (Launch("slurm", slice="h100:8", image="x"), "leave --image out"),
        (Launch("slurm", slice="h100:8", hours=0), "--hours must be positive"),
        (Launch("slurm", slice="h100:8", workers=0), "--workers must be positive"),
        (Launch("slurm", slice="h100:8", name="My job"), "--name 'My job'"),
        (Launch("slurm", slice="h100:8", study="a\nb"), "--study .* is not one line"),
        (Launch("skypilot", slice="h100:8", image="x y"), "--image 'x y' has a character"),
        (
            Launch("rayjob", slice="h100:8", image="@x", storage="s3://b"),
            "--image '@x' must begin with a letter or dig",
        ),
        (Launch("rayjob", slice="h100:8", image="", storage="s3://b"), "--image '' has a character"),
        (Launch("rayjob", slice="h100:8", image="\U0001f600", storage="s3://b"), "--image '.' has a character"),
        (Launch("rayjob", slice="h100:8", storage="s3://"), "'s3://' names no bucket"),
        (Launch("rayjob", slice="h100:8", storage="s3://b", study=" "), "--study must not be empty, got ' '"),
        (Launch("ray-up-gcp", slice="h100:8", storage="s3://b", zone="a"), "--zone 'a' is none of ray-up-gcp"),
        (Launch("ray-up-aws", slice="h100:8", storage="s3://b", zone="us-east-1"), "--zone 'us-east-1' is none of"),
        (Launch("slurm", slice="h100:8", hours=10**9), "--hours must be at most a year's 8,760, got 1000000000"),
        (Launch("ray-up-aws", slice="h100:2", storage="s3://b/s"), "the machines have 8 h100, not 2"),
        (Launch("ray-up-aws", slice="mi300x:8", storage="s3://b/s"), "on no AWS machine"),
        (Launch("skypilot", slice="v7x-8"), "no software version is known"),
        (Launch("slurm", slice="h100:8", out=Path("/nowhere/file")), "--out /nowhere/file: No such file"),
        (Launch("slurm"), "give either --slice"),
        (Check((Path("/nowhere/file"),)), "/nowhere/file: No such file"),
        (Check(()), "give the files"),
        (Slices(()), "give the names"),
    ],
)
def test_mistakes_are_named(options: Command, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        main(options)


PRINTABLE = st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip() and not text.startswith("-"))
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@=+-]{0,8}", fullmatch=True) | st.sampled_from(
    ["null", "true", "no", "on", "1", "1e3", "0x1f", "12:30:45", "2026-01-01", "1.5", "a:", "a=", "x/y:tag@sha256:1"]
)
NAMES = st.sampled_from(["null", "true", "no", "y", "on", "nan", "a", "e1"])


@settings(max_examples=80)
@given(st.sampled_from(["rayjob", "raycluster", "skypilot", "ray-up-gcp", "ray-up-aws"]), st.data())
def test_what_was_asked_for_reads_back_from_the_file(kind: LaunchKind, data: st.DataObject) -> None:
    """Emoji, quotes, signs that mean something in YAML, words that are numbers or truth values there."""
    study = data.draw(PRINTABLE | st.sampled_from(["@x", "a'b\"c.py", "# no", "{a: b}", "\U0001f600.py", "%x", "- a"]))
    path = "/" + data.draw(PRINTABLE | st.sampled_from(["\U0001f600 'x'", "a: b", "x #y", '"', "\\"]))
    image, claim, name = data.draw(WORDS), data.draw(WORDS), data.draw(NAMES)
    request = LaunchRequest(
        kind, slice_named("h100:8"), name, study, path, image=image, claim=claim, project=data.draw(WORDS)
    )
    text = launch_file(request)
    document, command = load_yaml(text), ["scaling/run_study.py", study, "--storage", path]
    assert shlex.split(request.command)[:4] == command
    match kind:
        case "rayjob":
            assert shlex.split(document.get("spec", "entrypoint"))[2:5] == command[1:]
            root: tuple[str, ...] = ("spec", "rayClusterSpec")
        case "raycluster":
            root = ("spec",)
        case "skypilot":
            assert f".venv/bin/python {request.command}\n" in document.value["run"]
            assert (document.value["name"], document.get("resources", "image_id")) == (name, f"docker:{image}")
            return
        case _:
            assert f"#     python {request.command}\n" in text
            assert (document.value["cluster_name"], document.get("docker", "image")) == (name, image)
            if kind == "ray-up-gcp":
                assert document.get("provider", "project_id") == request.project
            return
    pod = document.get(*root, "workerGroupSpecs", 0, "template", "spec")
    (container,) = pod["containers"]
    assert document.get("metadata", "name") == name
    assert container["image"] == image
    assert container["volumeMounts"][1]["mountPath"] == path
    assert pod["volumes"][1]["persistentVolumeClaim"]["claimName"] == claim


def test_a_fifo_is_neither_read_nor_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="fifo is a FIFO, where a file is needed"):
        main(Check((tmp_path / "fifo",)))
    with pytest.raises(ValueError, match=r"--out .*fifo: No such device or address"):
        main(Launch("slurm", slice="h100:8", out=tmp_path / "fifo"))
    with (tmp_path / "sparse.yaml").open("wb") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(ValueError, match="has 42,949,672,960 bytes"):
        main(Check((tmp_path / "sparse.yaml",)))


def test_one_machine_needs_no_storage() -> None:
    assert mistakes(launch_file(LaunchRequest("slurm", slice_named("h100:8"))))[1] == []


def test_an_error_of_a_line_says_which() -> None:
    assert LineError(3, "what").line == 3
