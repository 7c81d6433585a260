import sys
from pathlib import Path

import pytest

from scaling.storage import Storage

sys.path.insert(0, str(Path(__file__).parent))  # for made_study.py, the study that these tests read

import made_study as made


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The whole made study; tests read it and write elsewhere."""
    storage = Storage.of(tmp_path_factory.mktemp("study"))
    made.study(storage)
    return storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty place."""
    return Storage.of(tmp_path)
