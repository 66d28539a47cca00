"""Our index beside devpi-server and pypiserver in one run: ``python tests/bench/bench_standard_doors.py``.

Uploads of 1 MiB until the file is listed, the pages of a project with many versions and of the root, and downloads of
1 MiB, each by one client and by eight at once. The same wheels, the same client, the same disk; the peers are
installed into a virtual environment of their own that is thrown away. Ours is the whole embedded default: it
checks a token on every request, looks into each wheel in a sandbox before it is listed, and is backed by a PostgreSQL
with fsync. The peers check nothing, and are asked without credentials except for uploads to devpi-server.
"""

import argparse
import base64
import hashlib
import io
import json
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy import text

from catalog import running as running_installation
from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import NOTHING_DERIVED
from catalog.assets.check import check_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.gates import open_database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService
from catalog.uploads.wheels import SentWheel, WheelUploads
from workers.sandbox import MIB, SandboxLimits, Task
from workers.sandbox.run import Sandbox
from workers.upload_checks import program

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
PEERS = {"devpi-server": "devpi-server==6.20.0", "pypiserver": "pypiserver==2.4.1"}
MANY = "bench-many"
OWNER = "root"  # the account that devpi-server begins with
COMMITS = 3
"""How often an upload is committed on its way: taken in, handed out, published."""
UPLOAD = "wheel of 1 MiB, to listed, ms"


@dataclass
class Index:
    """One server under test: where its pages and its upload door are, and how to speak to it."""

    name: str
    root: str
    upload: str
    headers: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    floor: dict[str, float] = field(default_factory=dict)
    seed: Callable[[tuple[str, bytes]], None] | None = None
    look_at_floor: Callable[["Index", int], None] | None = None

    def client(self) -> httpx.Client:
        """Return a client that keeps its connection, as installers do."""
        return httpx.Client(headers={"Accept": PIP, **self.headers}, timeout=60, follow_redirects=True)

    def page(self, project: str) -> str:
        """Return the address of a project."""
        return f"{self.root}{project}/"


COMPONENT = b'''"""A bucket with what belongs to it."""

from typing import Optional, TypedDict

import pulumi


class BucketArgs(TypedDict):
    region: pulumi.Input[str]
    """Where it lies."""
    versions: Optional[pulumi.Input[int]]
    tags: Optional[pulumi.Input[dict[str, pulumi.Input[str]]]]


class Bucket(pulumi.ComponentResource):
    url: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("bench:index:Bucket", name, {}, opts)
'''


