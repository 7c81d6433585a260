"""Keys of object stores with any characters, as people write them and as Arrow's drivers read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from scaling.data.sources import open_split, read_text
from scaling.data.sources.filesystem import find
from scaling.store.storage import Storage
from scaling.store.uri import as_written, encoded, shown

# without the settings no driver would be made offline
SETTINGS = {
    "s3": "?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1",
    "gs": "?endpoint_override=127.0.0.1:9&scheme=http",
}
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda key: "/" not in key)


def key_read(uri: str) -> str:
    """The key that Arrow's driver reads."""
    return str(fs.FileSystem.from_uri(encoded(uri))[1]).removeprefix("bucket/")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("my runs/a b.png", "my runs/a b.png"),
        ("#1 hash#tag", "#1 hash#tag"),
        ("Müller/ü/日本", "Müller/ü/日本"),
        ("100%/50% off", "100%/50% off"),
        ("a%20b", "a b"),  # as before
        ("a%2520b", "a%20b"),
        ("why%3F", "why?"),
        ('[x]{1}<y>|^`\\"', '[x]{1}<y>|^`\\"'),
        ("a+b&c=d:e@f", "a+b&c=d:e@f"),
    ],
)
def test_a_key_is_read_as_it_is_written(scheme: str, written: str, key: str) -> None:
    assert key_read(f"{scheme}://bucket/{written}{SETTINGS[scheme]}") == key


@given(KEYS)
def test_any_name_in_a_storage_has_a_uri(name: str) -> None:
    assert key_read(f"gs://bucket/{as_written(name)}{SETTINGS['gs']}") == name


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_encoded_stays(text: str) -> None:
    assert encoded(encoded(f"s3://bucket/{text}")) == encoded(f"s3://bucket/{text}")


@pytest.mark.parametrize("folder", ["a b", "#1", "ü", "100%"])
def test_files_lie_where_their_uri_says(s3: Storage, folder: str) -> None:
    place = Storage.of(s3.path(folder))
    place.write("50% of #2?.txt", b"text")
    place.write("rows/x.parquet", b"")
    assert place.list("") == ["50% of #2?.txt", "rows"]
    assert read_text(place.path("50% of #2?.txt"), "list") == "text"
    assert [file.name.rpartition("/")[2] for file in find(place.path("rows"), "*.parquet", "files")] == ["x.parquet"]
    assert s3.list("") == [folder]


def test_what_arrow_cannot_open_asks_for_no_package() -> None:
    with pytest.raises(
        ValueError, match=r"storage s3://\.\.\.@bucket/why cannot be opened: Unexpected query parameter"
    ) as told:
        Storage.of("s3://me:hidden@bucket/why?not.parquet&region=hidden")
    assert "s3fs" not in str(told.value)
    assert "hidden" not in str(told.value)
    with pytest.raises(ValueError, match="cannot be opened"):
        open_split("parquet:gs://bucket/x.parquet?bogus=1", None)


def test_messages_hold_no_keys() -> None:
    assert shown("s3://me:a/b@c@bucket/x?region=y") == "s3://...@bucket/x"
    assert shown("s3://bucket/at@home") == "s3://bucket/at@home"
