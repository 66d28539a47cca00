"""What shapes refuse is said in words: nobody is asked to read a pattern."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

import catalog
from catalog.assets.shapes import Shape
from catalog.refusals import FORMS, sentence
from catalog.scm.models import ConnectScm

for each in pkgutil.walk_packages(catalog.__path__, "catalog."):
    importlib.import_module(each.name)


def shapes(above: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield every shape of ours below one, whatever libraries other tests have imported."""
    for below in above.__subclasses__():
        if below.__module__.startswith("catalog."):
            yield below
        yield from shapes(below)


def patterns(annotation: Any, metadata: Iterable[Any]) -> Iterator[str]:
    """Yield the patterns that a value of a type, or any part of it, has to match."""
    yield from (found for each in metadata if isinstance(found := getattr(each, "pattern", None), str))
    for inner in get_args(annotation):
        yield from patterns(inner, getattr(inner, "__metadata__", ()))


def test_there_are_words_for_every_pattern() -> None:
    found = {
        (pattern, shape)
        for shape in shapes(BaseModel)
        for field in shape.model_fields.values()
        for pattern in patterns(field.annotation, field.metadata)
    }
    # Errors of manifests have words of their own.
    missing = {pattern: shape for pattern, shape in found if pattern not in FORMS and not issubclass(shape, Shape)}
    assert missing == {}
    assert set(FORMS) <= {pattern for pattern, _ in found}, "words for a pattern that is nowhere"
    assert all(words.startswith("Write ") and words.endswith(".") and "[" not in words for words in FORMS.values())


def test_a_refusal_is_a_sentence_that_does_not_repeat_the_value() -> None:
    with pytest.raises(ValidationError) as refused:
        ConnectScm.model_validate({"name": "Not A Name", "credentials": {}, "provider": "x" * 64})
    said = [sentence(error) for error in refused.value.errors()]
    assert said[0] == FORMS[r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"]
    assert said[1] == "String should have at most 63 characters."
    assert not any("Not A Name" in each for each in said)
