"""Sample pages of installs: usual ones, plans with conflicts and refusals, empty lists, long names."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.assets.examples import Example
from catalog.assets.models import AssetVersionRead
from catalog.errors import FieldError
from catalog.installs.models import Action, InstallState, OutcomeState, PlanState
from catalog.installs.shapes import InstallRead, OutcomeRead, PlanRead, RevisionRead, Standing
from catalog.operations.models import OperationRead, OperationState, Problem, Step, StepState
from portal.pages.install_form import InstallFormPage
from portal.pages.installs import InstallListPage, InstallPage, PlanPage
from portal.pages.render import Page
from portal.pages.reviewed_inputs import InputReview
from portal.pages.schema_form import FormSource, build_form, split_form

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on"
DIGEST = "sha256:" + "9f" * 32
DIFF = """--- a/.github/workflows/build.yml
+++ b/.github/workflows/build.yml
@@ -6,5 +6,6 @@
     steps:
-      - run: make
+      - run: make all
       - run: make test
+      - run: make package"""
MARKED = """@@ -6,5 +6,9 @@
+<<<<<<< yours
       - run: make all  # ours
+=======
+      - run: make everything
+>>>>>>> acme/python-service-1.5.0"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["python_version"],
    "properties": {
        "python_version": {"title": "Python", "enum": ["3.12", "3.13"], "default": "3.12"},
        "greeting": {"type": "string", "default": "hello", "description": "Printed when the build ends."},
        "token": {"type": "string", "writeOnly": True},
    },
}


def operation(state: OperationState = OperationState.RUNNING) -> OperationRead:
    steps = [
        Step(name="compare", title="Work out what would change", state=StepState.RUNNING, started_at=NOW),
        Step(name="gates", title="Ask the gates"),
    ]
    return OperationRead(
        id=ID,
        kind="install.plan",
        subject="installs/new",
        state=state,
        steps=steps,
        progress=25,
        error=None,
        created_at=NOW,
        started_at=NOW,
        finished_at=None,
    )


def install(**changes: Any) -> InstallRead:
    standing = Standing(version="1.4.0", state="published", newest="1.5.0", outdated=True)
    values: dict[str, Any] = {
        "id": ID,
        "name": "python-service-hello",
        "asset": "acme/python-service",
        "kind": "pipeline-template",
        "becomes": "pull-request",
        "place": "/srv/repositories/hello.git",
        "target": {"repository": "/srv/repositories/hello.git", "branch": None},
        "owner": "Team Storefront",
        "labels": {"tier": "critical"},
        "state": InstallState.APPLIED,
        "desired_revision": 2,
        "applied_revision": 2,
        "standing": standing,
        "outputs": {"pull_request": 7, "url": "", "branch": "slipway/python-service-hello-1a2b3c4d"},
        "proposed": {},
        "plan_id": None,
        "operation_id": ID,
        "failure": None,
        "created_by": "ann",
        "created_at": NOW - timedelta(days=3),
        "changed_at": NOW - timedelta(hours=2),
        "removed_at": None,
    }
    return InstallRead(**{**values, **changes})


def revision(number: int, action: Action, state: OutcomeState, **outputs: Any) -> RevisionRead:
    line = OutcomeRead(state=state, outputs=outputs, outputs_digest=DIGEST, problem=None, at=NOW)
    return RevisionRead(
        id=ID,
        number=number,
        action=action,
        content={"version": f"1.{number + 2}.0", "inputs": {"python_version": "3.12", "token": {"$secret": str(ID)}}},
        content_digest=DIGEST,
        parent_digest=DIGEST if number > 1 else None,
        plan_id=ID,
        plan_digest=DIGEST,
        operation_id=ID,
        verification={"trusted": True},
        verdicts=[],
        approvals=[],
        outcomes=[line],
        created_by="ann",
        created_at=NOW - timedelta(days=3 - number),
    )


