"""The input benchmark at a small scale: both sides see the same crops. No time is judged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import input_pipeline
from benchmarks.input_pipeline import Options, main, ours, usual
from scaling.data.sources.read import open_split
from scaling.measure.timing import photographs
from scaling.specs.architectures import ViT
from scaling.specs.zoo import ZOO


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return photographs(tmp_path_factory.mktemp("photographs"), count=20, side=150)


def test_both_sides_make_the_same_images(uri: str) -> None:
    """To a shade: the usual pipeline resizes by Pillow, and may decode by another version of the same library."""
    images, indices = open_split(uri, None), np.arange(20)
    sides = zip(ours(images, indices, 1, resolution=96), usual(images, indices, 1, resolution=96), strict=True)
    for mine, theirs in sides:
        assert mine.shape == theirs.shape == (20, 3, 96, 96)
        assert (mine.dtype, theirs.dtype) == (torch.uint8, torch.float32)
        assert (mine.float() / 255 - theirs).abs().mean() < 2 / 255


def test_throughput_and_waiting_are_told(
    uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ZOO, "tiny", ViT(16, 12, 1, 20, 3))
    small: dict[str, Any] = {"resolution": 32, "rounds": 2, "images": 4, "batch_size": 4, "model": "tiny"}
    assert main(Options(uri, steps=3, json=True, **small)) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["images_per_second"]) == {"ours", "Pillow"}
    assert all(len(seconds) == 2 for seconds in told["seconds"].values())
    assert 0 <= told["waiting"] <= 1
    assert main(Options(uri, steps=0, **small)) == 0
    assert "ours / Pillow" in capsys.readouterr().out
    with pytest.raises(ValueError, match="must be positive"):
        main(Options(uri, rounds=0))


def test_photographs_are_made_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(input_pipeline, "photographs", lambda folder: photographs(folder, count=10, side=140))
    assert main(Options(resolution=32, rounds=1, images=4, steps=0)) == 0
    assert "images per second" in capsys.readouterr().out
