"""`python -m tests.faults.one_report STORAGE [OPERATION MOMENT]`: a study's report, which ends at a file operation.

Without one it prints its operations. A process of its own: polars has threads, which no fork takes along.
"""

import sys
from pathlib import Path
from typing import Any

from analysis.report import report
from tests.faults.crashes import Point, operations_of


def main(place: str, *point: Any) -> None:
    at = Point(int(point[0]), point[1]) if point else None
    print(*operations_of(lambda: report(place), Path(place), at))


if __name__ == "__main__":
    main(*sys.argv[1:])
