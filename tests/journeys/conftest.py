"""One running Slipway for every journey: the real supervisor on free ports, watched from outside."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from catalog.settings import inherited_environment
from catalog.tenancy import ALL_SCOPES

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
# How each part's command line looks in the list of processes.
PARTS = {
    "portal": r" -m portal$",
    "worker": r" -m workers\.runtime\.work$",
    "relay": r" -m workers\.runtime\.relay$",
    "process host": r" -m workers\.process_host ",
    "haproxy": r"haproxy -W -db ",
    "postgres": r"/postgres -D ",
    "redis": r"redis-server ",
}
# Generous: the machine may be busy with other things.
READY_SECONDS = 280.0
STOP_SECONDS = 10.0

APPLICATION = """
import http.server, os, sys, time

def option(name):
    return open(name).read() if os.path.exists(name) else ""

print("starting", flush=True)
if option("exit"):
    print("the database is missing", flush=True)
    sys.exit(3)
if option("flood"):
    line = b"x" * 1023 + b"\\n"
    for _ in range(int(option("flood"))):
        sys.stdout.buffer.write(line * 1024)
    print("the flood is over", flush=True)
time.sleep(float(option("delay") or 0))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if option("ill") else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(("<title>app</title>" + option("version") + " " + os.environ["GREETING"]).encode())

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """Look again and again until there is something, and return it; fail saying ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still waiting: {what}"
        time.sleep(0.1)


def free_ports() -> int:
    """Return a port that is free together with those that Slipway takes beside it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= 65000 and all(_is_free(each) for each in (port, port + 80, port + 81)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Repository:
    """A git repository with a small web application, whose pull requests follow its main branch."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        command = ["git", "-C", str(self.path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def commit(self, version: str, **files: str) -> str:
        """Commit the application, which then answers with ``version``; ``files`` steer what else it does."""
        for name in ("exit", "ill", "delay", "flood"):
            (self.path / name).unlink(missing_ok=True)
        contents = {"app.py": APPLICATION, "Procfile": "web: python3 app.py\n", "version": version, **files}
        for name, text in contents.items():
            (self.path / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--no-gpg-sign", "--message", version)
        return self.git("rev-parse", "HEAD")


@dataclass
class Visits:
    """What somebody saw who kept loading a page: each new sight once, in order."""

    seen: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0

    def add(self, status: int, text: str) -> None:
        """Take in one more sight."""
        self.count += 1
        if not self.seen or self.seen[-1] != (status, text):
            self.seen.append((status, text))


class Installation:
    """The Slipway under test, and everything that somebody at its machine can do with it or to it."""

    def __init__(self, data: Path, home: Path) -> None:
        self.data = data
        self.home = home
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.preview_port = self.port + 80
        self.said = home / "said.log"
        self.front: subprocess.Popen[bytes] | None = None
        self.link = ""
        # A connection for each visit, as from a visitor who comes for the first time.
        self._visitor = httpx.Client(timeout=10, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._family: list[psutil.Process] = []
        self._token = ""

    # Starting and stopping

    def start(self) -> float:
        """Start it as ``make run`` does and wait until it says that it is ready; return the seconds that took."""
        began = time.monotonic()
        kept = {name: value for name, value in inherited_environment().items() if not name.startswith("SLIPWAY_")}
        variables = {**kept, "PORT": str(self.port), "SLIPWAY_DATA": str(self.data)}
        with self.said.open("wb") as said:
            self.front = subprocess.Popen(
                [PYTHON, "-P", "-m", "workers.embedded"],
                env=variables,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.link = until(f"Slipway is ready; it said: {self.words}", self._ready_link, READY_SECONDS)
        took = time.monotonic() - began
        # It holds for a quarter of an hour only, which the tests together may take.
        signed_in = httpx.get(self.link, headers={"Accept": "text/html"}, timeout=60, trust_env=False)
        assert signed_in.status_code == 303, signed_in.text
        return took

    def _ready_link(self) -> str:
        assert self.front is not None
        assert self.front.poll() is None, f"it ended: {self.words()}"
        _, _, rest = self.words().partition("Slipway is ready at ")
        return rest.partition("\n")[0].strip() if "\n" in rest else ""

    def words(self) -> str:
        """Return what it has said so far."""
        return self.said.read_text(errors="replace") if self.said.exists() else ""

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Tell it to stop; return its exit status and the seconds that took."""
        assert self.front is not None
        self.remember_family()
        began = time.monotonic()
        self.front.send_signal(number)
        status = self.front.wait(60)
        return status, time.monotonic() - began

    def remember_family(self) -> None:
        """Keep the processes that run now, to look later whether any is left."""
        assert self.front is not None
        self._family = psutil.Process(self.front.pid).children(recursive=True)

    def survivors(self) -> list[str]:
        """Name every process that still runs on the data directory, or did and still runs."""
        found = {each.pid: each for each in self._family if _is_alive(each)}
        found.update({each.pid: each for each in _processes_in(self.data)})
        return [f"{each.pid}: {_command(each)}" for each in found.values()]

    def is_ready(self) -> bool:
        """Tell whether environments could be made now."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=10, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def make_ready(self) -> None:
        """Have it run and be ready, whatever a test before did to it."""
        if self.front is None or self.front.poll() is not None:
            self.start()
        until("Slipway is ready again", self.is_ready, READY_SECONDS)

    # Its processes

    def part(self, name: str) -> psutil.Process | None:
        """Return the process of one of its parts, None where that does not run at the moment."""
        processes = self.supervisor().children()
        return next((each for each in processes if re.search(PARTS[name], _command(each))), None)

    def kill_part(self, name: str) -> None:
        """Kill one of its parts outright."""
        part = until(f"{name} runs", lambda: self.part(name), 30)
        part.kill()
        with suppress(psutil.NoSuchProcess):
            part.wait(10)

    def wait_for_part(self, name: str, *, other_than: int) -> psutil.Process:
        """Wait until the supervisor has started a part again."""

        def look() -> psutil.Process | None:
            part = self.part(name)
            return part if part is not None and part.pid != other_than else None

        return until(f"{name} was started again", look, 60)

    def supervisor(self) -> psutil.Process:
        """Return the process that tends the parts."""
        assert self.front is not None
        return psutil.Process(self.front.pid).children()[0]

    # Its doors

    @property
    def variables(self) -> dict[str, str]:
        """The environment of somebody at a terminal beside it, with a home of their own."""
        path = f"{Path(PYTHON).parent}:{inherited_environment()['PATH']}"
        home = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        return {"PATH": path, "LC_ALL": "C.UTF-8", "SLIPWAY_DATA": str(self.data), **home}

    def command(
        self, *arguments: object, cwd: Path | None = None, stdin: str = "", status: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run ``slipway`` as a person does, and expect an exit status (None: any)."""
        done = subprocess.run(
            [str(Path(PYTHON).with_name("slipway")), *map(str, arguments)],
            env=self.variables,
            cwd=cwd or self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = f"slipway {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert status is None or done.returncode == status, said
        return done

    def json(self, *arguments: object) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        return json.loads(self.command(*arguments, "--json").stdout)

    def new_link(self) -> str:
        """Return a sign-in link that nobody has used."""
        return self.command("sign-in-link").stdout.strip()

    @property
    def token(self) -> str:
        """A token of the tenant ``demo`` that may do everything."""
        if not self._token:
            scopes = [f"--scope={scope}" for scope in sorted(ALL_SCOPES) if scope.endswith(":admin")]
            self._token = self.command("token", "create", "--tenant=demo", "--name=tests", *scopes).stdout.strip()
        return self._token

    def call(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call the API at ``path`` below ``/api/v1``."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = f"{self.url}/api/v1{path}"
        return httpx.request(method, address, headers=headers, timeout=60, trust_env=False, **content)

    def request(self, repository: Repository | Path, number: int = 7, **asked: Any) -> Any:
        """Ask for an environment over HTTP and return what was accepted."""
        where = repository.path if isinstance(repository, Repository) else repository
        body = {"repository": str(where), "pull_request": number, "blueprint": "demo/journey", **asked}
        answer = self.call("POST", "/environments/ephemeral", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def look(self, environment_id: str) -> Any:
        """Return an environment as the API shows it."""
        answer = self.call("GET", f"/environments/{environment_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for_phase(self, environment_id: str, phase: str, seconds: float = 90) -> Any:
        """Wait until an environment is in a phase (ready: for all that is wanted); the portal may be away meanwhile."""
        last: Any = None

        def look() -> Any:
            nonlocal last
            with suppress(httpx.HTTPError, AssertionError):
                last = self.look(environment_id)
                behind = phase == "ready" and last["generation"] != last["observed_generation"]
                return last if last["phase"] == phase and not behind else None
            return None

        try:
            return until(f"environment {environment_id} is {phase}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\nlast: {json.dumps(last, indent=1)}\nit said: {self.words()}") from None

    def destroy(self, environment_id: str, seconds: float = 90) -> None:
        """Have an environment destroyed and see that nothing of it is left."""
        environment = self.look(environment_id)
        assert self.call("DELETE", f"/environments/{environment_id}").status_code == 202
        self.wait_for_phase(environment_id, "destroyed", seconds)
        assert self.left_of(environment) == []

    def visit(self, environment: Mapping[str, Any], path: str = "/") -> tuple[int, str]:
        """Load a page of the application through HAProxy; status 0 where nobody answers."""
        address = f"http://127.0.0.1:{self.preview_port}{path}"
        try:
            answer = self._visitor.get(address, headers={"Host": environment["hostname"]})
        except httpx.HTTPError as error:
            return 0, repr(error)
        return answer.status_code, answer.text

    @contextmanager
    def visiting(self, environment: Mapping[str, Any]) -> Iterator[Visits]:
        """Load the application's page again and again while the block runs."""
        visits, stop = Visits(), threading.Event()

        def visit() -> None:
            while not stop.wait(0.02):
                visits.add(*self.visit(environment))

        thread = threading.Thread(target=visit)
        thread.start()
        try:
            yield visits
        finally:
            stop.set()
            thread.join(30)

    def stacks(self, environment_id: str) -> list[str]:
        """Name the Pulumi stacks of an environment."""
        folder = self.data / "pulumi-state" / ".pulumi" / "stacks"
        return sorted(path.stem for path in folder.rglob("*.json") if _belongs(path.name, environment_id))

    def routes(self) -> dict[str, str]:
        """Return the port that each host name leads to."""
        lines = (self.data / "haproxy" / "routes.map").read_text().splitlines()
        return dict(line.split() for line in lines if line.strip())

    def applications(self, environment_id: str) -> list[psutil.Process]:
        """Return the processes of an environment's application that have no parent among them."""
        folder = self.data / "environments" / environment_id
        found = {each.pid: each for each in _processes_in(folder)}
        return [each for each in found.values() if each.ppid() not in found]

    def left_of(self, environment: Mapping[str, Any]) -> list[str]:
        """Name everything of an environment that is found anywhere."""
        number, host = environment["id"], environment["hostname"]
        left = [f"process {_command(each)}" for each in self.applications(number)]
        left += [f"route {name}" for name in self.routes() if name == host]
        if self.visit(environment)[0] != 404:
            left.append(f"answers at {host}")
        table = json.loads((self.data / "processes" / "table.json").read_text())
        left += [f"wanted process {each['spec']['id']}" for each in table["processes"] if number in each["spec"]["id"]]
        kept = (path for path in self.data.rglob("*") if path.parts[len(self.data.parts)] not in {"postgres", "blobs"})
        return left + [str(path) for path in kept if _belongs(path.name, number) or host in path.name]


def _belongs(name: str, environment_id: str) -> bool:
    return environment_id in name or environment_id.replace("-", "")[:12] in name


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        # Where a copy of the supervisor has a shorter line than that had, the rest of it is empty.
        return " ".join(filter(None, process.cmdline()))
    return ""


def _processes_in(folder: Path) -> Sequence[psutil.Process]:
    """Return the processes whose working directory or command line is below ``folder``."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            places = [process.cwd(), *process.cmdline()]
            if _is_alive(process) and any(str(folder) in place for place in places):
                found.append(process)
    return found


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """Start Slipway once, with the demo; in the end it stops in time, with status 0, and leaves nothing running."""
    data = Path(tempfile.mkdtemp(prefix="slw-"))
    home = Path(tempfile.mkdtemp(prefix="slw-home-"))
    # Applications run as other users, who have to come through here.
    data.chmod(0o711)
    made = Installation(data, home)
    try:
        made.start()
        made.command("login", "--local")
        yield made
        made.make_ready()
        status, seconds = made.stop()
        assert (status, made.survivors()) == (0, []), made.words()
        assert seconds < STOP_SECONDS, f"stopping took {seconds:.1f} s: {made.words()}"
    finally:
        if made.front is not None and made.front.poll() is None:
            made.front.kill()
            made.front.wait(30)
        until("everything has ended", lambda: not made.survivors(), 30)
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def slipway(installation: Installation) -> Installation:
    """Return the one running Slipway, ready again whatever the test before did to it."""
    installation.make_ready()
    return installation


@pytest.fixture(scope="session")
def blueprints(installation: Installation) -> None:
    """Publish ``demo/journey``, and ``demo/hasty``, which waits three seconds for an application."""
    installation.make_ready()
    for name in ("journey", "hasty"):
        installation.command("asset", "init", "deployment-blueprint", name)
        manifest = installation.home / name / "asset.yaml"
        patience = "PT3S" if name == "hasty" else "PT60S"
        manifest.write_text(manifest.read_text().replace("timeout: PT60S", f"timeout: {patience}"))
        installation.command("publish", name)


@pytest.fixture(scope="session")
def new_repository(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Repository]:
    """Return what makes repositories with pull request 7: ``new_repository("shop", delay="2")``."""

    def make(name: str, **files: str) -> Repository:
        made = Repository(tmp_path_factory.mktemp("repositories") / name)
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(made.path)], check=True, timeout=60)
        made.commit("one", **files)
        made.git("symbolic-ref", "refs/pull/7/head", "refs/heads/main")
        return made

    return make


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """Return what looks again and again until there is something: ``wait_until(what, look, seconds)``."""
    return until
