"""Pictures of made inspections: every kind, one model and several, and none."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.figures import inspection
from analysis.figures.pictures import VIRIDIS
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers.finished_study import row


def write_inspection(storage: Storage, name: str, weights: str, grid: int = 3, tables: int = 1) -> None:
    """Two layers of two heads, five filters of 2 pixels, positions of a grid, two images of 12 pixels."""
    about: dict[str, Any] = {"inspection_id": f"{name}-{weights}".replace("/", "-"), "name": name, "family": "vit"}
    about |= {"weights_sha256": weights, "resolution": 12, "checkpoint": "x"}
    N = grid * grid
    distances = [{"layer": i, "head": j, "pixels": 1.0 + i + j, "images": 7} for i in range(2) for j in range(2)]
    filters = [{"component": i, "variance": 0.1, "side": 2, "values": [0.1 * i] * 11 + [1.0]} for i in range(5)]
    cosines = [
        {"table": table, "grid": grid, "position": i, "cosines": np.eye(N)[i].tolist()}
        for table in range(tables)
        for i in range(N)
    ]
    shares = [1.0] + [0.0] * (N - 1)
    images = [
        {"image": i, "grid": grid, "shares": shares, "side": 12, "pixels": [200] * 432, "data": "d"} for i in range(2)
    ]
    made: dict[str, list[dict[str, Any]]] = {"attention_distance": distances, "filters": filters}
    made |= {"position_similarity": cosines, "rollout": images}
    for table, rows in made.items():
        write_rows(storage, table, [row(table) | about | values for values in rows])


def pictures(chart: Any) -> list[np.ndarray]:
    text = json.dumps(chart.to_dict())
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_every_picture_of_two_models(storage: Storage) -> None:
    write_inspection(storage, "ViT-a/4", "aaaaaaa1")
    write_inspection(storage, "ViT-a/4", "bbbbbbb2", tables=5)
    made = inspection.inspection_charts(inspection.load_inspections(storage))
    assert set(made) == {"attention_distance", "filters", "positions", "rollout"}
    text = json.dumps(made["attention_distance"][0].to_dict(), ensure_ascii=False)
    assert "ViT-a/4, weights aaaaaa" in text
    assert "mean distance (px)" in text
    assert len(made["positions"][0].to_dict()["vconcat"][0]["concat"]) == 1 + 3  # first, middle and last of five
    for name in ("filters", "positions", "rollout"):
        assert pictures(made[name][0])


def test_a_rollout_is_bright_where_the_share_is(storage: Storage) -> None:
    write_inspection(storage, "a", "1")
    (sheet,) = pictures(inspection.rollout_chart(inspection.load_inspections(storage).rollout))
    step = sheet.shape[1] // 4  # two images, each before and after
    assert sheet[2, 2].tolist() == [200, 200, 200]
    assert sheet[2, step + 2, 0] > 150  # the first patch has all
    assert sheet[step // 2 + 20, step + step // 2 + 20, 0] < 40


def test_a_positions_map_is_brightest_at_itself(storage: Storage) -> None:
    write_inspection(storage, "a", "1", grid=2)
    sheet = pictures(inspection.positions_chart(inspection.load_inspections(storage).position_similarity))[0]
    step = sheet.shape[0] // 2
    assert sheet[5, 5].tolist() == list(VIRIDIS[-1])  # of the first patch, its own place
    assert sheet[5, step - 40].tolist() == list(VIRIDIS[2])  # cosine 0


def test_the_command(storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspection", storage.uri]) == 2
    assert "holds no inspections: python -m scaling.inspection writes them" in capsys.readouterr().err
    write_inspection(storage, "<script>", "1")
    assert main(["inspection", storage.uri]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 8
    assert (tmp_path / "figures/inspection_rollout.png").stat().st_size > 1000
    assert "<script" not in (tmp_path / "figures/inspection_filters.svg").read_text()
