"""Fitted laws as text for people: a table of constants, and what can and cannot be said, in sentences."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from analysis.laws import Fit, Fitted, TooFew, held_out_text, lack_of_fit_text, lacking_sentence
from analysis.names import family_name
from scaling.checks import printable
from scaling.console import PlainConsole, WideTable


def show(one: Any) -> None:
    """Print the law of a group that has one."""
    console = _console()
    _heading(console, one)
    if isinstance(one.answer, Fit):
        _law(console, one.answer, one.target)
        _sentences(console, [held_out_text(one.answer.held_out), lack_of_fit_text(one.answer.lack_of_fit)])
        notes = (*one.notes, *one.answer.notes)
    else:
        _law(console, one.answer.loss, "loss")
        _sentences(console, [lack_of_fit_text(one.answer.loss.lack_of_fit)])
        _law(console, one.answer.accuracy, "accuracy")
        _sentences(console, [lack_of_fit_text(one.answer.accuracy.lack_of_fit), held_out_text(one.answer.held_out)])
        notes = (*one.notes, *one.answer.loss.notes, *one.answer.accuracy.notes)
    if one.predictions:
        _predictions(console, one.predictions, one.target, _method(one.answer).level)
    _notes(console, notes)


def is_lacking(one: Fitted) -> bool:
    """Whether a group has no law."""
    return one.answer is None or isinstance(one.answer, TooFew)


def show_lacking(answers: Sequence[Fitted], advice: str = "") -> None:
    """Print in one sentence which groups have no law and why; nothing where all have one. One group's notes follow."""
    lacking = [one for one in answers if is_lacking(one)]
    groups = [(_named(one), one.answer if isinstance(one.answer, TooFew) else one.reason) for one in lacking]
    if said := lacking_sentence(groups, len(answers), advice):
        print(printable(said))
    if len(answers) == 1:
        for one in lacking:
            _notes(_console(), (*one.notes, *(one.answer.notes if isinstance(one.answer, TooFew) else ())))


def show_next_table(answers: Sequence[Any], budget: float) -> None:
    """Print a line per group (`next_answers.Next`): the best run for the budget, and what narrows the law most."""
    keys = tuple(answers[0].law.about)
    two = answers[0].optimum is not None
    headings = (
        *keys,
        *(("best parameters", "best samples") if two else ()),
        f"{answers[0].law.target} there",
        "extrapolated by",
    )
    rows = []
    for one in answers:
        about = [family_name(str(value)) if key == "family" else str(value) for key, value in one.law.about.items()]
        best = [_number(part.value) for part in (one.optimum.params, one.optimum.samples)] if two else []
        top = one.ranked[0]
        target, told = one.law.target, one.prediction
        middle, ends = _predicted(told.value, target), _predicted_ends(told.interval, target)
        there = middle if ends == f"{middle} to {middle}" else f"{middle} ({ends})"
        beyond = "within the rows" if told.factor == 1 else f"{told.factor:,.3g} times"
        rows.append((*about, *best, there, beyond, _place(one.law.answer, top), f"{top.reduction:.1%}"))
    headings = (*headings, "run that narrows it most", "of its variance")
    title = f"What to run next for {budget:,.6g} exaFLOPs"
    _console().print(WideTable(title, headings, tuple(rows), labels=max(len(keys), 1)))
    print(f"{len(answers):,} laws: --where and --family choose the rows of one, which is then told in full.")


def show_next(one: Any, budget: float) -> None:
    """Print what to run next in a group (`next_answers.Next`) that has a law."""
    console, law = _console(), one.law.answer
    _heading(console, one.law)
    _law(console, law, one.law.target)
    lines = []
    if one.optimum:
        best, level = one.optimum, f"{law.method.level:.0%}"
        lines.append(
            f"Best for {budget:,.6g} exaFLOPs: {_number(best.params.value)} parameters ({level} {_range(best.params)}) "
            f"and {_number(best.samples.value)} samples ({_range(best.samples)}). "
            f"Parameters grow as budget^{best.params_exponent.value:.3f} ({_range(best.params_exponent)}), "
            f"samples as budget^{best.samples_exponent.value:.3f} ({_range(best.samples_exponent)})."
        )
    _sentences(console, [*lines, lack_of_fit_text(law.lack_of_fit)])
    _predictions(console, [one.prediction], one.law.target, law.method.level)
    _ranking(console, one)
    top = one.ranked[0]
    _sentences(console, [f"The run that would narrow this prediction most: {_where(law, top, one.unit)}."])
    _notes(console, (*one.law.notes, *law.notes, *one.notes))


def _console() -> Console:
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=140)


