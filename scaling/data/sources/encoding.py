"""Writing images: as PNG, and as Parquet files in the layout of image sets on the Hugging Face hub."""

import json
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def encode_parquet(images: Sequence[bytes], labels: np.ndarray, classes: Sequence[str]) -> bytes:
    """A Parquet file in the Hugging Face layout, class names included."""
    column = pa.StructArray.from_arrays(
        [pa.array(images, pa.binary()), pa.array([image_name(i) for i in range(len(images))])], ["bytes", "path"]
    )
    features = {"image": {"_type": "Image"}, "label": {"names": list(classes), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": column, "label": pa.array(labels, pa.int64())}).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    # In small row groups: a reader loads one with its first image, and keeps those used last.
    pq.write_table(table, sink, row_group_size=1000, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def image_name(index: int) -> str:
    """The `path` that `encode_parquet` gives to an image."""
    return f"{index:06d}.png"


def png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W] or [H, W, 3] as a PNG without filters: for small images in a third of Pillow's time."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1)  # each starts with its filter's number, 0
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
