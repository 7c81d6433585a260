"""The options that `fit` and `next` share: which rows, which columns, and how a law is fitted to them.

Columns are names or SQL expressions of columns (`--samples 'train_flops / (6 * params)'`). A storage has its own:
compute (exaFLOPs of pre-training), params, samples, loss, accuracy, error; one law a task and family.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from analysis.laws import LawRequest, Method

Form = Literal["power", "shifted", "chinchilla", "broken"]


@dataclass(frozen=True)
class LawOptions:
    """Rows, columns and method. A column is a name, or an SQL expression of names."""

    source: tyro.conf.Positional[str]
    """A .csv, .tsv or .parquet file, or a storage of rows (path, URI or published)."""
    compute: str | None = None
    """Column of the training's compute."""
    params: str | None = None
    """Column of the number of parameters."""
    samples: str | None = None
    """Column of training samples or tokens; without it, compute / (FLOPs x params)."""
    loss: str | None = None
    """Column of the loss to fit."""
    error: str | None = None
    """Column of the error to fit, instead of a loss."""
    accuracy: str | None = None
    """Column of the accuracy as a fraction: its error is fitted, or itself after the loss (two-step)."""
    weights: str | None = None
    """Column of the weight of each row."""
    configuration: tuple[str, ...] = ()
    """Columns that tell configurations apart; rows of one are seeds. Default: equal inputs are one."""
    family: tuple[str, ...] | None = None
    """Fit one law for each value of these columns. Default: a storage's task and family."""
    where: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Keep rows that fulfil an SQL condition, such as "loss < 4 AND family = 'vit'"."""
    drop_largest_loss: int = 0
    """Leave out so many rows of largest loss."""
    objective: Literal["huber", "squared"] = "huber"
    """Loss of the residuals."""
    delta: float | None = None
    """Of the Huber loss. Default: 1e-3 on the log."""
    on: Literal["log", "value"] = "log"
    """Residuals of the logarithm or of the value."""
    bootstrap: int = 1000
    """Samples of the bootstrap."""
    seed: int = 0
    """Seed of the bootstrap."""
    level: float = 0.95
    """Level of the intervals."""
    interval: Literal["auto", "bootstrap", "profile"] = "auto"
    """Kind that counts. auto: the bootstrap from 10 configurations per constant on, else the profile."""
    held_out: int | None = None
    """Largest rungs that the check holds out. Default: a fifth of them."""
    fix: tuple[str, ...] = ()
    """Constants to hold, as NAME=VALUE, such as E=0."""
    flops_per: float = 6.0
    """FLOPs per parameter and sample, where no compute tells; 6 is right for tokens."""
    json: bool = False
    """Print one JSON value instead of text."""

    def request(self, form: str, loss_form: str = "power") -> "LawRequest":
        """What is asked of analysis.laws. Raises ValueError for options that no fit takes."""
        from analysis.laws import COLUMN_ROLES, LawRequest

        return LawRequest(
            source=self.source,
            form=form,
            loss_form=loss_form,
            given={role: getattr(self, role) for role in COLUMN_ROLES},
            configuration=self.configuration,
            family=self.family,
            where=self.where,
            drop_largest_loss=self.drop_largest_loss,
            flops_per=self.flops_per,
            method=self._method(),
        )

    def _method(self) -> "Method":
        from analysis.laws import Method

        return Method(
            loss=self.objective,
            on=self.on,
            delta=self.delta,
            bootstrap=self.bootstrap,
            seed=self.seed,
            level=self.level,
            held_out=self.held_out,
            interval=self.interval,
            fixed=tuple(_fixed(text) for text in self.fix),
        )


def _fixed(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--fix wants NAME=VALUE, such as E=0, got {text!r}") from None
