"""What the documents show is so: every command and block of code, most of them run against the running Slipway."""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from catalog.assets.check import check_directory
from catalog.assets.skeletons import skeleton
from portal.cli.commands import COMMANDS

# The classes of these fixtures live in conftest.py, which test files do not import.
Installation = Any
NewRepository = Callable[..., Any]

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SAMPLE = "hello-slipway"


@dataclass(frozen=True)
class Block:
    """A block of code in a document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    def commands(self) -> Iterator[str]:
        """Yield the commands that a person would type, each on one line."""
        text = self.text.replace("\\\n", " ")
        for line in text.splitlines():
            if self.language == "console" and line.startswith("$ "):
                yield line[2:]
            elif self.language in {"sh", ""} and re.match(r"(\S*/)?(slipway|make|curl|git) ", line):
                yield line


def blocks(document: Path) -> list[Block]:
    """Return the blocks of code of a document, in order."""
    text, name = document.read_text(), str(document.relative_to(ROOT))
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(name, text[: each.start()].count("\n") + 1, each[1], each[2]) for each in found]


BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
COMMAND_LINES = [(block, line) for block in BLOCKS for line in block.commands()]


def arguments_of(line: str) -> list[str] | None:
    """Return the arguments of ``slipway`` in a line of shell, None where it is about something else."""
    inner = re.search(r"\$\((slipway .*?)\)", line)
    words = shlex.split(inner[1] if inner else line, comments=True)
    words = words[: words.index("<")] if "<" in words else words
    return words[1:] if words and words[0].rpartition("/")[2] == "slipway" else None


def resolve(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that ``arguments`` mean, and what is left for it."""
    command: click.Command = COMMANDS
    left = list(arguments)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        found = command.get_command(click.Context(command), left[0])
        assert found is not None, f"slipway has no command {' '.join(arguments)}"
        command, left = found, left[1:]
    return command, left


def alternatives(words: list[str]) -> list[list[str]]:
    """Return every reading of words such as ``asset init|check``."""
    return [list(reading) for reading in product(*(word.split("|") for word in words))]


SIGNING = (
    "service.tar",
    "sbom.json",
    "builder.pem",
    "builder.pub",
    "service.sigstore.json",
    "trust-policy.json",
    "web.vsa.json",
    "acme.pub",
)
"""The files that the documents sign, sign with, and judge by."""


# The documents against what there is


