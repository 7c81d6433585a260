"""Sample launch files, to read: `python -m clusters.launch.samples` writes them again."""

from pathlib import Path

from clusters.hardware import slice_named
from clusters.launch.render import launch_file
from clusters.launch.request import LaunchKind, LaunchRequest

FOLDER = Path(__file__).parent / "samples"
SAMPLES: tuple[tuple[LaunchKind, str, str], ...] = (  # (kind, slice, storage)
    ("ray-up-gcp", "h100:64", "gs://my-bucket/quickstart"),
    ("ray-up-gcp", "v4-16", "gs://my-bucket/quickstart"),
    ("ray-up-aws", "h100:8", "s3://my-bucket/quickstart"),
    ("raycluster", "h100:64", "/shared/quickstart"),
    ("raycluster", "v4-16", "gs://my-bucket/quickstart"),
    ("rayjob", "h100:8", "s3://my-bucket/quickstart"),
    ("rayjob", "v5e-8", "gs://my-bucket/quickstart"),
    ("rayjob", "v6e-64", "gs://my-bucket/quickstart"),
    ("slurm", "h100:64", "/shared/quickstart"),
    ("skypilot", "h100:64", "s3://my-bucket/quickstart"),
    ("skypilot", "v6e-8", "gs://my-bucket/quickstart"),
)


def sample_files() -> dict[str, str]:
    """Names and texts of the samples."""
    texts = {}
    for kind, name, storage in SAMPLES:
        suffix = "sbatch" if kind == "slurm" else "yaml"
        request = LaunchRequest(kind, slice_named(name), storage=storage)
        texts[f"{kind}-{name.replace(':', '-')}.{suffix}"] = launch_file(request)
    return texts


if __name__ == "__main__":
    for file, text in sample_files().items():
        (FOLDER / file).write_text(text)
