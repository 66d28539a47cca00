"""The wheel that is built from a component package's sources: its bytes, its metadata, and what is refused."""

import io
import zipfile
from email import message_from_bytes

import pytest
from packaging.metadata import Metadata

from catalog.assets.archive import PackageFile
from catalog.assets.component_wheel import PROJECT, with_wheel

SOURCES = {
    "content/src/acme_net/__init__.py": b"",
    "content/src/acme_net/PulumiPlugin.yaml": b"runtime: python\n",
}
GOOD = """
[project]
name = "Acme.Net"
version = "1.2.0"
description = "A network,\\n\\nand more"
requires-python = ">=3.11"
dependencies = ["pulumi>=3,<4"]
[project.optional-dependencies]
aws = ["pulumi-aws>=7 ; python_version < '4' or os_name == 'posix'"]
"""
WHEEL = "content/dist/acme_net-1.2.0-py3-none-any.whl"


def package(project: str, **more: bytes) -> dict[str, PackageFile]:
    files = {**SOURCES, PROJECT: project.encode(), **more}
    return {path: PackageFile(data) for path, data in files.items()}


def test_a_wheel_is_built_from_the_sources_and_says_what_the_project_says() -> None:
    files, findings = with_wheel(package(GOOD))
    assert findings == ()
    with zipfile.ZipFile(io.BytesIO(files[WHEEL].content)) as wheel:
        assert {name for name in wheel.namelist() if not name.startswith("acme_net-1.2.0.dist-info/")} == {
            "acme_net/__init__.py",
            "acme_net/PulumiPlugin.yaml",
        }
        metadata = Metadata.from_email(wheel.read("acme_net-1.2.0.dist-info/METADATA"))
    assert (metadata.name, str(metadata.version)) == ("Acme.Net", "1.2.0")
    assert metadata.summary == "A network, and more"
    assert metadata.provides_extra == ["aws"]
    assert [str(each) for each in metadata.requires_dist or []] == [
        "pulumi<4,>=3",
        'pulumi-aws>=7; (python_version < "4" or os_name == "posix") and extra == "aws"',
    ]


def test_the_same_sources_make_the_same_bytes() -> None:
    first, _ = with_wheel(package(GOOD))
    second, _ = with_wheel(dict(reversed(package(GOOD).items())))
    assert first[WHEEL] == second[WHEEL]


@pytest.mark.parametrize(
    "files",
    [
        package(GOOD, **{"content/dist/own-1.2.0-py3-none-any.whl": b"built"}),
        {path: file for path, file in package(GOOD).items() if path != PROJECT},
        {PROJECT: PackageFile(GOOD.encode())},
    ],
    ids=["a wheel is there", "no project", "no sources"],
)
def test_what_needs_no_wheel_is_left_as_it_is(files: dict[str, PackageFile]) -> None:
    assert with_wheel(files) == (files, ())


@pytest.mark.parametrize(
    ("project", "why"),
    [
        ("[project", "No wheel"),
        ("", "name and version"),
        ("project = 1", "name and version"),
        ('[project]\nname = "acme-net"', "name and version"),
        ('[project]\nname = "acme\\nnet"\nversion = "1.0.0"', "name"),
        ('[project]\nname = "acme-net"\nversion = "one"', "one"),
        ('[project]\nname = "acme-net"\nversion = "1.0.0"\ndynamic = ["description"]', "dynamic"),
        ('[project]\nname = "acme-net"\nversion = "1.0.0"\ndependencies = "pulumi"', "lists"),
        ('[project]\nname = "acme-net"\nversion = "1.0.0"\ndependencies = ["a\\nX: b"]', "a"),
        ('[project]\nname = "acme-net"\nversion = "1.0.0"\n[project.optional-dependencies]\n"a\\nb" = []', "a"),
        ('[project]\nname = "acme-net"\nversion = "1.0.0"\noptional-dependencies = 3', "lists"),
    ],
)
def test_a_project_that_makes_no_wheel_is_a_finding(project: str, why: str) -> None:
    given = package(project)
    files, findings = with_wheel(given)
    assert files == given
    (finding,) = findings
    assert (finding.path, finding.rule) == (PROJECT, "project")
    assert why in finding.message


def test_a_description_cannot_bring_a_field_of_its_own() -> None:
    project = '[project]\nname = "acme-net"\nversion = "1.2.0"\ndescription = "a\\nRequires-Dist: evil"'
    files, _ = with_wheel(package(project))
    with zipfile.ZipFile(io.BytesIO(files[WHEEL].content)) as wheel:
        metadata = message_from_bytes(wheel.read("acme_net-1.2.0.dist-info/METADATA"))
    assert metadata.get_all("Requires-Dist") is None