@pytest.mark.parametrize(
    ("block", "line"), COMMAND_LINES, ids=[f"{block}-{line[:40]}" for block, line in COMMAND_LINES]
)
def test_every_command_in_a_block_is_one(
    block: Block, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = arguments_of(line)
    if arguments is not None:
        command, left = resolve(arguments)
        # Folders that a command reads have to be there for it to be taken.
        monkeypatch.chdir(tmp_path)
        for name in ("my-preview", "next-preview"):
            Path(name).mkdir()
        for name in SIGNING:
            Path(name).touch()
        with command.make_context(command.name, left, resilient_parsing=False):
            pass
    elif line.startswith("make"):
        dry = subprocess.run(
            ["make", "--dry-run", *shlex.split(line, comments=True)[1:]], cwd=ROOT, capture_output=True
        )
        assert dry.returncode == 0, dry.stderr.decode()
    else:
        assert block.document in {"README.md", "docs/environments.md"}, "a command that nothing tries"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_sentence_is_one(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in re.findall(r"`([^`\n]+)`", text):
        words = code.split() if code.count('"') % 2 else shlex.split(code.replace("'", ""))
        words = [word for word in words if "=" not in word or word.startswith("-")]
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if word.islower()} <= targets, code
        elif words[:1] == ["slipway"] and words[1:]:
            for spelled in alternatives([word for word in words[1:] if not word.isupper()]):
                command, left = resolve(spelled)
                options = [word for word in left if word.startswith("-")]
                with command.make_context(command.name, options, resilient_parsing=True):
                    pass
        elif words[:1] == ["python"] and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists(), code


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_of_data_or_code_can_be_read(block: Block) -> None:
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "yaml":
        assert isinstance(yaml.safe_load(block.text), dict)
    else:
        assert block.language in {"sh", "console", ""}


SPECIFICATIONS = [
    block for block in BLOCKS if block.document == "docs/package-format.md" and block.text.startswith("spec:")
]


@pytest.mark.parametrize("number", [0, 1])
def test_the_blueprints_of_the_format_page_are_accepted(tmp_path: Path, number: int) -> None:
    for path, content in skeleton("deployment-blueprint", "demo", "example").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    manifest = tmp_path / "asset.yaml"
    assert len(SPECIFICATIONS) == 6
    manifest.write_text(manifest.read_text().partition("spec:")[0] + SPECIFICATIONS[number].text)
    outputs = json.loads((tmp_path / "outputs.schema.json").read_text())
    outputs["properties"] = {"url": outputs["properties"]["url"]}
    outputs["required"] = ["url"]
    (tmp_path / "outputs.schema.json").write_text(json.dumps(outputs))
    checked, _ = check_directory(tmp_path)
    assert checked.errors == ()


def test_make_run_starts_what_the_tests_start() -> None:
    # What a make around this one says about itself must not reach the one that is asked here.
    command = ["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "--dry-run", "run"]
    dry = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.rstrip().splitlines()[-1].strip() == "exec .venv/bin/python -P -m workers.embedded"


# Commands and pages that are run


@dataclass
class Terminal:
    """A second terminal in a clone whose data is that of the running Slipway."""

    slipway: Installation
    folder: Path
    words: Mapping[str, str]

    def __post_init__(self) -> None:
        (self.folder / ".venv").symlink_to(ROOT / ".venv")
        (self.folder / ".data").symlink_to(self.slipway.data)

    def type(self, text: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run shell text as it stands, but for the words of this installation; expect an exit status."""
        for word, meant in self.words.items():
            text = text.replace(word, meant)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env={**self.slipway.variables, "SLIPWAY_TOKEN": self.slipway.token},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == status, f"{text}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.mark.engine
def test_the_readme_in_order(slipway: Installation, tmp_path: Path, wait_until: Callable[..., Any]) -> None:
    sample = slipway.data / "demo" / "repositories" / SAMPLE
    words = {
        "http://127.0.0.1:8000": slipway.url,
        "/path/to/repository": str(sample),
        "env destroy NAME": f"env destroy {SAMPLE}-pr-42",
    }
    terminal = Terminal(slipway, tmp_path, words)
    steps = [block.text for block in blocks(ROOT / "README.md") if block.language == "sh"]
    sign_in, publish, request, push, end, over_http = (step for step in steps if not step.startswith("make "))

    assert f"Signed in to {slipway.url} as demo" in terminal.type(sign_in).stdout
    assert "demo/my-preview@0.1.0 is published" in terminal.type(publish).stdout
    requested = terminal.type(request)
    assert "✓ Start the application and wait until it is healthy" in requested.stderr
    address = requested.stdout.strip()
    assert re.fullmatch(rf"http://{SAMPLE}-pr-42-\w+\.preview\.localhost:{slipway.preview_port}/", address)
    environment = slipway.json("env", "show", f"{SAMPLE}-pr-42")
    assert environment["deployed_sha"] == _head(sample)
    status, page = slipway.visit(environment)
    assert (status, "<h1>Ahoy</h1>" in page, "This is pull request 42" in page) == (200, True, True)

    terminal.type(push)
    pushed = _head(sample)
    assert pushed != environment["deployed_sha"]
    wait_until("the commit is deployed", lambda: slipway.look(environment["id"])["deployed_sha"] == pushed, 60)
    assert slipway.wait_for_phase(environment["id"], "ready")["url"] == address

    ended = terminal.type(end)
    assert f"{SAMPLE}-pr-42" in ended.stdout
    assert ended.stdout.rstrip().endswith("is destroyed.")
    assert slipway.left_of(environment) == []
    accepted = json.loads(terminal.type(over_http).stdout)
    assert accepted["id"] == environment["id"]
    slipway.wait_for_phase(accepted["id"], "ready")
    slipway.destroy(accepted["id"])


def test_the_hook_of_the_page_about_environments(slipway: Installation, tmp_path: Path) -> None:
    sample = slipway.data / "demo" / "repositories" / SAMPLE
    terminal = Terminal(slipway, tmp_path, {"http://127.0.0.1:8000": slipway.url, "/path/to/repository": str(sample)})
    (hook,) = (block for block in blocks(ROOT / "docs" / "environments.md") if block.text.startswith("curl "))
    answer = json.loads(terminal.type(hook.text.replace("curl ", "curl --silent --show-error --fail ", 1)).stdout)
    assert isinstance(answer["environments"], list)


def test_the_page_about_campaigns_in_order(
    slipway: Installation, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    terminal = Terminal(slipway, tmp_path, {})
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / f"rules-{version}"
        slipway.command("asset", "init", "policy-bundle", folder, "--namespace=acme", "--name=campaign-rules")
        for place in (folder / "asset.yaml", folder / "content" / ".manifest"):
            place.write_text(place.read_text().replace("0.1.0", version))
        slipway.command("publish", folder)
        for service in ("one", "two", "three") if version == "1.0.0" else ():
            target = ("--level=advisory", f"--for=service={service}", "--label=tier=standard")
            slipway.command("install", "acme/campaign-rules", *target, f"--name=rules-{service}", "--yes")
    (metrics,) = (each for each in blocks(ROOT / "docs" / "campaigns.md") if each.language == "yaml")
    (tmp_path / "metrics.yaml").write_text(metrics.text)
    commands = [line for each in blocks(ROOT / "docs" / "campaigns.md") for line in each.commands()]
    preview, create, start, show, *rest = commands
    assert "rules-one" in terminal.type(preview).stdout
    made = json.loads(terminal.type(f"{create} --json").stdout)["id"]
    terminal.words = {"4b1d7f0e-93f5-4c0b-8a7d-2f7f5f0a6c21": made}

    def stands(state: str) -> Callable[[], bool]:
        return lambda: slipway.json("campaign", "show", made)["state"] == state

    wait_until("the plans", stands("planned"), 60)
    terminal.type(start)
    wait_until("the first wave", stands("soaking"), 60)
    assert "rules-one" in terminal.type(show).stdout
    for each in rest:
        terminal.type(each)
    wait_until("the way back", stands("aborted"), 60)
    held = {each["name"]: each["standing"]["version"] for each in slipway.json("installs")["items"] if each["standing"]}
    assert {name: version for name, version in held.items() if name.startswith("rules-")} == dict.fromkeys(
        ("rules-one", "rules-two", "rules-three"), "1.0.0"
    )


def test_the_format_page_in_order(slipway: Installation, tmp_path: Path) -> None:
    terminal = Terminal(slipway, tmp_path, {})
    (steps,) = (block for block in blocks(ROOT / "docs" / "package-format.md") if block.text.startswith("slipway "))
    terminal.type(steps.text.replace("my-preview", "format-page"))
    assert (tmp_path / "demo-format-page-0.1.0.slipway.tar.gz").exists()
    assert slipway.json("show", "demo/format-page")["latest_version"] == "0.1.0"


# What commands of docs/cli.md answer that are not meant to end with 0.
STATUS = {
    "slipway env approve": 1,  # no commit of a fork waits
    "slipway env request --repo . --pr 42 --blueprint acme/web": 1,
    "slipway proposals show": 4,
    "slipway proposals approve": 4,
    "slipway proposals reject": 4,
    "slipway asset check": 1,
    "slipway policy evaluate --bundle slipway/baseline": 1,
    "slipway dead-letters replay 42": 4,
    "slipway upgrade": 1,  # it is the newest already
    "slipway rollback": 1,  # nothing was there before
    "slipway notifications subscribe": 1,  # the inbox belongs to a person
    "slipway notifications show": 4,
    "slipway notifications replay": 4,
    "slipway notifications test": 4,
    "slipway notifications rotate": 4,
    "slipway notifications pause": 4,
    "slipway notifications resume": 4,
    "slipway notifications unsubscribe": 4,
    **{
        f"slipway campaign {verb}": 4
        for verb in ("show", "start", "pause", "resume", "promote", "retry", "rollback", "abort")
    },
    "slipway approvals ask": 3,  # the administrator has to decide
    "slipway approvals show": 4,
    "slipway approvals approve": 4,
    "slipway approvals deny": 4,
    "slipway approvals withdraw": 4,
    "slipway approvals delegate bob": 1,  # a person has to
    "slipway approvals undelegate": 4,
    "slipway scm test": 1,  # there is no connection yet
    "slipway scm follow": 4,
    "slipway scm rotate": 4,
    "slipway scm disconnect": 4,
    "slipway sbom remove-registry": 4,  # there is none of that id
}
# They run until they are stopped; the supervisor runs them all the time.
LASTING = {"slipway up --data ~/slipway --port 9000 --no-demo", "slipway work"}


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_the_reference_of_commands_in_order(
    slipway: Installation, tmp_path: Path, new_repository: NewRepository
) -> None:
    _publish_what_the_reference_names(slipway)
    shop = new_repository("hello-slipway-shop")
    shop.git("symbolic-ref", "refs/pull/42/head", "refs/heads/main")
    terminal = Terminal(
        slipway, tmp_path, {"https://slipway.example.com": slipway.url, "--repo . ": f"--repo {shop.path} "}
    )
    terminal.words = {
        **terminal.words,
        "hello-slipway-pr-42": "hello-slipway-shop-pr-42",
        "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d": _release_that_the_reference_names(slipway),
        "3f0c7d7e-2f0a-4d0e-9c57-0d2f1c1f9a11": _decision_that_the_reference_names(slipway, tmp_path),
        "7d3e2b10-52ab-4c1f-8a55-0f6c3d3e8a11": _install_that_the_reference_names(slipway),
    }
    (tmp_path / "token-file").write_text(slipway.token)
    (tmp_path / "release.json").write_text(json.dumps({"release": {"service": "web", "version": "1.3.0"}}))
    (tmp_path / "dist").mkdir(exist_ok=True)
    (tmp_path / "dist" / "web-1.4.0-py3-none-any.whl").write_bytes(b"a wheel")
    _write_what_is_signed(tmp_path)
    rule = "{pointer: /greeting, maxLength: 40, reason: It has to fit the banner}"
    (tmp_path / "rules.yaml").write_text(f"rules: [{rule}]\n")
    terminal.words = {**terminal.words, "~/assets": str(_repository_of_assets(slipway, new_repository, tmp_path))}
    ran = 0
    failed: list[str] = []
    for block in blocks(ROOT / "docs" / "cli.md"):
        for line in block.commands():
            if line not in LASTING:
                # One run takes minutes: it names every command that does not do what the page says.
                try:
                    _run_as_shown(terminal, block, line)
                except AssertionError as error:
                    failed.append(f"{line}\n{error}")
                ran += 1
    assert not failed, "\n\n".join(failed)
    assert ran > 25
    (environment,) = (each for each in slipway.json("env", "list")["items"] if each["repository"] == str(shop.path))
    assert environment["phase"] == "destroyed"
    assert slipway.left_of(environment) == []


def _install_that_the_reference_names(slipway: Installation) -> str:
    made = slipway.json("install", "slipway/rolling", "--service", "billing", "--yes")
    return str(made["id"])


def _run_as_shown(terminal: Terminal, block: Block, line: str) -> None:
    status = next((status for text, status in STATUS.items() if line.startswith(text)), 0)
    mistake: AbstractContextManager[None] = nullcontext()
    if line.startswith("slipway asset check"):
        mistake = _as_the_page_shows_it(terminal.folder / "my-preview" / "asset.yaml")
    with mistake:
        done = terminal.type(line, status=status)
    answered = f"{done.stdout}{done.stderr}"
    assert "Traceback" not in answered
    promised = [each for each in block.text.splitlines() if each.startswith(("✓", "slipway: ", "  /", "asset.yaml:"))]
    without_lines = re.sub(r"yaml:\d+", "yaml", answered)
    assert [each for each in promised if re.sub(r"yaml:\d+", "yaml", each) not in without_lines] == [], answered


def _write_what_is_signed(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "builder.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "builder.pub").write_bytes(public)
    (folder / "service.tar").write_bytes(b"a service")
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}
    (folder / "sbom.json").write_text(json.dumps(sbom))


def _repository_of_assets(slipway: Installation, new_repository: NewRepository, folder: Path) -> Path:
    """Make a repository with an asset and a tag, and beside it the folder of an asset that is not published."""
    assets = new_repository("assets")
    for place, name in ((folder, "next-preview"), (assets.path, "tagged-preview")):
        slipway.command("asset", "init", "deployment-blueprint", place / name, "--namespace=acme", f"--name={name}")
        manifest = place / name / "asset.yaml"
        manifest.write_text(manifest.read_text().replace("version: 0.1.0", "version: 1.0.0"))
    assets.git("add", ".")
    assets.git("commit", "--quiet", "--message", "An asset")
    assets.git("tag", "v1.0.0")
    path: Path = assets.path
    return path


def _publish_what_the_reference_names(slipway: Installation) -> None:
    previews = [("preview", version) for version in ("0.8.0", "0.9.0", "1.0.0", "1.1.0", "1.2.0")]
    for name, version in (*previews, ("web", "1.0.0")):
        folder = slipway.home / "named" / f"{name}-{version}"
        slipway.command("asset", "init", "deployment-blueprint", folder, "--namespace=acme", f"--name={name}")
        manifest = folder / "asset.yaml"
        manifest.write_text(manifest.read_text().replace("version: 0.1.0", f"version: {version}"))
        if name == "web":
            schema = json.loads((folder / "inputs.schema.json").read_text())
            schema["properties"]["replicas"] = {"type": "integer", "minimum": 1, "default": 1}
            (folder / "inputs.schema.json").write_text(json.dumps(schema))
        slipway.command("publish", folder)


def _release_that_the_reference_names(slipway: Installation) -> str:
    """Return its id."""
    origin = ("--repo=https://git.example.com/acme/web", f"--commit={'9fceb02d' * 5}")
    return str(slipway.json("release", "create", "web", "1.3.0", *origin)["id"])


def _decision_that_the_reference_names(slipway: Installation, folder: Path) -> str:
    """Return the evaluation of a release that a gate let through, with the key that signed it beside its artifact."""
    wheel = folder / "web-1.4.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel that policies looked at")
    headers = {"Authorization": f"Bearer {slipway.token}"}
    api = httpx.Client(base_url=f"{slipway.url}/api/v1", headers=headers, timeout=60)
    told = {"bundle": "slipway/baseline", "level": "advisory", "scope": {"kind": "service", "name": "looked-at"}}
    api.post("/policies/bindings", json=told).raise_for_status()
    origin = ("--repo=https://git.example.com/acme/looked-at", f"--commit={'9fceb02d' * 5}", f"--file={wheel}")
    evaluation = str(slipway.json("release", "create", "looked-at", "1.0.0", *origin)["verdict"]["evaluation"])
    signed = api.post(f"/policies/evaluations/{evaluation}/statements").raise_for_status().json()["items"]
    (folder / "acme.pub").write_text(signed[0]["public_key"])
    return evaluation


@contextmanager
def _as_the_page_shows_it(manifest: Path) -> Iterator[None]:
    """Have the mistake in a manifest that the page shows a finding of."""
    text = manifest.read_text()
    assert "path: ${inputs.health_path}" in text
    manifest.write_text(text.replace("path: ${inputs.health_path}", "path: health"))
    yield
    manifest.write_text(text)


def _head(repository: Path) -> str:
    command = ["git", "-C", str(repository), "rev-parse", "refs/pull/42/head"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