def _heading(console: Console, one: Any) -> None:
    if one.about:
        console.print(Text(printable(_named(one)), style="bold underline"))


def _named(one: Fitted) -> str:
    """The values that a group's rows share: 'task digits, family ViT'; '' where there is one group only."""
    return ", ".join(f"{key} {family_name(str(v)) if key == 'family' else v}" for key, v in one.about.items())


def _law(console: Console, law: Fit, target: str) -> None:
    other = "profile" if law.interval_by == "bootstrap" else "bootstrap"
    letters = {"compute": "C", "params": "N", "samples": "D", "loss": "L"}
    level = f"{law.method.level:.4g}" if law.method.level < 0.01 else f"{100 * law.method.level:g} %"
    headings = ("constant", "value", f"{level} interval ({law.interval_by})", f"by {other}")
    rows = []
    for constant in law.constants:
        if constant.fixed:
            rows.append((constant.name, _number(constant.value), "held", ""))
            continue
        second = getattr(constant, other)
        shown = "–" if other == "bootstrap" and not law.method.bootstrap else _ends(second)
        rows.append((constant.name, _number(constant.value), _ends(constant.interval), shown))
    console.print(WideTable(f"{target} = {law.form.formula}", headings, tuple(rows), labels=1))
    spans = "; ".join(f"{letters[n]}: {n} {_number(low)} to {_number(high)}" for n, low, high in law.ranges)
    unit = f"{law.scatter:.2%}" if law.method.on == "log" and target != "accuracy" else f"{law.scatter:.3g}"
    counts = f"{law.rows} rows of {law.configurations} configurations"
    _sentences(console, [f"From {counts}; {spans}. They scatter around the law by {unit}."])


def _predictions(console: Console, predictions: list[Any], target: str, level: float) -> None:
    inputs = [name for name, _ in predictions[0].at]
    rows = []
    for prediction in predictions:
        factor = prediction.factor
        kind = "interpolation" if factor == 1 else f"extrapolation by {factor:,.3g} times"
        numbers = [_number(value) for _, value in prediction.at]
        ends = (_predicted_ends(each, target) for each in (prediction.interval, prediction.run_interval))
        rows.append((*numbers, _predicted(prediction.value, target), *ends, kind))
    headings = (*inputs, target, f"{100 * level:g} % interval of the law", "of a single run", "")
    console.print(WideTable("Predictions", headings, tuple(rows), labels=len(inputs)))


def _ranking(console: Console, one: Any) -> None:
    named = any(row.candidate.name for row in one.ranked)
    inputs = one.law.answer.form.inputs
    cost = f"cost ({one.unit})" if one.unit else "cost"
    headings = (*(["run"] if named else []), *inputs, cost, "takes off the variance", "per cost")
    rows = []
    for row in one.ranked[:15]:
        at = [_number(value) for value in row.candidate.at]
        cells = [*at, _number(row.candidate.cost), f"{row.reduction:.1%}", f"{row.per_cost:.2g}"]
        rows.append((*([row.candidate.name] if named else []), *cells))
    console.print(WideTable("Candidates", headings, tuple(rows), labels=named + len(inputs)))


def _place(law: Fit, row: Any) -> str:
    at = ", ".join(f"{n} {_number(v)}" for n, v in zip(law.form.inputs, row.candidate.at, strict=True))
    return f"{row.candidate.name}, {at}" if row.candidate.name else at


def _where(law: Fit, row: Any, unit: str) -> str:
    cost = f"{_number(row.candidate.cost)} {unit or 'of cost'}"
    return f"{_place(law, row)}, for {cost}: it takes off {row.reduction:.1%} of its variance"


def _method(answer: Any) -> Any:
    return answer.method if isinstance(answer, Fit) else answer.loss.method


def _sentences(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=False)


def _notes(console: Console, notes: tuple[str, ...]) -> None:
    for note in notes:
        console.print(Text(printable(f"Note: {note}.")))
    console.print()


def _ends(interval: tuple[float, float]) -> str:
    return f"{_number(interval[0])} to {_number(interval[1])}"


def _predicted(value: float, target: str) -> str:
    """A predicted value; an error or accuracy beyond what there can be is called so, as no number would be true."""
    if target in ("error", "accuracy") and value > 1:
        return "above 1"
    return "below 0" if target in ("error", "accuracy") and value < 0 else _number(value)


def _predicted_ends(interval: tuple[float, float], target: str) -> str:
    return f"{_predicted(interval[0], target)} to {_predicted(interval[1], target)}"


def _range(estimate: Any) -> str:
    return _ends(estimate.interval)


def _number(value: float) -> str:
    """Four significant digits; a dash for none."""
    return f"{value:.4g}" if math.isfinite(value) else "–"
