"""URIs of object stores as people write them, made into those that Arrow's drivers take."""

import re
from urllib.parse import quote

OWN_DRIVERS = ("s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")  # schemes that Arrow opens itself
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
SAFE = "%/:@!$&'()*+,;=~"  # may stand in a path as they are


def encoded(uri: str) -> str:
    """A URI whose key has any characters, such as `s3://bucket/my runs/#1 ü`, percent-encoded as Arrow needs it.

    What is encoded already stays: `%20` is a space, as it always was, and a percent sign before two hexadecimal digits
    is written `%25`. The first question mark begins the driver's settings: one in a key is written `%3F`.
    """
    place, mark, settings = LONE_PERCENT.sub("%25", uri).partition("?")
    scheme, colon, rest = place.partition("://")
    return scheme + colon + quote(rest, safe=SAFE) + mark + quote(settings, safe=SAFE + "?")


def as_written(name: str) -> str:
    """A file's name as a part of a URI that `encoded` reads back: only what would mean something else is encoded."""
    return name.replace("%", "%25").replace("?", "%3F")


def shown(uri: str) -> str:
    """A URI for a message: without the login before its bucket, and without settings, either of which may hold keys."""
    scheme, colon, rest = uri.partition("?")[0].partition("://")
    login, at, place = rest.rpartition("@")
    # an at sign after a slash may be the key's own: then the bucket's name stands before it
    return f"{scheme}{colon}" + (f"...@{place}" if at and ":" in login else rest)


def opened_by_arrow(uri: str) -> bool:
    """Whether Arrow has a driver of its own for it, so that nothing has to be installed."""
    return uri.partition("://")[0] in OWN_DRIVERS
