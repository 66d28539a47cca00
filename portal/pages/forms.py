"""What the pages' handlers share: forms as they were sent, and whom a page may offer what."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar.params import QueryParameter, URLEncodedBody

from portal.boundary import WebRequest
from portal.pages.render import Renderer

SentForm = URLEncodedBody[dict[str, Any]]
"""The fields of a form: a text each, or a list of texts where a name came several times."""

Text = Annotated[str | None, QueryParameter(required=False, max_length=1000)]


def sent_fields(data: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return every value of every field, in the order in which they were sent."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in data.items()}
    return {name: [str(each) for each in values] for name, values in listed.items()}


def last_values(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the last value of each field: a checkbox comes after the hidden field that stands for its absence."""
    return {name: values[-1] if values else "" for name, values in fields.items()}


def renderer_of(request: WebRequest) -> Renderer:
    """Return what renders the pages of this application."""
    renderer: Renderer = request.app.state.renderer
    return renderer
