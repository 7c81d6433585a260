"""`python -m analysis fit` and `next` on files and storages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis.__main__ import main
from analysis.laws.lacking import lacking_sentence
from analysis.laws.values import TooFew
from scaling.store.storage import Storage
from tests.analysis.test_cli import python
from tests.helpers import laws_rows as made

QUICK = ["--bootstrap", "40", "--objective", "squared"]


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two families with a power law each, 12 computes, 3 seeds; a column of text, and one with gaps."""
    frames = []
    for seed, family in enumerate(("vit", "resnet")):
        inputs, y = made.rows(made.DESIGNS["power"], seed)
        frames.append(pl.DataFrame({"flops": inputs["compute"], "err": y, "kind": family}))
    path = tmp_path_factory.mktemp("laws") / "curve.csv"
    pl.concat(frames).with_row_index("seed").with_columns(acc=1 - pl.col("err")).write_csv(path)
    return str(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The 64 runs of L(N, D), with their FLOPs but without their samples."""
    inputs, y = made.rows(made.DESIGNS["chinchilla"], 0)
    path = tmp_path_factory.mktemp("laws") / "runs.parquet"
    pl.DataFrame(
        {"params": inputs["params"], "train_flops": 6 * inputs["params"] * inputs["samples"], "loss": y}
    ).write_parquet(path)
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_file_is_fitted_by_family(curve: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--compute", "flops", "--error", "err", "--family", "kind", "--predict", "10", "1e6"]
    made_json = answer(capsys, "fit", curve, *options, *QUICK)
    assert [one["group"] for one in made_json["fits"]] == [{"kind": "vit"}, {"kind": "resnet"}]
    first = made_json["fits"][0]
    assert (first["rows"], first["configurations"], first["enough"]) == (36, 12, True)
    assert first["constants"]["b"]["value"] == pytest.approx(0.35, abs=0.05)
    assert [p["kind"] for p in first["predictions"]] == ["interpolation", "extrapolation"]
    assert first["predictions"][1]["factor"] == pytest.approx(100)
    assert first["held_out"]["rungs"] == 2


def test_accuracy_is_fitted_as_error(curve: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = answer(capsys, "fit", curve, "--compute", "flops", "--error", "err", *QUICK)["fits"][0]
    two = answer(capsys, "fit", curve, "--compute", "flops", "--accuracy", "acc", *QUICK)["fits"][0]
    assert two["target"] == "error"
    assert two["constants"]["b"]["value"] == pytest.approx(one["constants"]["b"]["value"], rel=1e-6)


def test_configurations_and_conditions(curve: str, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["fit", curve, "--compute", "flops", "--error", "err", *QUICK]
    apart = answer(capsys, *base, "--configuration", "seed", "--drop-largest-loss", "4")["fits"][0]
    assert (apart["rows"], apart["configurations"]) == (68, 68)
    part = answer(capsys, *base, "--where", "kind = 'vit'", "--where", "flops > 5")["fits"][0]
    assert part["configurations"] == 10
    expression = answer(capsys, *base, "--weights", "1 + 0 * flops", "--fix", "E=0.15")["fits"][0]
    assert expression["constants"]["E"] == {
        "value": 0.15,
        "interval": [0.15, 0.15],
        "bootstrap": [0.15, 0.15],
        "profile": [0.15, 0.15],
        "fixed": True,
    }


@pytest.mark.parametrize("form", ["power", "shifted", "broken", "chinchilla"])
def test_every_form_prints_one_json_value(form: str, curve: str, runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    of_runs = [runs, "--compute", "train_flops"]
    where = of_runs if form == "chinchilla" else [curve, "--compute", "flops", "--error", "err"]
    (one,) = answer(capsys, "fit", *where, "--form", form, *QUICK)["fits"]
    assert one["enough"]
    assert one["lack_of_fit"].keys() == {"test", "p_value", "found"}


def test_two_steps_on_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, losses, tops = made.two_step_rows(0)
    path = tmp_path / "two.parquet"
    pl.DataFrame({"compute": inputs["compute"], "loss": losses, "accuracy": tops}).write_parquet(path)
    (one,) = answer(capsys, "fit", str(path), "--form", "two-step", "--predict", "100", *QUICK)["fits"]
    assert one["constants"].keys() == {"E", "a", "b", "floor", "ceiling", "k", "L0"}
    assert 0 < one["predictions"][0]["value"] < 1
    assert main(["fit", str(path), "--form", "two-step", "--predict", "100", *QUICK]) == 0
    shown = capsys.readouterr().out
    assert "accuracy = floor" in shown
    assert "interpolation" in shown


def test_a_tiny_study_has_too_few_points(study: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    """Three sizes a family: no numbers, and the reason."""
    fits = answer(capsys, "fit", study.uri)["fits"]
    assert {one["group"]["family"] for one in fits} == {"vit", "resnet", "hybrid"}
    assert all(not one["enough"] and (one["needs"], one["has"]) == (5, 3) for one in fits)
    assert all("constants" not in one for one in fits)
    assert main(["fit", study.uri]) == 0
    assert capsys.readouterr().out == (
        "No law for any of 9 groups: too few points: needs at least 5 distinct configurations, has 3.\n"
    )


def test_a_storage_with_more_sizes_is_fitted(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.helpers import finished_study

    for size in range(7):
        name, family = f"ViT-{size}", "vit"
        finished_study.NAMES.setdefault(family, ())
        about = {"run_id": f"run-{size}", "name": name, "family": family}
        upstream(storage, about, 10.0 ** (13 + size / 2), size)
        finished_study.transfer(storage, about | {"pretrained": True}, "digits", 0.9 - 0.4 * 2.0**-size)
    fits = answer(capsys, "fit", storage.uri, "--bootstrap", "20")["fits"]
    (one,) = [one for one in fits if one["group"]["task"] == "digits"]
    assert one["configurations"] == 7
    assert one["ranges"]["compute"] == pytest.approx([1e-5, 1e-2])
    assert main(["next", storage.uri, "--form", "power", "--budget", "0.1", "--bootstrap", "20"]) == 0
    assert "Candidates" in capsys.readouterr().out


def upstream(storage: Storage, about: dict[str, Any], flops: float, size: int) -> None:
    from scaling.store.results import write_rows
    from tests.helpers.finished_study import row

    values = {"parameters": 10**size, "epochs": 10.0, "train_flops": flops, "train_flops_valid": flops}
    write_rows(storage, "pretrain", [row("pretrain", **about, spec=json.dumps({"size": size, "seed": 0}), **values)])


# --- next ----------------------------------------------------------------------------------------------------------


def test_next_names_the_best_run_and_ranks_candidates(
    runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = tmp_path / "choices.csv"
    choices.write_text("name,params,samples,price\nsmall,1e8,1e10,5\nlarge,2e10,5e11,900\n")
    base = ["next", runs, "--compute", "train_flops", "--budget", "60000", *QUICK]
    (one,) = answer(capsys, *base, "--candidates", str(choices), "--cost", "price")["laws"]
    assert one["optimum"]["flops_per"] == 6
    product = one["optimum"]["params"]["value"] * one["optimum"]["samples"]["value"]
    assert 6 * product == pytest.approx(6e22)
    assert [row["name"] for row in one["candidates"]] == ["large", "small"]
    assert one["candidates"][0]["cost"] == 900
    assert one["prediction"]["kind"] == "extrapolation"
    assert main(base) == 0
    shown = capsys.readouterr().out
    assert "Best for 60,000 exaFLOPs" in shown
    assert "would narrow this prediction most" in shown


def test_next_without_a_law_says_what_else_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "published/table6", "--budget", "5000"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert shown.startswith("No law for any of 21 groups: too few points: ")
    assert "; --form power has fewer constants" in shown


# --- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fit", "nowhere.csv"], "does not exist"),
        (["fit", "nowhere"], "does not exist"),
        (["fit", "{curve}"], "--loss, --error or --accuracy COL"),
        (["fit", "{curve}", "--error", "err"], "the power law needs compute; missing: compute"),
        (["fit", "{curve}", "--error", "er", "--compute", "flops"], "'er' is no column"),
        (["fit", "{curve}", "--error", "kind", "--compute", "flops"], "'kind' holds no numbers"),
        (
            ["fit", "{curve}", "--error", "err", "--compute", "flops", "--where", "flops >"],
            "no column and no expression",
        ),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--where", "flops > 1e9"], "no rows are left"),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--family", "tribe"], "no column 'tribe'"),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--predict", "x"], "--predict wants numbers"),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--predict", "1,2"], "1 numbers, got 2"),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--fix", "E"], "--fix wants NAME=VALUE"),
        (["fit", "{curve}", "--error", "err", "--compute", "flops", "--delta", "0"], "delta must be positive"),
        (
            ["fit", "{curve}", "--error", "err", "--compute", "flops", "--drop-largest-loss", "-1"],
            "must not be negative",
        ),
        (["fit", "{curve}", "--form", "two-step", "--compute", "flops"], "'loss' is no column"),
        (["next", "{runs}", "--compute", "train_flops", "--budget", "-1"], "--budget must be positive"),
        (["next", "{runs}", "--budget", "1"], "missing: samples"),
        (["next", "{runs}", "--compute", "train_flops", "--budget", "9", "--candidates", "no.csv"], "does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, curve: str, runs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [part.replace("{curve}", curve).replace("{runs}", runs) for part in arguments]
    assert main([*filled, *QUICK]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert says in printed.err


def test_an_empty_file_and_one_that_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.csv").write_text("compute,loss\n")
    (tmp_path / "torn.parquet").write_bytes(b"torn")
    for name, says in (("empty.csv", "holds no rows"), ("torn.parquet", "cannot be read")):
        assert main(["fit", str(tmp_path / name)]) == 2
        printed = capsys.readouterr().err
        assert says in printed
        assert printed.count("\n") == 1


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    """NaN, inf, nothing, zero and negative compute; JSON stays JSON."""
    compute = [*np.geomspace(1, 1e3, 8), 0.0, -1.0, np.nan, np.inf, 5.0]
    frame = pl.DataFrame({"compute": compute, "loss": [*(1 + np.geomspace(1, 1e3, 8) ** -0.5), 1, 1, 1, 1, None]})
    frame.write_parquet(tmp_path / "odd.parquet")
    done = python("-m", "analysis", "fit", str(tmp_path / "odd.parquet"), "--json", "--bootstrap", "10")
    assert (done.returncode, done.stderr) == (0, "")
    (one,) = json.loads(done.stdout)["fits"]
    assert one["configurations"] == 8
    assert sum(int(note.split()[0]) for note in one["notes"] if "left out" in note) == 5
    assert "NaN" not in done.stdout


def test_groups_without_a_law_are_one_sentence(study: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", study.uri, "--budget", "1e-3"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith("No law for any of 9 groups: too few points: needs at least 7 distinct configurations, has ")
    assert "--form power has fewer constants" in said


@pytest.mark.parametrize("form", ["chinchilla", "power"])
def test_many_laws_are_a_line_each_without_warnings_or_errors_above_all(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the published rows: warnings are errors here, and an error of 1170 is none."""
    assert main(["next", "published/table6", "--form", form, "--budget", "1e-5", "--bootstrap", "5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) < 40
    assert sum("No law" in line for line in said) <= 1
    there = [line.split("│")[3] for line in said if line.startswith("│")]
    assert len(there) == (21 if form == "power" else 0)
    assert not any("e+" in cell for cell in there)
    assert any("above 1" in cell for cell in there) is (form == "power")


@pytest.mark.parametrize(
    ("groups", "total", "said"),
    [
        ([], 3, ""),
        ([("", "")], 1, "No law: "),
        ([("ViT", TooFew("power", 5, 3, "configurations"))], 2, "No law for ViT: too few points: needs at least 5 "),
        ([(str(i), TooFew("power", 5, i, "configurations")) for i in range(5)], 9, "No law for 5 of 9 groups: "),
    ],
)
def test_the_sentence_on_what_has_no_law(groups: list[tuple[str, Any]], total: int, said: str) -> None:
    text = lacking_sentence(groups, total)
    assert text.startswith(said)
    assert bool(text) is bool(groups)
    if len(groups) == 5:
        assert text.endswith("distinct configurations, has 0 to 4.")
