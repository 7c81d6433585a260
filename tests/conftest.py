"""Parts that many tests share: a tiny study's specs, and one Ray cluster for the whole session."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.helpers.shapes import check_shapes, forget_compiled_code

check_shapes()

from scaling.data.catalog import ifs
from scaling.data.resolve import resolve
from scaling.specs.pretraining import Dataset, Pretrain
from scaling.specs.study import Task
from scaling.store.storage import Storage
from tests.helpers.specs import RECIPE, TINY, TUNING

# No property is a timed test: on a busy machine a first example, with its imports, takes seconds.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is known of the tests' data goes with them, not into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _fresh_compiler() -> None:
    forget_compiled_code()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty storage."""
    made = Storage.of(tmp_path / "storage")
    made.make()
    return made


@pytest.fixture(scope="session")
def data() -> Dataset:
    """Four classes of 24 fractals of 16 pixels to train on, two a class to test on."""
    return resolve(ifs(classes=4, images=24, size=16))


@pytest.fixture
def tiny_run(data: Dataset) -> Pretrain:
    """24 steps of 8 images: two passes over 96, ten of which are held out."""
    return Pretrain("tiny", TINY, data, 1e-3, 2.2, RECIPE, resolution=16, dev_fraction=0.1)


@pytest.fixture
def tiny_task(data: Dataset) -> Task:
    """Six steps at two rates."""
    return Task("fractals", data, (0.01, 0.1), 6, TUNING, dev_fraction=0.25, resolution=16)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a local Ray cluster of two CPUs, which `clusters.execution.ray_session` joins."""
    import ray

    from clusters.execution.ray_session import session

    with session(num_cpus=2):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Host and port of an S3 server with the bucket 'bucket'; the environment has credentials for it."""
    server_of = pytest.importorskip("moto.server")
    from pyarrow import fs

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        driver = fs.S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True)
        driver.create_dir("bucket")
        yield f"{host}:{port}"
        server.stop()


@pytest.fixture
def s3(s3_server: str) -> Storage:
    """An empty storage on S3."""
    return Storage.of(f"s3://bucket/{uuid.uuid4().hex}/?endpoint_override={s3_server}&scheme=http&region=us-east-1")


@pytest.fixture(params=["local", "fsspec", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of each kind."""
    if request.param == "s3":
        made: Storage = request.getfixturevalue("s3")
        return made
    return Storage.of(tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}")
