"""Which form of a simple index a client gets (PEP 691)."""

from enum import StrEnum

from litestar.exceptions import HTTPException


class Form(StrEnum):
    """The content types of a simple index."""

    JSON = "application/vnd.pypi.simple.v1+json"
    HTML = "application/vnd.pypi.simple.v1+html"
    LEGACY = "text/html"


class NotAcceptableError(HTTPException):
    """The client asks for a form that there is none of."""

    status_code = 406


_NAMES = {
    "application/vnd.pypi.simple.v1+json": Form.JSON,
    "application/vnd.pypi.simple.latest+json": Form.JSON,
    "application/vnd.pypi.simple.v1+html": Form.HTML,
    "application/vnd.pypi.simple.latest+html": Form.HTML,
    "text/html": Form.LEGACY,
    "text/*": Form.LEGACY,
    "*/*": Form.LEGACY,
    "application/*": Form.JSON,
}


def choose_form(accept: str | None, wanted: str | None = None) -> Form:
    """Return the form with the highest quality, the first where several have it; raise ``NotAcceptableError``.

    ``wanted`` (the parameter ``format``) wins over the header. Without either it is plain HTML, for old clients.
    """
    if wanted is not None:
        if wanted not in _NAMES or "*" in wanted:
            raise NotAcceptableError(f"Ask for one of {', '.join(Form)}.")
        return _NAMES[wanted]
    if accept is None or not accept.strip():
        return Form.LEGACY
    best: tuple[float, Form] | None = None
    for each in accept.split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        form = _NAMES.get(name.lower())
        quality = _quality(parameters)
        if form is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, form)
    if best is None:
        raise NotAcceptableError(f"Ask for one of {', '.join(Form)}.")
    return best[1]


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        key, _, value = each.partition("=")
        if key.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
