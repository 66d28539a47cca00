"""The pages of overlays: full, empty, in conflict, and the form of a rule with errors."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from catalog.assets.models import AssetVersionRead, VersionState
from catalog.errors import FieldError
from catalog.overlays.models import FitRead, MisfitRead, OverlayChangeRead, OverlayRead
from portal.pages.overlay_rules import RulesPage
from portal.pages.overlays import InputLine, OverlayPage, OverlaysPage, RulePage, rule_schema
from portal.pages.render import Page
from portal.pages.schema_form import FormSource, build_form
from portal.pages.schema_shape import shape_of

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "title": "Region", "enum": ["eu-west-1", "us-east-1"]},
        "size": {"type": "integer", "maximum": 8},
        "tags": {"type": "array", "items": {"type": "string"}},
        "debug": {"type": "boolean", "default": False},
        "token": {"type": "string", "writeOnly": True},
    },
}


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    version = AssetVersionRead(
        id=UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"),
        namespace="slipway",
        name="preview-web",
        kind="deployment-blueprint",
        version="1.5.0",
        semver="1.5.0",
        state=VersionState.PUBLISHED,
        state_reason=None,
        replacement=None,
        manifest={},
        input_schema=SCHEMA,
        input_hints={},
        output_schema={},
        readme="",
        changelog="",
        files=[],
        warnings=[],
        blob_digest="a" * 64,
        tree_digest="b" * 64,
        manifest_digest="c" * 64,
        packed_size=1,
        published_at=MOMENT,
        published_by="Slipway itself",
        owned=False,
    )
    rules: list[dict[str, Any]] = [
        {"pointer": "/region", "enum": ["eu-west-1"], "reason": "Data stays in the European Union."},
        {"pointer": f"/{LONG}", "hidden": True, "reason": LONG},
    ]
    misfit = MisfitRead(pointer="/region", detail="The publisher's schema does not allow that.", fix="Take it off.")
    overlay = OverlayRead(
        namespace="slipway",
        name="preview-web",
        revision=3,
        rules=rules,
        changed_by="Ada Lovelace",
        changed_at=MOMENT,
        versions=[FitRead(version="1.5.0", fits=False, misfits=[misfit]), FitRead(version="1.4.0", fits=True)],
    )
    shapes = {each.pointer: each for each in shape_of(SCHEMA).walk() if each.kind != "group"}
    lines = [
        InputLine(pointer, pointer, rules[0] if pointer == "/region" else None, is_secret=pointer == "/token")
        for pointer in shapes
    ]
    history = [
        OverlayChangeRead(revision=3, rules=rules, changed_by="Ada Lovelace", changed_at=MOMENT),
        OverlayChangeRead(revision=2, rules=[], changed_by=LONG, changed_at=MOMENT),
    ]
    errors = (FieldError("/reason", "Say why."), FieldError("/rule/maximum", "This must be a whole number."))
    found: dict[str, Page] = {
        "overlays": OverlaysPage([overlay]),
        "overlays-paged": OverlaysPage([overlay], previous_href="/overlays", next_href="/overlays?cursor=x"),
        "overlays-empty": OverlaysPage([]),
        "overlay": OverlayPage(version, overlay, lines, rules[1:], history, may_change=True),
        "overlay-read-only": OverlayPage(version, None, lines, [], [], may_change=False),
        "overlay-rules": RulesPage("slipway/preview-web", "1.5.0", "- pointer: /region\n", 3),
        "overlay-rules-refused": RulesPage(
            "slipway/preview-web", "1.5.0", LONG, 0, [FieldError("/rules/0/reason", "Say why."), FieldError("", LONG)]
        ),
        "overlay-without-inputs": OverlayPage(version, None, [], [], [], may_change=True, errors=errors[:1]),
    }
    for pointer, shape in shapes.items():
        source = FormSource(prefix="rule", errors=errors)
        form = build_form(rule_schema(shape), source)
        found[f"overlay-rule{pointer.replace('/', '-')}"] = RulePage(version, pointer, pointer, form, errors=errors)
    return found
