"""The sentences of the summary hold for the rows that they are made of."""

from collections.abc import Sequence
from html import unescape
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.accounting import core_time_account
from analysis.compare.spread import WITHIN, compared
from analysis.report import read_view, report, sections, summary_sentences
from analysis.report.view import View
from analysis.rows import accuracies, load_rows
from analysis.tables import account_table
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

Model = tuple[float, Sequence[float]]  # compute in gigaFLOPs (0: from scratch), the test accuracy (%) of each seed


def told(storage: Storage, models: Sequence[Model], tasks: Sequence[str] = ("t",)) -> list[str]:
    """The sentences on a family of such models."""
    for place, (compute, tops) in enumerate(models):
        about = {"run_id": f"r{place}", "name": f"m{place}", "family": "vit"}
        flops = {"train_flops": compute * 1e9, "train_flops_valid": compute * 1e9}
        if compute:
            write_rows(storage, "pretrain", [made.row("pretrain", **about, epochs=1.0, dataset="ifs", **flops)])
        finals = [
            made.row("transfer", **about, pretrained=bool(compute), task=task, task_id=task, **made.setting(0.1))
            | {"seed": seed, "test_top1": top / 100, "transfer_id": f"f{place}-{task}-{seed}"}
            for task in tasks
            for seed, top in enumerate(tops)
        ]
        for final in finals:
            write_rows(storage, "transfer", [final])
    rows = load_rows(storage)
    return summary_sentences(rows, accuracies(rows))


def rise(storage: Storage, *models: Model) -> str:
    return next(text for text in told(storage, models) if text.startswith("ViT: "))


@pytest.mark.parametrize(
    ("tops", "said"),
    [
        (((50, 51), (59.94, 59.96), (59.95, 59.95)), "rises with compute, not at every step (1 of 2 steps is within"),
        (((50, 51), (55, 56), (60, 61)), "rises at every step of compute"),
        (((58, 62), (60, 64)), "is equal at least and most compute within the seeds' spread"),
        (((60, 61), (50, 51)), "falls with compute"),
        (((60.0,), (60.004,)), "is equal at least and most compute"),  # both are printed as 60.00
    ],
)
def test_a_rise_is_one_only_beyond_the_spread_over_seeds(
    storage: Storage, tops: tuple[tuple[float, ...], ...], said: str
) -> None:
    text = rise(storage, *((10.0 * (place + 1), each) for place, each in enumerate(tops)))
    assert said in text


def test_without_seeds_their_spread_is_said_to_be_unknown(storage: Storage) -> None:
    assert rise(storage, (1, [50]), (10, [60])).endswith("t; one seed each, whose spread is not known.")


def test_the_best_are_named_together_when_they_are_equal_and_a_baseline_is_no_model(storage: Storage) -> None:
    said = told(storage, [(1, (60, 62)), (2, (59, 62)), (3, (40, 42)), (0, (80, 82))])
    (best,) = [text for text in said if "best" in text]
    assert best == (
        "On t, these are best of the pre-trained models, equal within the seeds' spread: m0 (61.00 ± 1.41 %), "
        "m1 (60.50 ± 2.12 %); from scratch, m3 reaches 81.00 ± 1.41 %, more than that."
    )


def test_a_baseline_that_is_worse_goes_unsaid_and_one_that_is_level_is_called_so(storage: Storage) -> None:
    worse = told(storage, [(1, (60, 62)), (0, (50, 52))])
    assert not any("from scratch, m1" in text for text in worse)


def test_a_level_baseline_and_a_gain_within_the_spread(storage: Storage) -> None:
    made_about = {"run_id": "s", "name": "m0", "family": "vit", "pretrained": False}
    for seed, top in enumerate((0.60, 0.63)):
        final = made.row("transfer", **made_about, task="t", task_id="t", **made.setting(0.1), seed=seed)
        write_rows(storage, "transfer", [final | {"test_top1": top, "transfer_id": f"s{seed}"}])
    said = told(storage, [(1, (60, 62))])
    assert any(text.endswith(f"from scratch, m0 reaches 61.50 ± 2.12 %, equal to that {WITHIN}.") for text in said)
    gain = f"Pre-training m0 against the same model from scratch: -0.5 points on t ({WITHIN})."
    assert gain in said


def test_many_tasks_have_one_sentence(storage: Storage) -> None:
    said = told(storage, [(1, (60, 62)), (2, (70, 72))], tasks=[f"task-{i}" for i in range(19)])
    assert [text for text in said if "is best" in text] == [
        "On average over the tasks, m1 is best: 71.00 ± 1.41 %.",
    ]


