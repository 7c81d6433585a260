"""Small image sets in every form, which many tests share."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from scaling.data.sources import encoding
from scaling.data.sources.images import Images

RNG = np.random.default_rng(7)


def pictures(count: int, size: int = 16) -> list[bytes]:
    """RGB images, PNG and JPEG in turns, with something to see in each."""
    out = []
    for i in range(count):
        small = Image.fromarray(RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        image, sink = small.resize((size, size), Image.Resampling.BICUBIC), io.BytesIO()
        image.save(sink, "PNG" if i % 2 else "JPEG", **({} if i % 2 else {"quality": 92}))
        out.append(sink.getvalue())
    return out


def plain_labels(images: Images) -> np.ndarray:
    """The labels of images that have one each."""
    assert isinstance(images.labels, np.ndarray)
    return images.labels


def ending(data: bytes) -> str:
    return "jpg" if data[:2] == b"\xff\xd8" else "png"


def write_parquet(path: Path, images: list[bytes], labels: np.ndarray, classes: list[str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoding.encode_parquet(images, labels, classes))
    return f"parquet:{path}"


def write_folder(path: Path, images: list[bytes], labels: np.ndarray, classes: list[str]) -> str:
    """Files by running number, without zeros in front, in directories by class name."""
    for i, (data, label) in enumerate(zip(images, labels, strict=True)):
        file = path / classes[label] / f"{i}.{ending(data)}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return f"imagefolder:{path}"


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_shards(path: Path, images: list[bytes], labels: np.ndarray, shards: int, json_key: str = "") -> str:
    """Shards of equal size, with labels as text or as JSON."""
    for k, some in enumerate(np.array_split(np.arange(len(images)), shards)):
        members = {}
        for i in some:
            label = int(labels[i])
            members[f"{i:04d}.{ending(images[i])}"] = images[i]
            if json_key:
                members[f"{i:04d}.json"] = json.dumps({json_key: label, "other": "x"}).encode()
            else:
                members[f"{i:04d}.cls"] = str(label).encode()
        write_tar(path / f"train-{k:02d}.tar", members)
    return f"webdataset:{path}/train-{{00..{shards - 1:02d}}}.tar"


def write_list(path: Path, images: list[bytes], labels: np.ndarray) -> str:
    (path / "images").mkdir(parents=True)
    lines = []
    for i, (data, label) in enumerate(zip(images, labels, strict=True)):
        (path / "images" / f"photo {i}.{ending(data)}").write_bytes(data)
        lines.append(f"images/photo {i}.{ending(data)} {label}")
    (path / "train.txt").write_text("\n".join(lines) + "\n")
    return f"list:{path}/train.txt"
