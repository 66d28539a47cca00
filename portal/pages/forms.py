"""What the pages' handlers share: forms as they were sent, and whom a page may offer what."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from litestar.params import QueryParameter, URLEncodedBody

from catalog.errors import FieldError
from portal.boundary import WebRequest
from portal.pages.render import Renderer
from portal.pages.schema_controls import element_id

SentForm = URLEncodedBody[dict[str, Any]]
"""The fields of a form: a text each, or a list of texts where a name came several times."""

Text = Annotated[str | None, QueryParameter(required=False, max_length=1000)]


class FormErrors:
    """What is wrong with a page's form, beside each field and in the summary at the top.

    ``labels`` are what people know the fields as; the first part of an error's pointer names its field.
    """

    labels: ClassVar[Mapping[str, str]]
    errors: Sequence[FieldError]

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if self.field_of(each) == name)

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        named = [(self.field_of(each), each.detail) for each in self.errors]
        return [
            (self.labels.get(name, ""), element_id(name) if name in self.labels else "", text) for name, text in named
        ]

    @staticmethod
    def field_of(error: FieldError) -> str:
        """Return the name of the field that an error is about."""
        return error.pointer.strip("/").partition("/")[0]


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
