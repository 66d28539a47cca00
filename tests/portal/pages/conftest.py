"""Sample pages of every kind: as they usually are, empty, with long texts, and with errors."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jinja2 import Environment

from catalog.assets.component_schemas import Reference, reference
from catalog.assets.findings import Finding
from catalog.assets.models import (
    AssetRead,
    AssetVersionRead,
    FacetCount,
    SearchHint,
    SearchQuery,
    SearchResult,
    VersionState,
    VersionSummary,
    Visibility,
)
from catalog.deliveries.service import DeadLetterRead
from catalog.environments.models import Condition, EnvironmentRead, Extension, Phase, QueuePlace
from catalog.errors import FieldError
from catalog.operations.models import OperationRead, OperationState, Problem, Step, StepState
from catalog.stacks.models import StackResource
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants.models import NewToken, TokenRead
from catalog.uploads.models import UploadRead, UploadState
from portal.pages.account import TokensPage
from portal.pages.asset_page import TABS, AssetPage
from portal.pages.environment_requests import RequestEnvironmentPage
from portal.pages.environments import DestroyEnvironmentPage, EnvironmentListPage, EnvironmentPage
from portal.pages.marketplace import MarketplacePage
from portal.pages.operations import DeadLettersPage, OperationPage
from portal.pages.render import ErrorPage, Page, Renderer, create_environment
from portal.pages.reviewed_inputs import InputReview
from portal.pages.schema_form import FormSource, build_form
from portal.pages.session import LinkUsedPage, SignInPage
from portal.pages.shell import Shell, Toast
from portal.pages.static_files import StaticFiles
from portal.pages.uploads import PublishedPage, UploadPage, UploadStatusPage

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
SHA = "9fceb02d0ae598e95dc970b74767f19372d61af8"
OLD_SHA = "1b3c0f6e2a4d5c7b8a9e0f1d2c3b4a5968778695"
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on" * 2
README = """# Web application preview

Runs the `web` process of the repository's `Procfile` at an address of its own.

## What it does

1. Checks out the **head commit** of the pull request.
2. Starts the process with `PORT` and `HOST` set.
3. Waits until `GET /health` answers below 400.

```
web: python -m http.server $PORT
```

| Output | What it is |
|---|---|
| `url` | Where the application answers |

> The old version serves until the new one is healthy.

