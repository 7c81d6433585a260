from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.store import provenance
from scaling.store.provenance import (
    command_typed,
    record_command,
    recorded_commands,
    refuse_secrets,
    without_secrets,
)
from scaling.store.storage import Storage


def test_commands_are_kept_in_order_with_versions(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    assert recorded_commands(storage) == []
    for number in range(3):
        record_command(storage, ["python", "scaling/run_study.py", "my study", f"--seed={number}"])
    found = recorded_commands(storage)
    assert sorted(one.command for one in found) == [
        f"python scaling/run_study.py 'my study' --seed={number}" for number in range(3)
    ]
    assert [one.started for one in found] == sorted(one.started for one in found)
    assert {"torch", "ray", "polars"} <= found[0].packages.keys()


def test_files_that_are_no_commands_are_passed_over(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    record_command(storage, ["python"])
    for name, content in (("a.json", b"{ torn"), ("b.json", b"[1]"), ("c.json", b'{"other": 1}')):
        storage.write(f"{provenance.DIRECTORY}/{name}", content)
    assert [one.command for one in recorded_commands(storage)] == ["python"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
        ("postgresql://me:word@host/db", "postgresql://...@host/db"),
        ("'s3://KEY:word@bucket/x?region=eu&secret_key=abc&scheme=http'", None),
        ("s3://bucket/x?access_key=abc", "s3://bucket/x?access_key=..."),
        ("--note mail@host", "--note mail@host"),
        ("s3://KEY:wo/rd+x==@bucket/x", "s3://...@bucket/x"),
        ("postgresql://me:p@ss/w@rd@host:5432/db", "postgresql://...@host:5432/db"),
        ("abfs://box@account/x?account_key=aB/c+d==&x=1", "abfs://...@account/x?account_key=...&x=1"),
        ("https://a.blob/x?sv=2024&sig=a%2Fb%3D&se=1", "https://a.blob/x?sv=2024&sig=...&se=1"),
        ("https://a/x?X-Amz-Signature=ab&AWSAccessKeyId=cd", "https://a/x?X-Amz-Signature=...&AWSAccessKeyId=..."),
        ("AWS_SECRET_ACCESS_KEY=a/b python x.py --token=q", "AWS_SECRET_ACCESS_KEY=... python x.py --token=..."),
        ("AccountName=me;AccountKey=ab/c==;Suffix=x", "AccountName=me;AccountKey=..."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        # no secrets
        (
            "s3://bucket/x@2?endpoint_override=host:9000&scheme=http",
            "s3://bucket/x@2?endpoint_override=host:9000&scheme=http",
        ),
        ("parquet:/data/key=5/token=3/x.parquet?split=dev", "parquet:/data/key=5/token=3/x.parquet?split=dev"),
        ("num_tokens=196 keys=3 http://127.0.0.1:8265", "num_tokens=196 keys=3 http://127.0.0.1:8265"),
    ],
)
def test_secrets_are_left_out(text: str, kept: str | None) -> None:
    assert without_secrets(text) == (kept or "'s3://...@bucket/x?region=eu&secret_key=...&scheme=http'")


def test_commands_are_as_a_user_types_them(monkeypatch: pytest.MonkeyPatch) -> None:
    root = provenance.ROOT / "scaling"
    monkeypatch.setattr("sys.argv", [str(root / "run_study.py"), "quickstart", "--workers", "2"])
    assert command_typed() == ["python", "scaling/run_study.py", "quickstart", "--workers", "2"]
    monkeypatch.setattr("sys.argv", [str(root / "finetune_grid.py"), "--task", "digits"])
    assert command_typed() == ["python", "-m", "scaling.finetune_grid", "--task", "digits"]
    monkeypatch.setattr("sys.argv", ["/elsewhere/my_script.py", "x"])
    assert command_typed() == ["python", "/elsewhere/my_script.py", "x"]


# Of base64 and of what people take for passwords; percent-encoded what a URI cannot hold.
SECRETS = st.text("abcXYZ019+/=@:?#%~!$*,._-", min_size=12, max_size=40).map(lambda text: f"Q{text}Q")
FORMS = (
    "s3://KEY:{}@bucket/x?region=eu&scheme=http",
    "gs://me:{}@bucket/a@b",
    "postgresql+psycopg://me:{}@host:5432/db",
    "s3://bucket/x?access_key=KEY&secret_key={}",
    "s3://bucket/x?secret_key={}&region=eu",
    "s3://bucket/x?session_token={}&region=eu",
    "abfs://box/x?account_key={}",
    "https://host/x?sv=1&sig={}&se=2",
    "--api-key={}",
    "AWS_SECRET_ACCESS_KEY={}",
)


@given(SECRETS, st.sampled_from(FORMS), st.sampled_from(("{}", "storage {} is in use by process 7", "a {}, b", "'{}'")))
def test_no_secret_survives(secret: str, form: str, sentence: str) -> None:
    shown = without_secrets(sentence.format(form.format(secret)))
    assert not any(secret[start : start + 6] in shown for start in range(len(secret) - 5))
    assert without_secrets(shown) == shown


@given(SECRETS, st.sampled_from(FORMS))
def test_a_uri_with_a_secret_is_refused_without_saying_it(secret: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"data set cats, train: .* holds a login or key") as error:
        refuse_secrets(form.format(secret), "data set cats, train:")
    assert secret not in str(error.value)


def test_a_uri_without_a_secret_is_taken() -> None:
    for uri in (None, "parquet:/data/key=5", "s3://bucket/x?region=eu&endpoint_override=h:1", "hf:owner/name@main"):
        refuse_secrets(uri, "data set cats, train:")


def test_commands_are_kept_without_secrets_with_spaces_around(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    record_command(storage, ["python", "x.py", "--storage", "s3://KEY:a'b/c@bucket/x y"])
    assert recorded_commands(storage)[0].command == "python x.py --storage 's3://...@bucket/x y'"
