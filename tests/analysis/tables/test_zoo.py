from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.tables.zoo import zoo_table
from scaling.specs.zoo import ZOO

PAGE = Path(__file__).parents[3] / "docs" / "zoo.md"


def test_every_model_has_its_row() -> None:
    rows = {row["model"]: row for row in zoo_table().to_dicts()}
    assert list(rows) == list(ZOO)
    assert rows["ViT-L/16"]["parameters"] == "304,351,232"
    assert rows["R50x1"]["MACs"] > rows["R50x1"]["MACs inside the image"]


def test_the_docs_hold_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(), "run `make docs`"
