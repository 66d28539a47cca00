"""The pages of a simple index, as HTML (PEP 503) and as JSON (PEP 691), with what later standards added.

Hashes and ``requires-python`` (PEP 503), metadata files (PEP 658 and 714), yanked files (PEP 592), versions, sizes and
times (PEP 700), provenance (PEP 740), and the status of a project (PEP 792).
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from markupsafe import escape

from catalog.distributions.models import IndexFile, ProjectPage, ProjectStatus

API_VERSION = "1.4"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


def root_json(projects: Sequence[str]) -> bytes:
    """Return the list of projects as JSON."""
    return _json({"meta": {"api-version": API_VERSION}, "projects": [{"name": each} for each in projects]})


def root_html(projects: Sequence[str]) -> bytes:
    """Return the list of projects as HTML."""
    links = "".join(f'<a href="{escape(each)}/">{escape(each)}</a><br>\n' for each in projects)
    return _html("Simple index", "", links)


def project_json(page: ProjectPage, provenance: Mapping[str, str]) -> bytes:
    """Return a project as JSON; ``provenance`` has the addresses of attestations by the digest of their file."""
    status: dict[str, str] = {"status": page.status.value}
    if page.status_reason:
        status["reason"] = page.status_reason
    return _json(
        {
            "meta": {"api-version": API_VERSION},
            "name": page.project,
            "project-status": status,
            "versions": list(dict.fromkeys(each.version for each in page.files)),
            "files": [_file(each, provenance.get(each.digest)) for each in page.files],
        }
    )


def _file(file: IndexFile, provenance: str | None) -> dict[str, Any]:
    core = {"sha256": file.core_digest}
    return {
        "filename": file.filename,
        "url": file_path(file),
        "hashes": {"sha256": file.digest},
        **({"requires-python": file.requires_python} if file.requires_python else {}),
        "core-metadata": core,
        "dist-info-metadata": core,  # the name that PEP 714 replaces, for clients from before it
        "yanked": False if file.yanked is None else file.yanked or True,
        "size": file.size,
        "upload-time": f"{file.uploaded_at.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z",
        "provenance": provenance,
    }


def project_html(page: ProjectPage, provenance: Mapping[str, str]) -> bytes:
    """Return a project as HTML; the arguments are those of `project_json`."""
    head = f'<meta name="pypi:project-status" content="{page.status}">\n'
    if page.status_reason:
        head += f'<meta name="pypi:project-status-reason" content="{escape(page.status_reason)}">\n'
    links = "".join(_link(each, provenance.get(each.digest)) for each in page.files)
    note = "" if page.status is ProjectStatus.ACTIVE else f"<p>This project is {page.status}.</p>\n"
    return _html(f"Links for {page.project}", head, note + links)


def _link(file: IndexFile, provenance: str | None) -> str:
    attributes = f' data-core-metadata="sha256={file.core_digest}" data-dist-info-metadata="sha256={file.core_digest}"'
    if file.requires_python:
        attributes += f' data-requires-python="{escape(file.requires_python)}"'
    if file.yanked is not None:
        attributes += f' data-yanked="{escape(file.yanked)}"'
    if provenance is not None:
        attributes += f' data-provenance="{escape(provenance)}"'
    name = escape(file.filename)
    return f'<a href="{file_path(file)}#sha256={file.digest}"{attributes}>{name}</a><br>\n'


def file_path(file: IndexFile) -> str:
    """Return where a file is, as seen from its project's page: below its digest, so that it never changes."""
    # Hundreds on a page, nearly all of them plain: a look at the name is much cheaper than quoting it.
    name = file.filename if _PLAIN.fullmatch(file.filename) else quote(file.filename)
    return f"../../files/{file.digest}/{name}"


def _html(title: str, head: str, body: str) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="pypi:repository-version" content="{API_VERSION}">\n{head}'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    ).encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
