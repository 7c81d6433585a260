"""Parts and lists of images: what is kept, in what order, and what of it is identity."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.builtin_sets import Ifs
from scaling.data.resolve import resolve
from scaling.data.sources.read import open_split, split_facts
from scaling.data.uris import Selected, parse_uri
from scaling.specs.pretraining import Dataset
from tests.helpers.images import pictures, plain_labels, write_folder, write_parquet, write_shards

IMAGES = pictures(20)
LABELS = np.arange(20) % 3
CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_parquet(tmp_path_factory.mktemp("set") / "x.parquet", IMAGES, LABELS, CLASSES)


def kept(uri: str) -> list[int]:
    images = open_split(uri, None)
    numbers = [IMAGES.index(images.encoded[i] or b"") for i in range(len(images))]
    assert np.array_equal(plain_labels(images), LABELS[numbers])
    return numbers


@pytest.mark.parametrize(
    ("part", "start", "stop"),
    [(":90%", 0, 18), ("90%:", 18, 20), ("3:7", 3, 7), (":", 0, 20), ("12.5%:50%", 2, 10), ("19:", 19, 20)],
)
def test_parts(uri: str, part: str, start: int, stop: int) -> None:
    assert kept(f"{uri}?part={part}") == list(range(start, stop))


@given(st.integers(100, 10**9), st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True))
def test_parts_by_percentage_cover_everything_once(count: int, percents: list[int]) -> None:
    edges = ["", *(f"{percent}%" for percent in sorted(percents)), ""]
    bounds = [Selected(Ifs(), f"{first}:{last}").bounds(count) for first, last in pairwise(edges)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == count
    assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))


def test_lists_choose_by_name(uri: str, tmp_path: Path) -> None:
    names = [f"{i:06d}.png" for i in (17, 3, 8)]
    (tmp_path / "some.txt").write_text("# chosen by hand\n\n" + "\n".join(names) + "\n")
    assert kept(f"{uri}?only={tmp_path}/some.txt") == [3, 8, 17]
    assert kept(f"{uri}?without={tmp_path}/some.txt") == [i for i in range(20) if i not in (3, 8, 17)]
    assert kept(f"{uri}?without={tmp_path}/some.txt&part=50%:") == [i for i in range(10, 20) if i != 17]
    assert open_split(f"{uri}?only={tmp_path}/some.txt", None).name(1) == "000008.png"


def test_lists_name_the_images_of_folders_and_shards(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", IMAGES, LABELS, CLASSES)
    shards = write_shards(tmp_path / "shards", IMAGES, LABELS, 4)
    for uri in (folder, shards):
        (tmp_path / "one.txt").write_text(open_split(uri, None).name(6))
        open_split.cache_clear()
        assert kept(f"{uri}?only={tmp_path}/one.txt") == [6]
    assert open_split(f"{shards}?part=3:12", None).shards.tolist() == [2, 5, 2]
    (tmp_path / "two.txt").write_text("train-00.tar/0001.png\ntrain-03.tar/0015.png\n")
    assert open_split(f"{shards}?without={tmp_path}/two.txt", None).shards.tolist() == [4, 5, 5, 4]
    assert open_split(f"{shards}?only={tmp_path}/two.txt", None).shards.tolist() == [1, 1]


def test_what_a_list_says_is_identity_and_where_it_lies_is_not(uri: str, tmp_path: Path) -> None:
    def digest(options: str) -> str | None:
        return resolve(Dataset("x", uri + options)).fingerprint

    for name, lines in [("a", "000003.png"), ("b", "# 3\n000003.png"), ("c", "000006.png"), ("none", "#")]:
        (tmp_path / f"{name}.txt").write_text(lines)
    without = {name: digest(f"?without={tmp_path}/{name}.txt") for name in ("a", "b", "c", "none")}
    assert without["a"] == without["b"]
    assert without["a"] != without["c"]
    assert without["none"] == digest("")
    assert digest("?part=:10") not in (digest(""), digest("?part=10:"), digest("?part=:11"))


def test_built_in_sets_are_chosen_from_without_being_made() -> None:
    base = "ifs:classes=4,images=25,size=16,seed=0,split=train"
    part = split_facts(parse_uri(f"{base}?part=:30"))
    assert (part.num_images, part.num_classes, part.highest_label) == (30, 4, 1)
    assert len({split_facts(parse_uri(base + query)).fingerprint for query in ("", "?part=:30", "?part=30:60")}) == 3
    images = open_split(f"{base}?part=30:60", None)
    assert np.array_equal(plain_labels(images), np.repeat([1, 2], [20, 10]))
    assert images.name(0) == "000030.png"
    assert (
        len(open_split("digits:train?part=:10%", None))
        == split_facts(parse_uri("digits:train?part=:10%")).num_images
        == 100
    )


def test_wrong_selections_say_why(uri: str, tmp_path: Path) -> None:
    (tmp_path / "unknown.txt").write_text("000003.png\nnot-there.png\n")
    (tmp_path / "all.txt").write_text("\n".join(f"{i:06d}.png" for i in range(20)))
    for query, message in [
        ("part=:21", "part :21 of .* reaches beyond its 20 images"),
        ("part=20:", "part 20: of .* is empty: it has 20 images"),
        ("part=9:3", "is empty"),
        ("part=3", "must be START:STOP"),
        ("part=:101%", "must be START:STOP"),
        ("part=a:b", "must be START:STOP"),
        ("part=", "needs a value for the option part"),
        ("prat=:3", "has the option 'prat', which is none of part, only, without, image, label"),
        (
            f"only={tmp_path}/unknown.txt",
            r"unknown.txt names 'not-there.png', .*first one is '000000.png'",
        ),
        (f"without={tmp_path}/all.txt", "selects no image: its lists leave none"),
        (f"without={tmp_path}/no.txt", "cannot read the list of images"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            open_split(f"{uri}?{query}", None)
        assert "\n" not in str(caught.value)


def test_rows_are_names_where_paths_repeat(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": data, "path": "same.png"} for data in IMAGES]
    pq.write_table(pa.table({"image": images, "label": LABELS}), tmp_path / "x.parquet", row_group_size=7)
    named = open_split(f"parquet:{tmp_path}/x.parquet", None)
    some = random.Random(0).sample(range(20), 5)
    assert [named.name(i) for i in some] == [str(i) for i in some]
    assert named.where(9).startswith("row 9 of ")
