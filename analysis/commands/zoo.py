"""`python -m analysis zoo`: the named models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Print the named models, their parameters and MACs, as Markdown.

    python -m analysis zoo
    python -m analysis zoo > docs/zoo.md
    """


def run(_options: Options) -> None:
    from analysis.tables import zoo_page

    print(zoo_page(), end="")