def wheel(project: str, version: str, size: int = 0) -> tuple[str, bytes]:
    """Return a wheel with one component, whose types are read, and ``size`` bytes that do not compress."""
    module = project.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    noise = random.Random(f"{project} {version}").randbytes(size)  # noqa: S311  # filling, not a secret
    content = {
        f"{module}/__init__.py": COMPONENT,
        f"{module}/PulumiPlugin.yaml": b"runtime: python\n",
        f"{module}/noise.bin": noise,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    content[f"{info}/RECORD"] = ("\n".join([*lines, f"{info}/RECORD,,"]) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for path, data in content.items():
            packed.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


def send(client: httpx.Client, index: Index, project: str, version: str, file: tuple[str, bytes]) -> None:
    """Upload a wheel as twine does."""
    name, data = file
    form = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": project,
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(data).hexdigest(),
    }
    answer = client.post(index.upload, data=form, files={"content": (name, data, "application/octet-stream")})
    assert answer.status_code == 200, (index.name, answer.status_code, answer.text[:300])


def median_ms(action: Callable[[int], None], count: int) -> float:
    """Return the median time of one run of ``action``, in milliseconds."""
    times = []
    for number in range(count):
        started = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def per_second(index: Index, url: str, seconds: float) -> float:
    """Return how many reads of ``url`` eight clients get through, a second."""
    until = time.perf_counter() + seconds

    def read(_number: int) -> int:
        done = 0
        with index.client() as client:
            while time.perf_counter() < until:
                assert client.get(url).status_code == 200
                done += 1
        return done

    with ThreadPoolExecutor(8) as threads:
        return sum(threads.map(read, range(8))) / seconds


def measure(index: Index, count: int, seconds: float, versions: int) -> None:
    """Take every figure of one server."""
    with index.client() as client:

        def upload(number: int) -> None:
            project, version = f"bench-upload-{number}", "1.0.0"
            file = wheel(project, version, 1024 * 1024)
            send(client, index, project, version, file)
            while file[0] not in client.get(index.page(project)).text:
                time.sleep(0.005)

        index.figures[UPLOAD] = median_ms(upload, count)
        name, data = wheel("bench-upload-0", "1.0.0", 1024 * 1024)
        page = client.get(index.page("bench-upload-0"))
        file = str(page.url.join(address_in(page, name)))
        assert client.get(file).content == data
        many = f"{versions} versions"
        reads = {many: index.page(MANY), "root": index.root, "download of 1 MiB": file}
        listed = wait_until_listed(client, reads[many], versions)
        assert listed == versions, f"{index.name} lists {listed} of {versions} versions"
        for what, url in reads.items():
            client.get(url)
            index.figures[f"{what}, ms"] = median_ms(partial(read, client, url), count * 5)
    for what, url in reads.items():
        index.figures[f"{what}, by eight, /s"] = per_second(index, url, seconds)


def wait_until_listed(client: httpx.Client, url: str, versions: int) -> int:
    """Return how many wheels a page lists, when it lists all of them or ten seconds have passed."""
    until = time.monotonic() + 10
    while True:
        listed = len(set(re.findall(r"[a-z_]+-[0-9.]+-py3-none-any\.whl(?!\.)", client.get(url).text)))
        if listed == versions or time.monotonic() > until:
            return listed
        time.sleep(0.2)


def read(client: httpx.Client, url: str, _number: int) -> None:
    """Read an address once."""
    assert client.get(url).status_code == 200


def address_in(page: httpx.Response, filename: str) -> str:
    """Return the address of a file in a page of either form."""
    if page.headers["content-type"].startswith("application/vnd.pypi.simple.v1+json"):
        return next(str(each["url"]) for each in page.json()["files"] if each["filename"] == filename)
    before, _, _ = page.text.partition(f">{filename}<")
    return before.rpartition('href="')[2].partition('"')[0].partition("#")[0]


def free_port(*beside: int) -> int:
    """Return a port that nobody uses at the moment, and none of those that lie ``beside`` it either.

    Below those that the system hands out to clients, which come and go.
    """
    while True:
        port = random.randrange(12_000, 30_000)  # noqa: S311  # a place, not a secret
        try:
            for each in (port, *(port + step for step in beside)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port


@contextmanager
def running(command: list[str], url: str) -> Iterator[None]:
    """Run a server while the block runs."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(url)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            else:
                log.seek(0)
                raise RuntimeError(log.read().decode(errors="replace")[-2000:])
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def slipway(folder: Path) -> Iterator[Index]:
    """Run the embedded default: portal, worker with its sandbox, relay, PostgreSQL and Redis."""
    data = folder / "slipway"
    command = [sys.executable, "-m", "workers.embedded", "--data", str(data), "--port", str(free_port(80, 81))]
    with (folder / "slipway.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        for line in process.stdout or ():
            if "Slipway is ready at" in line:
                break
        settings = running_installation.find(data)
        assert settings is not None, (folder / "slipway.log").read_text()[-2000:]
        database = open_database(settings)
        tenant = bootstrap.ensure_tenant(database, bootstrap.DEFAULT_TENANT)
        token = bootstrap.create_token(database, tenant.name, "bench", ["assets:write"], days=1)
        door = f"{settings.base_url}/t/{tenant.name}"
        index = Index("slipway", f"{door}/simple/", f"{door}/legacy/", {"Authorization": f"Bearer {token}"})
        index.seed = partial(seed, database, settings, system_principal(tenant.id, tenant.name))
        index.look_at_floor = lambda index, count: measure_floor(index, database, settings, count)
        with index.client() as client:
            index.figures["archive of 1 MiB, without sandbox, ms"] = median_ms(
                partial(archive_without_sandbox, client, settings.base_url, tenant.name), 10
            )
        yield index
        database.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def seed(database: Database, settings: Settings, principal: Principal, file: tuple[str, bytes]) -> None:
    """Publish a wheel as its upload would, without the sandbox: hundreds of them are not what is measured."""
    with database.tenant_session(principal.tenant_id) as session:
        blobs = open_blobs(settings)
        publication = WheelUploads(session, blobs).receive(principal, SentWheel(*file, {}))
        assert publication.upload is not None
        checked = check_archive(blobs.read(publication.upload.blob_digest))
        UploadService(session, blobs).conclude(principal.tenant_id, publication.upload.id, checked, [], NOTHING_DERIVED)


def measure_floor(index: Index, database: Database, settings: Settings, count: int) -> None:
    """Take what no upload of a component can do without, each alone on the idle machine: the least that it can take.

    Types are read where a process waits that has imported everything beforehand; the commits carry one record each.
    """
    name, data = wheel("bench-floor", "1.0.0", 1024 * 1024)
    source = program("analyze_components")
    task = Task(
        ["python", "-I", str(source)],
        files={name: data},
        readable=(source,),
        collect=("result.json",),
        line=json.dumps({"wheel": name}),
        limits=SandboxLimits(wall_seconds=120, cpu_seconds=100, memory_bytes=1536 * MIB),
    )
    sandbox = Sandbox(spares=True)
    try:
        sandbox.run(task)
        times = []
        for _ in range(count):
            time.sleep(1)  # until the next one waits
            started = time.perf_counter()
            outcome = sandbox.run(task)
            times.append(time.perf_counter() - started)
            assert "schema" in json.loads(outcome.files["result.json"])
    finally:
        sandbox.close()

    def commit(_number: int) -> None:
        for _ in range(COMMITS):
            with database.tenant_session(None) as session:
                session.connection().execute(text("SELECT pg_logical_emit_message(true, 'bench', 'written')"))

    files = [wheel(f"bench-kept-{number}", "1.0.0", 1024 * 1024)[1] for number in range(count)]

    def keep(number: int) -> None:
        open_blobs(settings).write(io.BytesIO(files[number]))

    floor = {
        "components read in the sandbox, ms": statistics.median(times) * 1000,
        f"{COMMITS} durable commits, ms": median_ms(commit, count),
        "1 MiB kept durably, ms": median_ms(keep, count),
    }
    index.floor = {**floor, "together: the least there is, ms": sum(floor.values())}


def archive_without_sandbox(client: httpx.Client, url: str, tenant: str, number: int) -> None:
    """Publish an asset of a kind that nothing has to be run for, until the API shows it."""
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", tenant, f"b{number}").items()}
    noise = random.Random(number).randbytes(1024 * 1024)  # noqa: S311  # filling, not a secret
    files["docs/noise.bin"] = PackageFile(noise)
    archive = build_archive(files, effort=0).data
    answer = client.post(f"{url}/api/v1/assets", files={"archive": ("a", archive, "application/gzip")})
    assert answer.status_code == 201, answer.text
    assert client.get(f"{url}{answer.headers['location']}").status_code == 200


@contextmanager
def devpi(folder: Path, tools: Path) -> Iterator[Index]:
    """Serve devpi-server with one index that has no base."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    data = str(folder / "devpi")
    subprocess.run(
        [tools / "devpi-init", "--serverdir", data, "--root-passwd", "bench", "--no-root-pypi"],
        check=True,
        capture_output=True,
    )
    with running([str(tools / "devpi-server"), "--serverdir", data, "--port", str(port)], url):
        login = httpx.post(f"{url}/+login", json={"user": OWNER, "password": "bench"}).json()["result"]["password"]
        header = base64.b64encode(f"{OWNER}:{login}".encode()).decode()
        made = httpx.put(f"{url}/{OWNER}/bench", json={"bases": []}, headers={"X-Devpi-Auth": header})
        assert made.status_code == 200, made.text
        yield Index("devpi-server", f"{url}/{OWNER}/bench/+simple/", f"{url}/{OWNER}/bench/", {"X-Devpi-Auth": header})


@contextmanager
def pypiserver(folder: Path, tools: Path) -> Iterator[Index]:
    """Serve pypiserver on a folder, open to everyone."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    packages = folder / "pypiserver"
    packages.mkdir()
    command = [str(tools / "pypi-server"), "run", "-p", str(port), "-i", "127.0.0.1", "-P", ".", "-a", "."]
    with running([*command, "--disable-fallback", str(packages)], url):
        yield Index("pypiserver", f"{url}/simple/", f"{url}/")


def install(folder: Path) -> Path:
    """Install the peers into an environment of their own; return where their commands are."""
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEERS.values(), "waitress"], check=True)
    return folder / "bin"


def main() -> None:
    """Measure, and print each figure with its ratio to the peers'."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="uploads; reads are five times as many")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long eight clients read")
    parser.add_argument("--versions", type=int, default=500)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="slw-bench-"))
    try:
        tools = install(folder / "peers")
        with ExitStack() as stack:
            indexes = [
                stack.enter_context(each) for each in (slipway(folder), devpi(folder, tools), pypiserver(folder, tools))
            ]
            for index in indexes:
                with index.client() as client:
                    for number in range(arguments.versions):
                        version = f"1.{number}.0"
                        file = wheel(MANY, version)
                        if index.seed is None:
                            send(client, index, MANY, version, file)
                        else:
                            index.seed(file)
            for index in indexes:
                measure(index, arguments.count, arguments.seconds, arguments.versions)
            for index in indexes:
                if index.look_at_floor is not None:
                    index.look_at_floor(index, arguments.count)
        ours = indexes[0]
        print(f"{'':34}" + "".join(f"{each.name:>14}" for each in indexes) + "   ratio (above 1: ours is ahead)")
        for what, figure in ours.figures.items():
            compared = [each.figures.get(what, each.figures[UPLOAD]) for each in indexes[1:]]
            ratios = [figure / each if what.endswith("/s") else each / figure for each in compared]
            shown = "".join(f"{each:14.1f}" for each in (figure, *compared))
            print(f"{what:34}{shown}   " + "  ".join(f"{each:.1f}" for each in ratios))
        print("what an upload cannot do without, alone on the idle machine, beside a peer's whole upload:")
        for what, figure in ours.floor.items():
            print(f"{what:34}{figure:14.1f}" + "".join(f"{each.figures[UPLOAD]:14.1f}" for each in indexes[1:]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
