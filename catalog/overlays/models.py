"""Overlays, their history and what was found of versions as rows; rules and answers as shapes."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator, model_validator
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

from catalog.assets.findings import storable
from catalog.clock import now
from catalog.columns import Json, Timestamp
from catalog.forms.patterns import is_usable
from catalog.forms.pointers import steps_of

MOST_RULES = 100
MOST_BYTES = 16 * 1024
"""How long a value in a rule may be, as JSON."""
LIMITS = ("enum", "minimum", "maximum", "min_length", "max_length", "min_items", "max_items", "pattern")
"""The parts of a rule that make an input's choice smaller."""
KEYWORDS: Mapping[str, str] = {
    "enum": "enum",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "pattern": "pattern",
}
"""Each part and the keyword of JSON Schema that it is; rules may be written with either name."""


class Overlay(SQLModel, table=True):
    """What a tenant narrows of one asset; ``revision`` counts the changes."""

    __tablename__ = "overlays"
    __table_args__ = (
        ForeignKeyConstraint(["asset_id"], ["assets.id"], ondelete="CASCADE"),
        Index("ix_overlays_asset_id", "asset_id"),
    )

    tenant_id: UUID = Field(foreign_key="tenants.id", primary_key=True)
    asset_id: UUID = Field(primary_key=True)
    rules: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    revision: int
    changed_by: str
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class OverlayChange(SQLModel, table=True):
    """One change of an overlay; rows are added and never changed. No rules: it was removed."""

    __tablename__ = "overlay_changes"
    __table_args__ = (ForeignKeyConstraint(["asset_id"], ["assets.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(foreign_key="tenants.id", primary_key=True)
    asset_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    rules: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    changed_by: str
    actor: str
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class OverlayCheck(SQLModel, table=True):
    """What was found of one version under one revision of an overlay, so that a conflict is told once."""

    __tablename__ = "overlay_checks"
    __table_args__ = (
        ForeignKeyConstraint(["asset_id"], ["assets.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["version_id"], ["asset_versions.id"], ondelete="CASCADE"),
    )

    tenant_id: UUID = Field(foreign_key="tenants.id", primary_key=True)
    version_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    asset_id: UUID
    misfits: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    checked_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Rule(BaseModel):
    """What becomes of one input: ``pointer`` leads to it, ``*`` standing for each entry of a list.

    ``fixed`` gives its value for good; ``hidden`` takes it off the form, with the fixed value, the default, or none.
    ``default`` replaces the publisher's; ``required`` takes the publisher's away, so that somebody has to choose.
    The rest are limits in the words of JSON Schema, each of them at most as wide as the publisher's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pointer: Annotated[str, StringConstraints(pattern=r"^(/([^~/]|~[01])+)+$", max_length=500)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Shape(
        description="Why; whoever meets the rule reads it.", examples=["Data stays in the European Union."]
    )
    fixed: Any = Shape(default=None, description="The value for good.", examples=["eu-west-1"])
    hidden: bool = False
    default: Any = None
    enum: list[Any] | None = Shape(default=None, min_length=1, max_length=200)
    minimum: int | float | None = Shape(default=None, allow_inf_nan=False)
    maximum: int | float | None = Shape(default=None, allow_inf_nan=False)
    min_length: int | None = Shape(default=None, ge=0)
    max_length: int | None = Shape(default=None, ge=0)
    min_items: int | None = Shape(default=None, ge=0)
    max_items: int | None = Shape(default=None, ge=0)
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    required: bool = False

    @model_validator(mode="before")
    @classmethod
    def _in_either_spelling(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        names = {keyword: name for name, keyword in KEYWORDS.items()}
        return {names.get(name, name): value for name, value in given.items()}

    @field_validator("pointer", "reason", "pattern", "fixed", "default", "enum")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        written = json.dumps(value, ensure_ascii=False)
        if storable(written) != written or "\\u0000" in written:
            message = "This holds a character that is none."
            raise ValueError(message)
        if len(written.encode()) > MOST_BYTES:
            message = f"This is longer than {MOST_BYTES} bytes."
            raise ValueError(message)
        return value

    @field_validator("pattern")
    @classmethod
    def _can_be_used(cls, value: str | None) -> str | None:
        if value is not None and not is_usable(value):
            message = "Write a regular expression without look-around and back references."
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Rule":
        given = self.parts
        message = ""
        if not given:
            message = "The rule does nothing. Give fixed, hidden, default, a limit or required."
        elif "fixed" in given and given - {"fixed", "hidden"}:
            message = "A fixed value stands alone: nothing else is left to choose."
        elif "hidden" in given and given - {"hidden", "fixed", "default"}:
            message = "What is hidden takes a fixed value or a default, and no limits: nobody chooses it."
        if message:
            raise ValueError(message)
        return self

    @property
    def parts(self) -> set[str]:
        """Return which parts of the rule say something."""
        off = {name for name in ("hidden", "required") if not getattr(self, name)}
        off |= {name for name in LIMITS if getattr(self, name) is None}
        return self.model_fields_set - {"pointer", "reason"} - off

    @property
    def steps(self) -> list[str]:
        """Return the pointer's steps, unescaped."""
        return steps_of(self.pointer)

    @property
    def is_lock(self) -> bool:
        """Tell whether the rule leaves nothing to choose."""
        return bool(self.parts & {"fixed", "hidden"})

    def as_json(self) -> dict[str, Any]:
        """Return the rule as it is kept: what it says and no more."""
        kept = {"pointer", "reason", *self.parts}
        return {name: value for name, value in self.model_dump(mode="json").items() if name in kept}


class SetOverlay(BaseModel):
    """What shall be narrowed from now on; ``revision`` is the one that was looked at, so that nobody's is lost.

    ``version`` is the version that the rules are proven against; the one that stands for the asset by default.
    """

    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = Shape(min_length=1, max_length=MOST_RULES)
    revision: int | None = Shape(default=None, ge=0)
    version: Annotated[str, StringConstraints(max_length=100)] | None = Shape(default=None, examples=["1.4.0"])

    @field_validator("rules")
    @classmethod
    def _are_apart(cls, rules: list[Rule]) -> list[Rule]:
        pointers = [each.pointer for each in rules]
        twice = sorted({each for each in pointers if pointers.count(each) > 1})
        message = f"There are two rules for {twice[0]}. Write one." if twice else ""
        for each in rules if not message else ():
            above = next((one for one in rules if one.is_lock and each.pointer.startswith(f"{one.pointer}/")), None)
            if above is not None:
                message = f"{each.pointer} lies within {above.pointer}, which leaves nothing to choose."
                break
        if message:
            raise ValueError(message)
        return rules


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class MisfitRead(_Read):
    """One rule that does not fit a version: its input, what is wrong, and what helps."""

    pointer: str
    detail: str
    fix: str


class FitRead(_Read):
    """How an overlay fits one version; a version that it does not fit is given to nobody."""

    version: str
    fits: bool
    misfits: list[MisfitRead] = Shape(default_factory=list)


class OverlayRead(_Read):
    """An overlay: its rules, and how it fits the newest versions that may be chosen, newest first."""

    namespace: str
    name: str
    revision: int
    rules: list[dict[str, Any]]
    changed_by: str
    changed_at: datetime
    versions: list[FitRead] = Shape(default_factory=list)

    @property
    def conflicts(self) -> list[FitRead]:
        """Return the versions that it does not fit."""
        return [each for each in self.versions if not each.fits]


class OverlayChangeRead(_Read):
    """One change of an overlay; no rules where it was removed."""

    revision: int
    rules: list[dict[str, Any]]
    changed_by: str
    changed_at: datetime


class OverlayList(_Read):
    """A tenant's overlays, by asset."""

    items: list[OverlayRead]
    next_cursor: str | None = None


class OverlayChangeList(_Read):
    """The changes of an overlay, newest first."""

    items: list[OverlayChangeRead]


class NarrowedInputs(_Read):
    """What a tenant's members may give to one version: its schema as narrowed, and the rules that did it."""

    version: str
    revision: int | None
    input_schema: dict[str, Any]
    rules: list[dict[str, Any]]
    fits: bool
    misfits: list[MisfitRead] = Shape(default_factory=list)
