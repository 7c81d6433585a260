"""The benchmark of augmentations at a small scale. No time is judged."""

import json
from pathlib import Path

import pytest

from benchmarks.augmentation import AUGMENTED, PLAIN, Options, main
from scaling.measure.timing import photographs


def test_each_augmentation_has_its_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = photographs(tmp_path, count=10, side=140)
    assert main(Options(uri, resolution=32, rounds=1, images=4, json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ratios"].keys() == told["images_per_second"].keys() == AUGMENTED.keys()
    assert told["ratios"][PLAIN] == 1
    assert main(Options(uri, resolution=32, rounds=1, images=2)) == 0
    assert f"1.00 of {PLAIN}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="must be positive"):
        main(Options(uri, rounds=0))
