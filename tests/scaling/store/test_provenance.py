from pathlib import Path

import pytest

from scaling.store import provenance
from scaling.store.provenance import command_typed, record_command, recorded_commands, without_secrets
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
