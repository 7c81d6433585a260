import math
import re
from pathlib import Path

import polars as pl
import pytest

from analysis import tables
from analysis.report import html, read_view, report
from analysis.report.build import page_sections
from analysis.report.charts import CAPTIONS
from analysis.rows import load_rows, thinning
from scaling.store.provenance import record_command
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

EVIL = "<script>alert('x')</script>"


def page(storage: Storage) -> str:
    return storage.read("report.html").decode()


def test_the_report_is_one_page_that_needs_no_network(study: Storage, tmp_path: Path) -> None:
    out = Storage.of(tmp_path)
    files = report(study, out)
    assert files[-1] == "report.html"
    assert {name for name in files if name.endswith(".png")} == {
        f"figures/{name}.png" for name in ("frontier", "pretraining", "fewshot", "curves", "core_days", "sweeps")
    }
    for name in files:
        assert out.read(name)[:4] in (b"\x89PNG", b"<svg", b"<!do")
    text = page(out)
    assert len(text) < 3_000_000
    assert '<html lang="en">' in text
    assert "<title>made-study</title>" in text
    assert not re.search(r'(src|href)="(?!#|data:)', text.replace("xlink:href", "href"))
    assert "<script" not in text
    assert text.count("<figure") == text.count("<figcaption>") == text.count('role="img"') == 6
    assert text.count("<table>") == len(re.findall(r'<div class="scroll"[^>]*><table>', text)) > 5
    assert ".scroll { overflow-x: auto" in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    anchors = set(re.findall(r'href="#([^"]+)"', text))
    assert anchors <= set(ids)
    assert {"summary", "frontier", "laws", "sweeps", "cost", "failures", "reproduce"} <= anchors
    assert "<title>ViT-S/4: 80" in text  # the tooltip of a point
    for part in (
        "R14+ViT-S is best",
        "rises at every step of compute",
        "from scratch",
        "points",
        "core-minutes",
        "How to go on",
        "No law for Hybrid, ResNet and ViT: too few points",
        "killed or not ended yet",
        "done by another attempt",
        "loss is nan at step 7",
        "Chosen learning rates",
    ):
        assert part in text
    assert {"report.html", "figures"}.isdisjoint(study.list(""))


def test_names_from_rows_are_harmless(storage: Storage) -> None:
    about = {"run_id": "r", "name": EVIL, "family": "<b>&"}
    write_rows(
        storage, "pretrain", [made.row("pretrain", **about, epochs=1.0, train_flops=1e12, train_flops_valid=1e12)]
    )
    made.transfer(storage, about | {"pretrained": True}, "digits", 0.7)
    made.fewshot(storage, about, 0.6)
    made.attempt(storage, "a", "pretrain", name=EVIL, family="<b>&", device="<i>", study=EVIL)
    report(storage)
    text = page(storage)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<b>&" not in text
    assert "<i>" not in text


def test_the_page_tells_how_to_do_it_again(study: Storage, tmp_path: Path) -> None:
    place = Storage.of(tmp_path)
    for table in ("pretrain", "transfer"):
        for name in study.list(table):
            place.write(f"{table}/{name}", study.read(f"{table}/{name}"))
    report(place)
    assert "The command was not written down" in page(place)
    record_command(
        place, ["python", "scaling/run_study.py", "quickstart", "--optuna-storage", "postgresql://me:word@host/db"]
    )
    report(place)
    assert "python scaling/run_study.py quickstart --optuna-storage postgresql://...@host/db" in page(place)
    assert "me:word" not in page(place)
    assert f'<th scope="row">polars</th><td class="text">{pl.__version__}</td>' in page(place)
    assert "Final fine-tunings: seeds 0, 1, 2." in page(place)


def odd(storage: Storage, compute: float | None, top1: float, count: int = 1) -> str:
    """The page of a study of one family, of `count` models alike."""
    for number in range(count):
        about = {"run_id": f"r{number}", "name": f"m{number}", "family": "vit"}
        costs = {"epochs": 1.0, "train_flops": compute, "train_flops_valid": compute}
        write_rows(storage, "pretrain", [made.row("pretrain", **about, **costs)])
        final = made.row("transfer", **about, pretrained=True, task="t", task_id="t", **made.setting(0.1), seed=0)
        write_rows(storage, "transfer", [final | {"transfer_id": f"f{number}", "test_top1": top1}])
    report(storage)
    return page(storage)


def test_a_single_point(storage: Storage) -> None:
    text = odd(storage, 1e12, 0.5)
    assert "ViT: one model only, so nothing can be said of more compute." in text
    assert 'id="figure-frontier"' in text
    assert "Scaling laws" not in text


