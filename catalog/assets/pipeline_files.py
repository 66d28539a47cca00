"""What a pipeline template becomes in a repository: its templates rendered from inputs, its other files as they are."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_SUFFIX = ".j2"
MARKS: Mapping[str, Any] = {
    "block_start_string": "[%",
    "block_end_string": "%]",
    "variable_start_string": "[[",
    "variable_end_string": "]]",
    "comment_start_string": "[#",
    "comment_end_string": "#]",
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
"""How templates are marked, because ``${{ }}`` belongs to the pipelines; a line of a block alone leaves none."""


def template_environment() -> Environment:
    """Return the environment in which templates are rendered, where a name that is not given is an error."""
    return ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined, **MARKS)


def render_target(
    files: Mapping[str, bytes], folder: str, destination: str, values: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return what lies below ``folder`` of a package as files of a repository, by path from its root.

    ``values`` are what templates are given: ``inputs``, complete and valid, and ``asset``. Publishers write templates,
    and a loop in one can run for ever, so this is called inside the sandbox, or for templates of our own. Raises
    ``jinja2.TemplateError`` where one cannot be rendered, and ``UnicodeDecodeError`` where one is no text.
    """
    environment = template_environment()
    rendered: dict[str, bytes] = {}
    for path in sorted(path for path in files if path.startswith(f"{folder}/")):
        within = path.removeprefix(f"{folder}/")
        target = within if destination == "." else f"{destination}/{within}"
        if path.endswith(TEMPLATE_SUFFIX):
            text = environment.from_string(files[path].decode("utf-8")).render(values)
            rendered[target.removesuffix(TEMPLATE_SUFFIX)] = text.encode()
        else:
            rendered[target] = files[path]
    return rendered
