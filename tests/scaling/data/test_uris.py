import pytest

from scaling.data.builtin_sets import Digits, Ifs, Layouts
from scaling.data.uris import Parquet, parse_uri


def test_parquet_options_are_ours_alone() -> None:
    assert parse_uri("parquet:/a/b.parquet") == Parquet("/a/b.parquet")
    assert parse_uri("parquet:/a/b?.parquet") == Parquet("/a/b?.parquet")
    assert parse_uri("parquet:/a/b.parquet?label=fine_label") == Parquet("/a/b.parquet", label="fine_label")
    assert parse_uri("parquet:/a?.parquet?image=x&label=y") == Parquet("/a?.parquet", "x", "y")
    assert parse_uri("parquet:s3://b/x?region=eu&label=y") == Parquet("s3://b/x?region=eu", label="y")


@pytest.mark.parametrize(
    "uri",
    [
        "parquet:/a/b.parquet",
        "parquet:/a?.parquet?image=x&label=y",
        "parquet:s3://b/x?region=eu&label=y",
        "digits:test",
        "imagefolder:/a/b",
        "imagefolder:s3://b/x?region=eu&part=:90%&without=/l/x.txt",
        "parquet:/a?.parquet?part=10:20",
        "parquet:/a?.parquet?label=y&part=5%:80%",
        "webdataset:/a/{000..127}.tar?image=png&label=fine",
        "list:/a/train.txt?root=/c/d",
        "list:/a/train.txt?root=/c%20%26d",
        "torchvision:CIFAR10?root=/d&split=test",
        "hf:org/name?config=plain&split=train[:100]&image=img&label=cls",
        "digits:train?only=/a/b+c.txt",
    ],
)
def test_uris_are_read_back(uri: str) -> None:
    assert str(parse_uri(uri)) == uri


def test_ifs_has_defaults() -> None:
    assert parse_uri("ifs:") == Ifs(100, 200, 32, 0, "train")
    assert parse_uri("ifs:classes=3,split=test,images=5") == Ifs(3, 5, 32, 0, "test")
    assert parse_uri(str(Ifs(3, 5, 16, 2, "test"))) == Ifs(3, 5, 16, 2, "test")
    assert [Ifs(images=n, split="test").per_class for n in (5, 200)] == [1, 20]


def test_layouts_have_defaults() -> None:
    assert parse_uri("layouts:") == Layouts(8, 300, 16, 0, "train")
    assert parse_uri(str(Layouts(3, 5, 32, 2, "test"))) == Layouts(3, 5, 32, 2, "test")
    assert Layouts(images=50, split="test").per_class == 5


def test_builtin_splits() -> None:
    assert parse_uri("digits:test") == Digits("test")
    assert isinstance(parse_uri("fashion:train"), Parquet)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("imagenet", "must be parquet:PATH"),
        ("parquet:", "must be parquet:PATH"),
        ("digits:dev", "split of digits"),
        ("fashion:", "split of fashion"),
        ("ifs:clases=3", "has the option 'clases', which is none of classes, images"),
        ("ifs:classes=x", "whole number"),
        ("ifs:classes=0", "positive"),
        ("ifs:size=4", "8 to 1024"),
        ("ifs:split=dev", "train or test"),
        ("layouts:size=20", "a multiple of 16 pixels, at most 256, got 20"),
        ("layouts:size=512", "got 512"),
        ("layouts:classes=0", "classes of layouts: must be positive"),
        ("layouts:classes=37", "must be at most 36, got 37"),
    ],
)
def test_wrong_uris_say_why(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_uri(uri)
