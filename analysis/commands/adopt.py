"""`python -m analysis adopt`: runs of others as our rows."""

from dataclasses import dataclass

import tyro


@dataclass(frozen=True)
class Options:
    """Turn a CSV or Parquet file of someone else's runs into rows.

    python -m analysis adopt runs.csv --out DIR --map name=model family=kind compute=C:FLOPs error=err
    python -m analysis adopt runs.parquet --out DIR --map name=n family=f compute=C:exaFLOPs accuracy=top1:percent
    """

    file: tyro.conf.Positional[str]
    """A .csv, .tsv or .parquet file, a row a run."""
    map: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]]
    """ROLE=COLUMN[:UNIT] ... Roles: name and family of the model; compute of the training, with its unit; accuracy on a
    data set (several times: a column for each data set), or error; parameters; samples (training images or tokens);
    loss of the training; task, the data set (default: the accuracy's column); seed (default: rows are numbered)."""
    out: str
    """Path or URI for the rows."""


def run(options: Options) -> None:
    from analysis.commands.adoption import adopt
    from scaling.console import storage_of

    place = storage_of(options.out)
    mapping = [text for texts in options.map for text in texts]
    models, finals, without = adopt(options.file, mapping, place)
    lacking = f"; {without:,} rows have no accuracy" if without else ""
    print(f"{models:,} models and {finals:,} accuracies in {place.uri}{lacking}")