def test_equal_points(storage: Storage) -> None:
    text = odd(storage, 1e12, 0.5, count=7)
    assert "No law for ViT: too few points" in text
    assert "all models took the same compute" in text


@pytest.mark.parametrize("compute", [0.0, None, math.nan])
def test_compute_that_is_none_draws_no_frontier(storage: Storage, compute: float | None) -> None:
    text = odd(storage, compute, 0.5, count=2)
    assert "<h1>" in text
    assert 'id="figure-frontier"' not in text


@pytest.mark.parametrize("top1", [math.nan, 0.0, 1.0])
def test_accuracies_at_the_ends_and_none_at_all(storage: Storage, top1: float) -> None:
    text = odd(storage, 1e12, top1, count=6)
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S)
    assert "6 models were pre-trained" in text


def test_no_rows_at_all_is_one_line(storage: Storage) -> None:
    storage.make()
    with pytest.raises(ValueError, match="holds no rows"):
        report(storage)
    assert storage.list("figures") == []


def test_pictures_of_inspections_have_their_section(study: Storage) -> None:
    seen, none = read_view(study), dict.fromkeys(CAPTIONS, "")
    ids = [section.id for section in page_sections(seen, none) if section.body]
    assert "inspection" not in ids
    more = [
        section for section in page_sections(seen, none | {"inspection_rollout": "<figure></figure>"}) if section.body
    ]
    assert {"inspection", *ids} == {section.id for section in more}


def test_a_wide_figure_keeps_its_text_readable_in_a_narrow_column() -> None:
    drawn = html.figure("f", '<svg class="marks" width="800" height="20"></svg>', "Wide.")
    assert '<svg style="min-width: 560px" role="img"' in drawn


def test_long_tables_are_folded_and_cut() -> None:
    frame = pl.DataFrame({"a": [str(i) for i in range(1000)]})
    assert "<details" not in html.table(frame.head(5), "Five")
    assert "Thirty (30 rows)</summary>" in html.table(frame.head(30), "Thirty")
    cut = html.table(frame, "Many")
    assert cut.count("<tr>") == 1 + thinning.TABLE_ROWS
    assert "the first 200 of 1,000 rows" in cut
    assert html.table(frame.clear(), "None") == ""


@pytest.mark.parametrize("table", ["attempt", "pretrain", "curve", "transfer", "fewshot", "trial"])
def test_any_single_table_is_enough_for_a_report(study: Storage, storage: Storage, table: str) -> None:
    for name in study.list(table)[:1]:
        storage.write(f"{table}/{name}", study.read(f"{table}/{name}"))
    storage.write("study.json", b"{ torn")
    assert report(storage)[-1] == "report.html"
    assert "How to go on" in page(storage)


def test_the_results_table(study: Storage) -> None:
    table = tables.results_table(load_rows(study))
    assert table.columns == [
        *("model", "family", "pre-training (teraFLOPs)", "parameters"),
        *("digits (%)", "fashion (%)", "mean (%)", "digits 5-shot (%)"),
    ]
    assert table.height == 10
    row = table.row(by_predicate=pl.col("model") == "ViT-S/4", named=True)
    assert (row["family"], row["pre-training (teraFLOPs)"], row["parameters"]) == ("ViT", "1,600", "1.6 M")
    assert re.fullmatch(r"8\d\.\d\d ± \d\.\d\d", row["digits (%)"])
    assert "ViT-S/8 from scratch" in table["model"]


def test_the_results_say_what_was_pretrained_on_and_how_well(storage: Storage) -> None:
    about = {"family": "vit", "epochs": 1.0, "train_flops": 1e12, "train_flops_valid": 1e12}
    for name, dataset, top in (("a", "ifs-10", 0.5), ("b", "jft", math.nan), ("c", None, None)):
        write_rows(
            storage, "pretrain", [made.row("pretrain", run_id=name, name=name, dataset=dataset, dev_top1=top, **about)]
        )
    table = tables.results_table(load_rows(storage))
    assert table["pre-trained on"].to_list() == ["ifs-10", "jft", "–"]
    assert table["upstream (%)"].to_list() == ["50.00", "–", "–"]


def test_markdown_cells_stay_in_their_cells() -> None:
    text = tables.to_markdown(pl.DataFrame({"a": ["x|y", "<b>"], "b": ["1", "2"]}))
    assert text.splitlines()[2:] == ["| x\\|y | 1 |", "| &lt;b&gt; | 2 |"]