def attempts(storage: Storage, *outcomes: str) -> None:
    for place, outcome in enumerate(outcomes):
        made.attempt(storage, f"a{place}", "pretrain", outcome=outcome)


def text_of(cards: str) -> str:
    return unescape(cards)


def test_attempts_that_did_not_finish_are_counted_alike_everywhere(storage: Storage) -> None:
    attempts(storage, "done", "failed", "interrupted", "running", "running", "diverged")
    counted = "1 diverged, 1 failed, 2 killed or not ended yet, 1 stopped on request"
    view = read_view(storage)
    assert f"not finished: {counted}." in summary_sentences(view.rows, view.scores)[-1]
    assert f"<small>{counted}</small>" in sections.summary_section(view)
    (row,) = core_time_account(view.rows.attempt).to_dicts()
    assert [row[kind] for kind in ("failed", "interrupted", "killed")] == [2, 1, 2]
    (shown,) = account_table(core_time_account(view.rows.attempt, ("kind",))).to_dicts()
    assert [shown[kind] for kind in ("failed", "stopped", "killed")] == ["2", "1", "2"]


def test_the_costliest_model_is_that_of_most_training_without_start_up(storage: Storage) -> None:
    long = {"seconds_evaluating": 0.0, "seconds_waiting": 0.0}
    made.attempt(storage, "a", "pretrain", name="slow-to-start", seconds_total=900.0, seconds_training=10.0, **long)
    made.attempt(storage, "b", "trial", name="trains", seconds_total=50.0, seconds_training=45.0, **long)
    view = read_view(storage)
    last = summary_sentences(view.rows, view.scores)[-1]
    assert last == (
        "The most training time, without start-up, waiting and evaluation, went to trains: "
        "1.5 core-minutes, 82% of all."
    )


def test_time_on_a_gpu_is_no_core_time(storage: Storage) -> None:
    for place, name in enumerate(("a", "b")):
        made.attempt(storage, name, "pretrain", name=name, device="NVIDIA H100 80GB HBM3", seconds_total=7200.0 + place)
    report(storage)
    page = storage.read("report.html").decode()
    assert "GPU-hours" in page
    assert "core-hours" not in page


def about_of(rows: list[dict[str, Any]]) -> str:
    frame = pl.DataFrame(rows, schema={"started": pl.Datetime("us", "UTC"), "device": pl.String})
    empty = pl.DataFrame()
    view = View("n", type("R", (), {"attempt": frame})(), empty, empty, empty, "", [], None, [])
    return sections.about(view)


def test_when_the_work_was_done_is_said_only_where_it_is_known() -> None:
    assert about_of([{"started": None, "device": "tpu-v3"}]) == (
        "From rows of work on tpu-v3 that do not say when it was done."
    )
    assert about_of([{"started": None, "device": None}]) == "From rows of work that do not say when it was done."


def test_the_report_of_the_published_rows_has_no_question_marks(tmp_path: Any) -> None:
    report("published/table2", Storage.of(tmp_path))
    page = (tmp_path / "report.html").read_text()
    head = page[page.index("<header>") : page.index("</header>")]
    assert "?" not in head
    assert "that do not say when it was done" in head


def test_upstream_accuracy_and_data_are_told(storage: Storage) -> None:
    for name, top in (("a", 0.5), ("b", 0.9), ("c", None)):
        about = {"run_id": name, "name": name, "family": "vit", "dataset": "ifs-10"}
        write_rows(storage, "pretrain", [made.row("pretrain", **about, epochs=1.0, dev_top1=top)])
    view = read_view(storage)
    said = summary_sentences(view.rows, view.scores)
    assert said[0] == "3 models were pre-trained on ifs-10."
    assert "accuracy is 50.00 % (a) to 90.00 % (b)." in said[1]
    assert "ViT; on ifs-10" in text_of(sections.summary_section(view))


@settings(max_examples=80, deadline=None)
@given(*[st.floats(0, 1)] * 2, *[st.none() | st.floats(0, 0.3)] * 2)
def test_comparing_is_the_same_from_both_sides(a: float, b: float, s: float | None, t: float | None) -> None:
    one, other = {"top1_mean": a, "top1_std": s}, {"top1_mean": b, "top1_std": t}
    assert compared(one, other) == -compared(other, one)
    assert compared(one, one) == 0
    if abs(a - b) < max(s or 0, t or 0):
        assert compared(one, other) == 0
