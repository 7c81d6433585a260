"""Figure 12 from rows of table measure, and plans by them."""

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from analysis.__main__ import main
from analysis.accounting import measured as costs
from analysis.accounting import measured_rates, plan_study, render_plan
from analysis.figures import style
from analysis.figures.costs import costs_chart
from analysis.figures.end_labels import end_labels
from clusters.hardware.catalogue import SECONDS_PER_DAY, chip_named
from scaling.data.resolve import resolve_study
from scaling.flops.counts import train_flops
from scaling.specs.architectures import ViT
from scaling.specs.models import without_representation
from scaling.specs.zoo import zoo_model
from scaling.store import frames, results
from scaling.store.storage import Storage
from search_spaces.catalog import load_study
from tests.helpers.measured import measured

H100 = chip_named("h100")


def keep(storage: Storage, *rows: dict[str, Any]) -> pl.DataFrame:
    for row in rows:
        results.write_rows(storage, "measure", [row])
    return frames.read_table(storage, "measure")


def test_the_newest_row_counts_and_speeds_are_of_a_core(storage: Storage) -> None:
    keep(
        storage,
        measured("ViT-B/16", 224, day=2, images_per_second=80.0, cores=2, train_images_per_second=30.0),
        measured("ViT-B/16", 224, day=1),
        measured("ViT-B/16", 224, day=1, precision="fp32"),
        measured("ViT-B/16", 384, largest_batch=None, largest_batch_by=None),
    )
    rows = costs.newest_measurements(storage)
    found = rows.select("precision", "resolution", "per_core", "trained_per_core").rows()
    assert found == [("bf16", 224, 40.0, 15.0), ("bf16", 384, 100.0, 40.0), ("fp32", 224, 100.0, 40.0)]


def test_figure_12_has_a_panel_of_speed_and_one_of_memory_for_each_device(storage: Storage) -> None:
    sizes = (64, 224, 512)
    keep(
        storage,
        *(measured(name, size, images_per_second=1e5 / size) for name in ("ViT-B/16", "R50x1") for size in sizes),
        measured("ViT-B/16", 224, device="cpu", precision="fp32", largest_batch=None),
    )
    spec = costs_chart(costs.newest_measurements(storage)).to_dict()
    titles = [(panel["title"]["text"], panel["title"]["subtitle"]) for panel in spec["concat"]]
    assert titles == [  # nothing is known of the CPU's memory
        ("Inference at the best batch", "NVIDIA H100 80GB HBM3 in bf16"),
        ("Largest batch of inference", "NVIDIA H100 80GB HBM3 in bf16"),
        ("Inference at the best batch", "cpu in fp32"),
    ]
    assert "'~g' : '~s'" in json.dumps(spec)  # 0.3 images per second, not 300m
    where = "Measured on NVIDIA H100 80GB HBM3 in bf16, with 64 GiB, cpu in fp32, with 64 GiB."
    assert spec["title"]["subtitle"] == where
    text = json.dumps(spec)
    assert "R50x1 at 512 pixels: 195.3 images per second per core" in text
    assert "ViT-B/16 at 64 pixels: 64 images" in text


def test_a_line_that_ends_early_is_led_to_its_name() -> None:
    last = pl.DataFrame({"name": ["a", "b"], "family": "vit", "size": [64, 512], "speed": [30.0, 9.0]})
    names = end_labels(last, "size", "speed", [1.0, 100.0], log=True).to_dict()
    (leaders,) = (layer for layer in names["layer"] if layer.get("mark", {}).get("type") == "rule")
    (leader,) = json.loads(names["datasets"][leaders["data"]["name"]])
    assert (leader["from_x"], leader["from_y"], leader["x"], leader["text"]) == (64, 30.0, 512, "a")
    assert leader["y"] == pytest.approx(30.0)  # there is room beside it: the name has not moved


def test_the_command_writes_the_figure_and_prints_the_table(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(storage, measured("ViT-B/16", 224), measured("R50x1", 224))
    assert main(["costs", storage.uri]) == 0
    told = capsys.readouterr().out
    assert "R50x1" in told
    for suffix in ("png", "svg"):
        assert storage.exists(f"figures/costs.{suffix}")
        assert storage.path(f"figures/costs.{suffix}") in told
    assert main(["costs", storage.uri, "--json"]) == 0
    first, _ = json.loads(capsys.readouterr().out)
    assert (first["model"], first["pixels"], first["largest_batch"]) == ("R50x1", 224, 64)


def test_without_rows_it_is_said_how_to_get_them(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["costs", storage.uri]) == 2
    assert "python -m scaling.measure" in capsys.readouterr().err
    with pytest.raises(style.NothingToDrawError, match="no measured costs to draw"):
        costs_chart(pl.DataFrame())


def test_a_plan_goes_by_what_was_measured(storage: Storage) -> None:
    """Core-days are images by measured images/s; the head does not matter, nor what another chip or size took."""
    study = resolve_study(load_study("vit_paper"))
    plain = without_representation(zoo_model("ViT-B/16"))
    rows = keep(
        storage,
        measured("ViT-B/16", 224, day=2, spec=plain, train_images_per_second=500.0),
        measured("ViT-B/16", 224, day=1, train_images_per_second=1.0),
        measured("ViT-B/32", 384),
        measured("ViT-L/16", 224, device="cpu"),
    )
    rates = measured_rates(rows, H100)
    assert len(rates) == 2
    assert sorted(len(each) for each in rates.values()) == [1, 2]
    costs_ = plan_study(study, H100, measured=rates)
    by_name = {run.name: run for run in costs_.runs}
    assert [run.name for run in costs_.runs if run.measured] == ["ViT-B/16"]
    run = by_name["ViT-B/16"]
    # but for the head of 21,000 classes more, the measured seconds of all images
    flops = [train_flops(plain, 224, 1000, run.images, valid=True) / 1e18, run.exaflops_valid]
    assert run.core_days == pytest.approx(run.images / 500 / SECONDS_PER_DAY * flops[1] / flops[0])
    assert (run.core_days_low, run.core_days_high) == pytest.approx((run.core_days, run.core_days * 500), rel=1e-3)
    assert by_name["ViT-B/32"] == {each.name: each for each in plan_study(study, H100).runs}["ViT-B/32"]
    note = "the measured step times of 1 of 18 runs, else 35% of peak"
    assert note in costs_.rate_note
    assert note in "\n".join(str(part) for part in render_plan(costs_))
    assert measured_rates(rows, chip_named("tpu-v3")) == {}
    # a given utilisation goes first
    assert not any(run.measured for run in plan_study(study, H100, utilisation=0.5, measured=rates).runs)


def test_fine_tunings_go_by_it_too(storage: Storage) -> None:
    study = resolve_study(load_study("quickstart"))
    cpu = chip_named("cpu")
    rows = keep(
        storage,
        *(
            measured(run.name, size, device="cpu", spec=run.model, train_images_per_second=0.01)
            for run in study.runs
            for size in (8, 16)
        ),
    )
    rates = measured_rates(rows, cpu)
    assert plan_study(study, cpu, measured=rates).transfer.core_days > 100 * plan_study(study, cpu).transfer.core_days


def test_another_form_of_a_model_has_its_own_rate(storage: Storage) -> None:
    usual = zoo_model("ViT-B/16")
    assert isinstance(usual, ViT)
    changed = replace(usual, pool="gap")
    rates = measured_rates(keep(storage, measured("ViT-B/16", 224, spec=changed)), H100)
    assert not any(
        run.measured for run in plan_study(resolve_study(load_study("vit_paper")), H100, measured=rates).runs
    )
