"""Which files are images: by their names, and by their first bytes."""

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm")  # extensions
MAGIC_BYTES = 16
STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"II*\0",  # TIFF, and below BigTIFF
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"\0\0\1\0",  # icons
)
BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


def is_image(head: bytes) -> bool:
    """Whether a file that begins with these MAGIC_BYTES is of an image's form."""
    return (
        head.startswith(STARTS)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in BRANDS)
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace())  # PBM, PGM, PPM
    )