def document(**changes: Any) -> dict[str, Any]:
    gate = {"gate": "policy", "allowed": True, "level": "none", "violations": [], "bundles": [{"asset": "a/b"}]}
    lock = [{"asset": "acme/python-service", "version": "1.5.0", "digest": DIGEST, "state": "published"}]
    files = [
        {"path": ".github/workflows/build.yml", "status": "changed", "before": "1", "after": "2", "diff": DIFF},
        {"path": f".github/workflows/{LONG}.yml", "status": "added", "before": None, "after": "2", "diff": ""},
    ]
    values: dict[str, Any] = {
        "action": "upgrade",
        "name": "python-service-hello",
        "asset": "acme/python-service",
        "version": "1.5.0",
        "place": "/srv/repositories/hello.git",
        "inputs": {"python_version": "3.12", "greeting": "", "token": {"$secret": str(ID)}, "extra": {"a": [1, 2]}},
        "lock": [*lock, {**lock[0], "asset": f"acme/{LONG[:50]}", "state": "deprecated"}],
        "input_changes": [
            {"pointer": "/python_version", "what": "enum", "message": "3.11 is no longer accepted.", "breaks": True},
            {"pointer": "/greeting", "what": "value", "before": "hello", "after": "ahoy"},
        ],
        "permissions": [{"name": "scm:pull-request", "meaning": "open pull requests in the repository"}],
        "verification": {"trusted": False, "missing": [{"evidence": "sbom", "detail": "No SBOM.", "fix": "Attach."}]},
        "changes": {"files": files, "branch": "main"},
        "gates": [gate],
    }
    return {**values, **changes}


def plan(**changes: Any) -> PlanRead:
    values: dict[str, Any] = {
        "id": ID,
        "install_id": ID,
        "action": Action.UPGRADE,
        "state": PlanState.READY,
        "digest": DIGEST,
        "document": document(),
        "evidence": {"branch": "main", "head": "9f" * 20},
        "base_revision": 2,
        "auto": False,
        "operation_id": ID,
        "problem": None,
        "follows": None,
        "created_by": "ann",
        "created_at": NOW,
        "finished_at": NOW,
    }
    return PlanRead(**{**values, **changes})


def version(kind: str = "pipeline-template") -> AssetVersionRead:
    values = {
        "namespace": "acme",
        "name": "python-service",
        "kind": kind,
        "version": "1.5.0",
        "semver": "1.5.0",
        "state": "published",
        "manifest": {"metadata": {}, "spec": {}},
        "input_schema": SCHEMA,
        "output_schema": {},
        "files": [],
    }
    return AssetVersionRead.model_construct(**values)  # type: ignore[arg-type]  # the form reads nothing else


def form(becomes: tuple[str, ...], **more: Any) -> InstallFormPage:
    source = FormSource(values={"greeting": "ahoy"})
    parts: dict[str, Any] = {"form": build_form(SCHEMA, source), "versions": [("1.5.0", "1.5.0")]}
    return InstallFormPage(version(), becomes=becomes, **{**parts, **more})


