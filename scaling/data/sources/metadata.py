"""What lies around the pixels of an encoded image: text, profiles and camera data, which decoders may stumble over."""

import re
import struct

JPEG = b"\xff\xd8"  # first bytes of every JPEG
PNG = b"\x89PNG\r\n\x1a\n"
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")  # within a scan: no stuffed zero, no restart
TIFF_HEADER = rb"(II\*\0|MM\0\*)"
EXIF = re.compile(rb"(?s:Exif\0\0|eXIf|EXIF....(?:Exif\0\0)?)" + TIFF_HEADER)  # in a JPEG, a PNG, a WebP
ORIENTATION = 0x0112  # EXIF's tag


def without_metadata(data: bytes) -> bytes:
    """A JPEG or PNG without text, profiles and camera data, and a JPEG without bytes between its segments.

    Pixels stay as they are. Other forms, and a PNG that ends early, are returned as they are.
    """
    if data.startswith(PNG):
        chunks = _chunks(data)
        if (b"IEND", 12) not in ((kind, len(chunk)) for chunk, kind in chunks):
            return data
        return b"".join([PNG, *(chunk for chunk, kind in chunks if kind[:1].isupper() or kind == b"tRNS")])
    if data.startswith(JPEG):
        segments, rest = _segments(data)
        return b"".join([JPEG, *(segment for segment in segments if _shapes_pixels(segment)), rest])
    return data


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, each whole, and their kinds. The last one may be cut short."""
    chunks, place = [], len(PNG)
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        chunks.append((data[place : place + length + 12], data[place + 4 : place + 8]))
        place += length + 12
    return chunks


def _segments(data: bytes) -> tuple[list[bytes], bytes]:
    """The segments of a JPEG before its first scan, as a decoder finds them, and all from that scan on."""
    segments, place = [], len(JPEG)
    while (found := MARKER.search(data, place)) is not None and data[found.end() - 1] != START_OF_SCAN:
        place = found.end()
        length = int.from_bytes(data[place : place + 2])
        segments.append(b"\xff" + data[place - 1 : place + length])
        place += max(length, 2)
    return segments, data[found.end() - 2 :] if found else b""


def _shapes_pixels(segment: bytes) -> bool:
    """Whether a segment decides on pixels; of the applications' own, those that say how colours are stored do."""
    kind = segment[1]
    return not (0xE0 <= kind <= 0xEF or kind == 0xFE) or segment[4:8] == b"JFIF" or segment[4:9] == b"Adobe"


def end_of_jpeg(data: bytes) -> int | None:
    """Where the marker stands that ends a JPEG's image; None where there is none. Another image may follow it."""
    place = len(data) - len(_segments(data)[1])
    while (found := MARKER.search(data, place)) is not None:
        kind = data[found.end() - 1]
        if kind == END_OF_IMAGE:
            return found.start()
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return None


def orientation(data: bytes) -> int:
    """How the camera says that a JPEG, PNG or WebP is to be turned: 1, not at all, to 8 (EXIF 2.3, tag 274)."""
    found = EXIF.search(data)
    if not found:
        return 1
    start, order = found.start(1), "<" if found[1][:1] == b"I" else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", data, start + 4)
        (count,) = struct.unpack_from(f"{order}H", data, start + first)
        for place in range(start + first + 2, start + first + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, place)
            if tag == ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # cut short: decoders leave it out as well
        pass
    return 1
