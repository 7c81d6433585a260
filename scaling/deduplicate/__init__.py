"""De-duplication, finding upstream images that are copies of test images: `python -m scaling.deduplicate`."""

from scaling.deduplicate.hamming import hamming_index
from scaling.deduplicate.matching import RADIUS, Matches, describe_tests, find_copies, over_blocks
from scaling.deduplicate.perceptual import SIDE, perceptual_hashes, thumbnail

__all__ = [
    "RADIUS",
    "SIDE",
    "Matches",
    "describe_tests",
    "find_copies",
    "hamming_index",
    "over_blocks",
    "perceptual_hashes",
    "thumbnail",
]