def pages() -> dict[str, Page]:
    declined = Problem(code="declined", message="Pull request 7 was closed.", hint="Plan again when the time has come.")
    conflict = {
        "path": ".github/workflows/build.yml",
        "status": "changed",
        "before": "1",
        "after": "2",
        "diff": MARKED,
        "conflict": "You and the new version changed the same lines.",
        "resolved": None,
    }
    decided = {**conflict, "path": "docs/ci.md", "resolved": "mine", "status": "kept", "diff": ""}
    violation = {
        "rule": "baseline.trusted",
        "level": "mandatory",
        "message": "The version is not proven.",
        "path": "/install/verification",
        "remediation": "Let its publisher sign it.",
        "bundle": "slipway/baseline",
    }
    refused = [{"gate": "policy", "allowed": False, "level": "mandatory", "violations": [violation], "bundles": [1]}]
    chain = [
        revision(2, Action.UPGRADE, OutcomeState.APPLIED),
        revision(1, Action.INSTALL, OutcomeState.APPLIED),
    ]
    waiting = install(
        state=InstallState.WAITING,
        applied_revision=1,
        proposed={"pull_request": 8, "url": "", "branch": f"slipway/{LONG}"},
        standing=Standing(version="1.3.0", state="yanked", reason="It leaks.", newest="1.5.0", outdated=True),
    )
    fresh = install(
        name=LONG,
        state=InstallState.FAILED,
        standing=None,
        desired_revision=None,
        applied_revision=None,
        failure=declined,
        outputs={},
    )
    binding = {"binding": {"bundle": "acme/rules==1.0.0", "level": "advisory", "ends": False}, "overlaps": ["guard"]}
    known = {"properties": {"greeting": SCHEMA["properties"]["greeting"]}}
    front, kept = split_form(known, SCHEMA, FormSource(values={"greeting": "ahoy"}))
    going = [
        {"type": "slipway:local:Process", "name": "web", "operation": "replace", "inputs": {"env": "[secret]"}},
        {"type": "slipway:local:Route", "name": LONG, "operation": "create", "inputs": {}},
        {"type": "slipway:local:Checkout", "name": "checkout", "operation": "same", "inputs": {}},
    ]
    preview = {"resources": going, "complete": True, "summary": {"create": 2, "update": 0, "delete": 1, "same": 1}}
    environment = {"environment": {"repository": "/srv/shop.git", "pull_request": 42, "components": ["web"]}}
    by_hand = {".github/workflows/build.yml": "changed", f"docs/{LONG}.md": "left"}
    told = f"Pull request 7 was merged with somebody's changes: {', '.join(by_hand)}."
    kept_on = "What was merged stays. The next change is merged onto it, and asks where both sides changed the same."
    edited = install(
        failure=Problem(code="changed_by_hand", message=told, hint=kept_on),
        outputs={"pull_request": 7, "branch": f"slipway/{LONG}", "commit": "9f" * 20, "by_hand": by_hand},
    )
    merged = [revision(2, Action.UPGRADE, OutcomeState.APPLIED, by_hand=by_hand), chain[1]]
    review = InputReview(SCHEMA, {"greeting": {"order": 1}, "extra": {"review": "mask"}})
    wrong = (FieldError("/target/repository", "There is no such repository."), FieldError("", "No."))
    return {
        "installs": InstallListPage([install(), waiting, fresh], "", can_install=True, next_href="/installs?cursor=x"),
        "installs-empty": InstallListPage([], "", can_install=True),
        "installs-nothing": InstallListPage([], "outdated"),
        "install": InstallPage(install(), chain, [plan()], operation(OperationState.SUCCEEDED), can_change=True),
        "install-waiting": InstallPage(waiting, chain, [], operation(), can_change=True),
        "install-by-hand": InstallPage(
            edited, merged, [], operation(OperationState.SUCCEEDED), can_change=True, review=review
        ),
        "install-failed": InstallPage(fresh, [], [], None, can_change=False),
        "install-plan": PlanPage(plan(), operation(OperationState.SUCCEEDED), can_apply=True, review=review),
        "install-plan-conflicts": PlanPage(
            plan(document=document(changes={"files": [conflict, decided], "branch": "main"})), operation(), True
        ),
        "install-plan-refused": PlanPage(plan(document=document(gates=refused)), operation(), can_apply=True),
        "install-plan-binding": PlanPage(plan(document=document(changes=binding, input_changes=[])), operation(), True),
        "install-plan-preview": PlanPage(
            plan(document=document(changes=environment, input_changes=[], preview=preview)), operation(), can_apply=True
        ),
        "install-plan-no-preview": PlanPage(
            plan(document=document(changes=environment, preview={"problem": "It took longer than 60 s."})),
            operation(),
            can_apply=True,
        ),
        "install-plan-moving": PlanPage(
            plan(state=PlanState.PLANNING, document={}, digest=None, install_id=None), operation(), can_apply=True
        ),
        "install-plan-moved": PlanPage(plan(state=PlanState.MOVED), operation(), can_apply=True, newer=ID),
        "install-plan-failed": PlanPage(
            plan(state=PlanState.FAILED, document={}, digest=None, problem=declined), operation(), can_apply=True
        ),
        "install-new": form(("pull-request",)),
        "install-new-errors": form(("pull-request",), errors=wrong, values={"repository": "/nowhere"}),
        "install-new-policy": form(("policy-binding",)),
        "install-new-blueprint": form(("environment", "strategy")),
        "install-new-pin": form(("pin", "stack"), form=build_form({}, FormSource())),
        "install-new-stack": form(
            ("pin", "stack"), values={"as": "stack", "component": "Shelf"}, components=["Box", "Shelf", LONG[:60]]
        ),
        "install-upgrade": form(
            ("pull-request",),
            install=install(),
            form=front,
            kept=kept,
        ),
        "install-upgrade-preset": form(
            ("pull-request",),
            install=install(),
            form=front,
            kept=kept,
            examples=[Example(name=name, inputs={"greeting": "ahoy"}) for name in ("mild", LONG[:60])],
            example="mild",
        ),
    }
