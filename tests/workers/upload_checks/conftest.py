"""What tests of sandboxed checks share: packages, the upload door, and the worker behind it."""

import io
from collections.abc import Callable, Iterator, Mapping

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.models import Publication, UploadRead
from catalog.uploads.service import UploadService
from workers import upload_checking
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.sandbox.run import Sandbox
from workers.upload_checks import Bench

Upload = Callable[..., UploadRead]
Work = Callable[[], list[str]]


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """Make the inside of a worker process that checks uploads."""
    made = App(settings, registry([upload_checking.WORKER]))
    yield made
    made.close()


@pytest.fixture
def work(app: App) -> Work:
    """Return what lets the worker do everything that is due, and names the jobs."""
    return lambda: drain(app)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return what a check works with: the real sandbox, and nobody who follows the steps."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    return Bench(settings, Sandbox().run, lambda *_: None, lambda _: None)


@pytest.fixture
def send(database: Database, settings: Settings, acme: Principal) -> Callable[[bytes], Publication]:
    """Return what brings an archive of ``acme`` to the door."""

    def sent(archive: bytes) -> Publication:
        with database.tenant_session(acme.tenant_id) as session:
            return UploadService(session, open_blobs(settings)).receive(acme, io.BytesIO(archive))

    return sent


@pytest.fixture
def check(
    send: Callable[[bytes], Publication], work: Work, database: Database, settings: Settings, acme: Principal
) -> Upload:
    """Return what uploads the files of a package, lets the worker check it, and returns the upload."""

    def checked(files: Mapping[str, bytes]) -> UploadRead:
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        publication = send(archive)
        assert publication.upload is not None
        work()
        with database.tenant_session(acme.tenant_id) as session:
            return UploadService(session, open_blobs(settings)).get(acme.tenant_id, publication.upload.id)

    return checked
