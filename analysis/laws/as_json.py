"""The answers of fits as plain values, for `--json`."""

from dataclasses import asdict, replace
from typing import Any

from analysis.laws.answers import Fitted
from analysis.laws.values import Fit, TooFew


def fitted_as_json(one: Fitted) -> dict[str, Any]:
    """A group's answer as plain values: `enough` says whether there are numbers, `answer` why there are none."""
    about = {"group": one.about, "target": one.target}
    if one.answer is None:
        return about | {"enough": False, "answer": one.reason, "notes": list(one.notes)}
    if isinstance(one.answer, TooFew):
        lacking = {"needs": one.answer.needs, "has": one.answer.has, "of": one.answer.what}
        return about | {"enough": False, "answer": str(one.answer), **lacking, "notes": [*one.notes, *one.answer.notes]}
    predictions = [asdict(replace(p)) | {"at": dict(p.at)} for p in one.predictions]
    if isinstance(one.answer, Fit):
        law = fit_json(one.answer)
        return about | {"enough": True} | law | {"predictions": predictions, "notes": [*one.notes, *law["notes"]]}
    steps = {"loss": fit_json(one.answer.loss), "accuracy": fit_json(one.answer.accuracy)}
    both = {name: value for step in steps.values() for name, value in step["constants"].items()}
    held_out = asdict(one.answer.held_out) if one.answer.held_out else None
    shared = {"configurations": one.answer.loss.configurations, "rows": one.answer.loss.rows, "constants": both}
    return (
        about
        | {"enough": True}
        | shared
        | {
            "steps": steps,
            "held_out": held_out,
            "predictions": predictions,
            "notes": list(one.notes),
        }
    )


def fit_json(law: Any) -> dict[str, Any]:
    """A fitted law as plain values."""
    constants = {c.name: {key: value for key, value in asdict(c).items() if key != "name"} for c in law.constants}
    test = law.lack_of_fit
    return {
        "formula": law.form.formula,
        "rows": law.rows,
        "configurations": law.configurations,
        "ranges": {name: [low, high] for name, low, high in law.ranges},
        "interval_by": law.interval_by,
        "constants": constants,
        "scatter": law.scatter,
        "held_out": asdict(law.held_out) if law.held_out else None,
        "lack_of_fit": {"test": test.test, "p_value": test.p_value, "found": test.found},
        "notes": list(law.notes),
    }
