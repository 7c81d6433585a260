from pathlib import Path

import pytest

from scaling.store.storage import Storage
from tests.helpers import finished_study as made


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