See the [twelve-factor](https://12factor.net) notes. <script>alert(1)</script>
"""
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["region", "health_path"],
    "properties": {
        "region": {
            "title": "Region",
            "enum": ["eu-west", "us-east"],
            "default": "eu-west",
            "description": "Where data is kept.",
        },
        "health_path": {
            "type": "string",
            "default": "/health",
            "pattern": "^/.*$",
            "description": "Answers below 400.",
        },
        "replicas": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
        "debug": {"type": "boolean", "title": "Verbose logging", "default": False},
        "api_key": {"type": "string", "writeOnly": True, "description": "Key of the payment service."},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}, "title": "Labels"},
        "hosts": {"type": "array", "items": {"type": "string"}, "title": "Allowed hosts"},
        "features": {"type": "array", "items": {"enum": ["search", "billing"]}, "title": "Features"},
        "database": {
            "type": "object",
            "title": "Database",
            "properties": {
                "seed": {"type": "boolean", "default": True, "title": "Fill with sample data"},
                "size": {"oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}], "default": "s"},
                "extra": {"type": "object", "title": "Extra settings"},
            },
        },
    },
}
HINTS = {"replicas": {"order": 3, "help": "More than one needs a shared session store."}, "region": {"widget": "radio"}}
PRINCIPAL = Principal(ID, "acme", "member:1", "Ada Lovelace", ALL_SCOPES, ID)


def asset(**changes: Any) -> AssetRead:
    values: dict[str, Any] = {
        "namespace": "slipway",
        "name": "preview-web",
        "kind": "deployment-blueprint",
        "visibility": Visibility.PUBLIC,
        "display_name": "Web application preview",
        "summary": "Runs the web process of a pull request at an address of its own",
        "license": "Apache-2.0",
        "keywords": ["preview", "procfile", "web"],
        "archetypes": ["microservice", "ui"],
        "latest_version": "1.4.0",
        "updated_at": NOW - timedelta(days=3),
        "owned": False,
    }
    return AssetRead(**{**values, **changes})


def asset_version(**changes: Any) -> AssetVersionRead:
    manifest = {
        "apiVersion": "slipway/v1",
        "kind": "deployment-blueprint",
        "metadata": {
            "summary": "Runs the web process of a pull request at an address of its own",
            "license": "Apache-2.0",
            "links": [{"name": "Source", "url": "https://example.com/acme/templates"}],
            "maintainers": [{"name": "Platform team", "email": "platform@example.com"}],
            "changes": [{"kind": "added", "description": "Health path"}, {"kind": "security", "description": "Limits"}],
        },
        "requires": {"slipway": ">=1.0", "permissions": ["process:start"]},
        "dependencies": [{"asset": "acme/network", "kind": "component-package", "version": "~=1.2", "optional": True}],
        "inputs": {"immutable": ["/region"]},
    }
    values: dict[str, Any] = {
        "id": ID,
        "namespace": "slipway",
        "name": "preview-web",
        "kind": "deployment-blueprint",
        "version": "1.4.0",
        "semver": "1.4.0",
        "state": VersionState.PUBLISHED,
        "state_reason": None,
        "replacement": None,
        "manifest": manifest,
        "input_schema": SCHEMA,
        "input_hints": HINTS,
        "output_schema": {},
        "readme": README,
        "changelog": "# Changelog\n\n## 1.4.0\n\n- Health path\n",
        "files": [
            {"path": "asset.yaml", "size": 812, "sha256": "ab" * 32, "mode": "0644"},
            {"path": "docs/architecture/overview.md", "size": 123_456, "sha256": "cd" * 32, "mode": "0644"},
        ],
        "warnings": [],
        "blob_digest": "ab" * 32,
        "tree_digest": "cd" * 32,
        "manifest_digest": "ef" * 32,
        "packed_size": 4321,
        "published_at": NOW - timedelta(days=3),
        "published_by": "an access token",
        "owned": False,
    }
    return AssetVersionRead(**{**values, **changes})


def summaries() -> list[VersionSummary]:
    states = [VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED, VersionState.REVOKED]
    return [
        VersionSummary(
            version=f"1.{4 - number}.0",
            semver=f"1.{4 - number}.0",
            state=state,
            state_reason=None if state is VersionState.PUBLISHED else "Leaks file handles under load.",
            replacement=None,
            published_at=NOW - timedelta(days=3 + 20 * number),
            blob_digest="ab" * 32,
        )
        for number, state in enumerate(states)
    ]


def environment(**changes: Any) -> EnvironmentRead:
    values: dict[str, Any] = {
        "id": ID,
        "name": "hello-pr-42",
        "hostname": "hello-pr-42-3f9a1c.preview.localhost",
        "url": "http://hello-pr-42-3f9a1c.preview.localhost:8080/",
        "phase": Phase.READY,
        "conditions": [],
        "repository": "/home/ada/hello",
        "pull_request": 42,
        "branch": "faster-greeting",
        "head_sha": SHA,
        "deployed_sha": SHA,
        "blueprint": "slipway/preview-web",
        "blueprint_version": "1.4.0",
        "lock": [],
        "inputs": {"region": "eu-west", "replicas": 1, "api_key": "[secret]"},
        "incarnation": 1,
        "generation": 3,
        "observed_generation": 3,
        "resources": [
            StackResource(type="slipway:local:Checkout", name="web-source", id="checkout-9fceb02d"),
            StackResource(type="slipway:local:Process", name="web", id="process-6f1c7a52"),
            StackResource(type="slipway:local:Route", name="web-route", id="hello-pr-42-3f9a1c.preview.localhost"),
        ],
        "outputs": {"url": "http://hello-pr-42-3f9a1c.preview.localhost:8080/", "port": 40123},
        "failure": None,
        "operation_id": ID,
        "requested_by": "member:1",
        "created_at": NOW - timedelta(hours=5),
        "last_deploy_at": NOW - timedelta(minutes=12),
        "expires_at": NOW + timedelta(days=2, hours=19),
        "ends_at": NOW + timedelta(days=2, hours=19),
        "hard_expires_at": NOW + timedelta(days=13),
        "destroyed_at": None,
    }
    return EnvironmentRead(**{**values, **changes})


def operation(state: OperationState = OperationState.SUCCEEDED, **changes: Any) -> OperationRead:
    titles = {
        "source": "Fetch the commit",
        "prepare": "Prepare the stack",
        "apply": "Start the application and wait until it is healthy",
        "publish": "Publish the address",
    }
    step_states = {
        OperationState.SUCCEEDED: [StepState.SUCCEEDED] * 4,
        OperationState.RUNNING: [StepState.SUCCEEDED, StepState.SUCCEEDED, StepState.RUNNING, StepState.PENDING],
        OperationState.FAILED: [StepState.SUCCEEDED, StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED],
    }.get(state, [StepState.PENDING] * 4)
    messages = {StepState.RUNNING: "GET /health answered 503", StepState.FAILED: "It exited with status 1 after 0.4 s"}
    steps = [
        Step(
            name=name,
            title=title,
            state=step_state,
            started_at=None if step_state is StepState.PENDING else NOW - timedelta(seconds=9),
            finished_at=NOW - timedelta(seconds=8.6) if step_state is StepState.SUCCEEDED else None,
            message=messages.get(step_state),
        )
        for (name, title), step_state in zip(titles.items(), step_states, strict=True)
    ]
    values: dict[str, Any] = {
        "id": ID,
        "kind": "environment.deploy",
        "subject": f"environments/{ID}",
        "state": state,
        "steps": steps,
        "progress": 100 if state is OperationState.SUCCEEDED else 50,
        "error": None,
        "created_at": NOW - timedelta(seconds=11),
        "started_at": NOW - timedelta(seconds=10),
        "finished_at": NOW if state not in {OperationState.RUNNING, OperationState.PENDING} else None,
    }
    return OperationRead(**{**values, **changes})


LOG = [f"12:20:{second:02d} 127.0.0.1 GET /health 200 {second} ms" for second in range(40)]
FAILURE = Problem(
    code="application_exited",
    message="The application ended before it was healthy: exit status 1 after 0.4 s.",
    hint="Look at the end of its log below. It must listen on $PORT within 60 seconds.",
)


def _environment_pages() -> dict[str, Page]:
    failed = environment(phase=Phase.FAILED, failure=FAILURE, deployed_sha=OLD_SHA, url=None)
    serving = Condition(
        type="Serving", status=True, reason="The last version still serves", message="Commit 1b3c0f6e.", at=NOW
    )
    updating = environment(phase=Phase.UPDATING, deployed_sha=OLD_SHA, conditions=[serving], observed_generation=2)
    fresh = environment(
        phase=Phase.PROVISIONING, deployed_sha=None, resources=[], outputs={}, inputs={}, last_deploy_at=None
    )
    waits = environment(
        phase=Phase.QUEUED,
        deployed_sha=None,
        queue=QueuePlace(place=3, length=12, since=NOW - timedelta(minutes=4)),
        extension=Extension(by="Ann", at=NOW, until=NOW + timedelta(days=1), reason="Shown to customers"),
    )
    asleep = environment(phase=Phase.SLEEPING, wakes_at=NOW + timedelta(hours=18))
    stripped = environment(withheld=["api_key", "web: API_KEY"], backlog=[OLD_SHA, OLD_SHA])
    gone = environment(phase=Phase.DESTROYED, resources=[], outputs={}, destroyed_at=NOW - timedelta(hours=1))
    long = environment(name=LONG, repository="/srv/" + LONG, phase=Phase.DESTROYING)
    living = [environment(), updating, failed, long, gone]
    counts = {Phase.READY: 1, Phase.UPDATING: 1, Phase.FAILED: 1, Phase.DESTROYED: 1, Phase.DESTROYING: 1}

    def shown(read: EnvironmentRead, state: OperationState, log: list[str]) -> EnvironmentPage:
        return EnvironmentPage(read, operation(state), log, can_change=True, bounds="groups", limits="64 MB of memory")

    return {
        "environment-list": EnvironmentListPage(living, counts, "all", can_request=True, next_href="/environments?a=1"),
        "environment-list-filtered": EnvironmentListPage([], counts, "moving", can_request=True),
        "environment-list-empty": EnvironmentListPage([], {}, "living", can_request=True),
        "environment-ready": shown(environment(), OperationState.SUCCEEDED, LOG),
        "environment-asleep": replace(
            shown(asleep, OperationState.SUCCEEDED, LOG),
            bounds="resource limits, and a look at the memory in use every second",
            review=InputReview(SCHEMA, {"region": {"review": "mask"}, "replicas": {"review": "hide"}}),
        ),
        "environment-updating": shown(updating, OperationState.RUNNING, LOG[:4]),
        "environment-provisioning": shown(fresh, OperationState.RUNNING, []),
        "environment-waiting": shown(waits, OperationState.PENDING, []),
        "environment-held": EnvironmentPage(environment(waiting_sha=OLD_SHA), None, [], can_change=True),
        "environment-stuck": shown(environment(phase=Phase.DESTROY_FAILED, url=None), OperationState.FAILED, LOG[:2]),
        "environment-stripped": shown(stripped, OperationState.SUCCEEDED, LOG),
        "environment-failed": shown(failed, OperationState.FAILED, ["Traceback", "ModuleNotFoundError: flask"]),
        "environment-long": shown(
            environment(name=LONG, url=f"http://{LONG}.preview.localhost:8080/", inputs={LONG: LONG}),
            OperationState.SUCCEEDED,
            [LONG * 3],
        ),
        "environment-destroyed": EnvironmentPage(gone, None, [], can_change=True),
        "environment-read-only": EnvironmentPage(environment(), None, [], can_change=False),
        "environment-destroy": DestroyEnvironmentPage(environment()),
    }


def _request_pages() -> dict[str, Page]:
    blueprint = asset()
    other = asset(name=LONG, display_name=LONG, summary=LONG)
    errors = (
        FieldError("/repository", "There is no git repository at /home/ada/helo."),
        FieldError("/inputs/replicas", "7 is more than the maximum of 5."),
        FieldError("/inputs/labels/team", "This is not a text."),
        FieldError("/inputs", "Something about all of them."),
    )
    submitted = {"inputs/replicas": ["7"], "inputs/region": ["us-east"], "inputs/api_key": ["hunter2-secret"]}
    empty = build_form({}, FormSource())
    return {
        "request-choose": RequestEnvironmentPage(None, [blueprint, other], empty),
        "request-no-blueprint": RequestEnvironmentPage(None, [], empty),
        "request-form": RequestEnvironmentPage(
            blueprint, [], build_form(SCHEMA, FormSource(hints=HINTS)), repositories=["/home/ada/hello"]
        ),
        "request-no-inputs": RequestEnvironmentPage(blueprint, [], empty),
        "request-errors": RequestEnvironmentPage(
            blueprint,
            [],
            build_form(SCHEMA, FormSource(hints=HINTS, submitted=submitted, errors=errors)),
            values={"repository": "/home/ada/helo", "pull_request": "42", "head_sha": "abc"},
            errors=errors,
        ),
    }


def _asset_pages() -> dict[str, Page]:
    kinds = ["deployment-blueprint", "pipeline-template", "component-package", "policy-bundle"]
    items = [
        asset(installs=200, success_percent=95),
        asset(name="python-service", kind=kinds[1], display_name="Python microservice", owned=True, namespace="acme",
              summary="Build, test, sign and release a Python service", keywords=["python", "slsa", "wheel"]),
        asset(name="network", kind=kinds[2], display_name="Network", visibility=Visibility.PRIVATE, owned=True,
              summary="A virtual network with subnets, routes and flow logs", keywords=[]),
        asset(name="soc2", kind=kinds[3], display_name="SOC 2 baseline", latest_version=None,
              summary="Change control and access rules"),
        asset(name=LONG[:60], namespace="team", display_name=LONG, summary=LONG, keywords=[LONG[:60]] * 6),
    ]  # fmt: skip
    facets = {
        "kind": [FacetCount(value=kind, count=number + 1, selected=number == 0) for number, kind in enumerate(kinds)],
        "archetype": [FacetCount(value="microservice", count=3, selected=False)],
        "namespace": [FacetCount(value="slipway", count=3, selected=False)],
    }
    found = SearchResult(items=items, total=27, facets=facets, hints=[], next_cursor="abc")
    hints = [SearchHint(remove="kind", value="policy-bundle", count=4), SearchHint(remove="q", value="pyton", count=2)]
    nothing = SearchResult(items=[], total=0, facets={}, hints=hints, next_cursor=None)
    bare = SearchResult(items=[], total=0, facets={}, hints=[], next_cursor=None)

    def shown(tab: str, **changes: Any) -> AssetPage:
        return AssetPage(asset(), asset_version(**changes), summaries(), tab, may_request=True)

    minimal = {"metadata": {"summary": LONG, "license": "MIT"}}
    return {
        "marketplace": MarketplacePage(
            SearchQuery(kind=kinds[0]), found, may_publish=True,
            affected={"slipway/preview-web": ["CVE-2026-1234"], f"team/{LONG[:60]}": [LONG[:60]]},
        ),
        "marketplace-nothing": MarketplacePage(SearchQuery(q="pyton", kind=kinds[3]), nothing, may_publish=True),
        "marketplace-empty": MarketplacePage(SearchQuery(), bare, may_publish=True),
        **{f"asset-{tab}": shown(tab) for tab in TABS},
        "asset-yanked": shown("overview", version="1.2.0", state=VersionState.YANKED, replacement="acme/other>=2",
                              state_reason="Leaks file handles under load."),
        "asset-old": shown("overview", version="1.3.0"),
        "asset-quarantined": shown("files", state=VersionState.QUARANTINED, state_reason="Under examination."),
        "asset-bare": shown("overview", readme="", changelog="", manifest=minimal, input_schema={}, files=[]),
        "asset-bare-inputs": shown("inputs", manifest=minimal, input_schema={}),
        **_component_pages(),
        "asset-bare-dependencies": shown("dependencies", manifest=minimal, input_schema={}),
        "asset-warned": shown("security", warnings=[{"path": "inputs.ui.json", "message": "M", "fix": "F"}]),
    }  # fmt: skip


def _component_pages() -> dict[str, Page]:
    """Return a component package: its reference, and what installing it does."""
    subnet = {"type": "array", "items": {"$ref": "#/types/net:index:Subnet"}, "description": "Its parts."}
    schema = {
        "name": "net",
        "resources": {
            "net:index:Network": {
                "description": "A network of one's own.",
                "inputProperties": {
                    "cidr": {"type": "string", "description": "The range of addresses."},
                    "subnets": subnet,
                    "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "requiredInputs": ["cidr"],
                "properties": {"networkId": {"type": "string"}},
            }
        },
        "types": {
            "net:index:Subnet": {"properties": {"size": {"$ref": "#/types/net:index:Size"}}},
            "net:index:Size": {"description": "How large.", "enum": [{"value": "s"}, {"value": "l"}]},
        },
        "dependencies": [{"name": "aws", "version": "7.1.0"}],
    }
    package = {"kind": "component-package", "display_name": "Network", "name": "network"}
    manifest = {
        "metadata": {"summary": "Networks", "license": "MIT"},
        "requires": {"permissions": ["cloud:aws", "cloud:azure"], "capabilities": ["cloud:aws"]},
        "spec": {"runtime": "python", "wheel": "content/dist/*.whl", "clouds": ["aws", "azure"]},
    }
    version = asset_version(kind="component-package", manifest=manifest)

    def shown(tab: str, known: Reference | None = None) -> AssetPage:
        return AssetPage(asset(**package), version, summaries(), tab, may_request=True, reference=known)

    return {
        "asset-components": shown("reference", reference(schema)),
        "asset-components-unknown": shown("reference"),
        "asset-components-overview": shown("overview"),
    }


def _upload_pages() -> dict[str, Page]:
    findings = [
        Finding("path-parent", "", None, "The path ../../etc/passwd leaves the archive.", "Remove the entry."),
        Finding("unknown-field", "asset.yaml", 12, "metadata.licence is not a known field.", 'Did you mean "license"?'),
        Finding("missing-field", "asset.yaml", 3, "metadata.summary is missing.", "Add it."),
        Finding(
            "hint-unknown", "inputs.ui.json", None, "region: the hint hlep has no effect.", "Write help.", "warning"
        ),
    ]
    version = asset_version()
    version.manifest["metadata"]["displayName"] = "My preview"
    warnings = [finding.as_json() for finding in findings[3:]]
    return {
        "upload": UploadPage("acme", may_publish=True),
        "upload-findings": UploadPage(
            "acme", may_publish=True, filename="acme-x-1.0.0.slipway.tar.gz", findings=findings
        ),
        "upload-conflict": UploadPage("acme", may_publish=True, problem="acme/x 1.0.0 exists with other bytes."),
        "upload-forbidden": UploadPage("acme", may_publish=False),
        "upload-recent": UploadPage("acme", may_publish=True, recent=[_upload(state) for state in UploadState]),
        **{f"upload-{state}": _upload_status(state, findings) for state in UploadState},
        "published": PublishedPage(version, warnings=warnings),
        "published-again": PublishedPage(version, was_there=True),
    }


def _upload(state: UploadState) -> UploadRead:
    return UploadRead(
        id=ID,
        state=state,
        namespace="acme",
        name="network",
        version="1.4.0",
        kind="component-package",
        blob_digest="ab" * 32,
        size=123_456,
        findings=[],
        operation_id=ID,
        publisher="Ada Lovelace",
        created_at=NOW - timedelta(seconds=9),
        finished_at=None if state is UploadState.RECEIVED else NOW,
    )


def _upload_status(state: UploadState, findings: list[Finding]) -> UploadStatusPage:
    states = {
        UploadState.RECEIVED: OperationState.RUNNING,
        UploadState.REJECTED: OperationState.FAILED,
    }
    found = {UploadState.PUBLISHED: findings[3:], UploadState.REJECTED: findings}.get(state, [])
    return UploadStatusPage(_upload(state), operation(states.get(state, OperationState.SUCCEEDED)), found)


def _other_pages() -> dict[str, Page]:
    tokens = [
        TokenRead(
            id=ID,
            name=name,
            scopes=["assets:write", "environments:read"],
            created_at=NOW - timedelta(days=40),
            expires_at=expires,
            last_used_at=used,
            revoked_at=revoked,
        )
        for name, expires, used, revoked in [
            ("ci of hello", NOW + timedelta(days=50), NOW - timedelta(minutes=4), None),
            ("old pipeline", NOW - timedelta(days=1), None, None),
            (LONG, None, None, NOW - timedelta(days=2)),
        ]
    ]
    created = NewToken(**tokens[0].model_dump(), token="slw_" + "Zk3" * 14)
    dead = DeadLetterRead(
        id=7,
        event_id=ID,
        event_type="environment.requested.v1",
        job="environments.provision",
        subject=f"environments/{ID}",
        attempts=12,
        reason="OperationalError: the database does not answer " + LONG,
        occurred_at=NOW - timedelta(hours=2),
        dead_at=NOW - timedelta(minutes=30),
    )
    token_errors = (FieldError("/name", "Give it a name."), FieldError("/scopes", "Choose at least one."))
    statuses = {403: "Not allowed", 404: "Not found", 409: "Conflict", 422: "Not valid", 500: "Fault", 503: "Away"}
    return {
        "tokens": TokensPage(tokens, ALL_SCOPES, moment=NOW),
        "tokens-created": TokensPage(tokens[:1], ALL_SCOPES, created=created, moment=NOW),
        "tokens-errors": TokensPage([], {"assets:read"}, errors=token_errors, values={"name": ""}, moment=NOW),
        "dead-letters": DeadLettersPage([dead, dead.model_copy(update={"reason": None})], may_replay=True),
        "dead-letters-empty": DeadLettersPage([], may_replay=False),
        "operation-running": OperationPage(operation(OperationState.RUNNING)),
        "operation-failed": OperationPage(operation(OperationState.FAILED, error=FAILURE), log=LOG[:5]),
        "sign-in": SignInPage(),
        "sign-in-confirm": SignInPage(action="/sign-in/secret?next=/environments"),
        "link-used": LinkUsedPage(),
        "error-401": ErrorPage(401, "Sign in", "Sign in first."),
        **{
            f"error-{status}": ErrorPage(status, title, "Something to read about it.", "a_code", (("/name", "Bad"),))
            for status, title in statuses.items()
        },
    }


@pytest.fixture(scope="session")
def sample_pages() -> dict[str, Page]:
    return {
        **_asset_pages(),
        **_environment_pages(),
        **_request_pages(),
        **_upload_pages(),
        **_other_pages(),
        **_samples_of_areas(),
    }


def _samples_of_areas() -> dict[str, Page]:
    """Return the samples of every module in the folder beside this file; a new area adds one there."""
    found: dict[str, Page] = {}
    for path in sorted(Path(__file__).with_name("samples").glob("*.py")):
        spec = spec_from_file_location(f"samples_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= module.pages()
    return found


@pytest.fixture(scope="session")
def shell() -> Shell:
    toasts = (Toast("good", "The environment lives longer now."), Toast("bad", "That did not work."))
    return Shell(path="/environments", principal=PRINCIPAL, toasts=toasts, warnings=("Applications are not isolated.",))


@pytest.fixture(scope="session")
def templates() -> Environment:
    return create_environment(StaticFiles.load(), clock=lambda: NOW)


@pytest.fixture(scope="session")
def renderer(templates: Environment) -> Renderer:
    return Renderer(templates)


@pytest.fixture(scope="session")
def sample_schema() -> dict[str, Any]:
    return SCHEMA


@pytest.fixture(scope="session")
def sample_environment() -> Callable[..., EnvironmentRead]:
    return environment
