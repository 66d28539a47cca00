"""Secrets never reach a policy, and what is no secret does."""

from typing import Any

import pytest

from catalog.policies.masking import PULUMI_SECRET, PULUMI_SIGNATURE, mask

SECRET = {PULUMI_SIGNATURE: PULUMI_SECRET, "value": "hunter2"}


@pytest.mark.parametrize(
    ("document", "masked"),
    [
        ({"password": "x"}, {"password": "[secret]"}),
        ({"a": [{"api_key": "x", "name": "n"}]}, {"a": [{"api_key": "[secret]", "name": "n"}]}),
        ({"plan": {"outputs": {"url": SECRET}}}, {"plan": {"outputs": {"url": "[secret]"}}}),
        ({"header": "slw_abcdef"}, {"header": "[secret]"}),
        ({"credentials": {"user": "u", "key": "k"}}, {"credentials": "[secret]"}),
        ({"password": "", "token": None, "secret": False}, {"password": "", "token": None, "secret": False}),
        ({"tokens": 3, "passwords": ["p"]}, {"tokens": 3, "passwords": ["p"]}),
        ([1, "two", None], [1, "two", None]),
        (
            {"DB_PASSWORD": "x", "adminPassword": "y", "API-Key": "z"},
            dict.fromkeys(("DB_PASSWORD", "adminPassword", "API-Key"), "[secret]"),
        ),
        ({"env": [{"name": "DB_PASSWORD", "value": "x"}]}, {"env": [{"name": "DB_PASSWORD", "value": "[secret]"}]}),
        ({"env": [{"name": "SIZE", "value": "x"}]}, {"env": [{"name": "SIZE", "value": "x"}]}),
        ({"url": "postgres://u:p%40w@h/d?x=1"}, {"url": "postgres://u:[secret]@h/d?x=1"}),
        ({"url": "https://h:8080/a@b", "at": "a:b@c"}, {"url": "https://h:8080/a@b", "at": "a:b@c"}),
        ({"url": "postgres://u:p@ss@host/d"}, {"url": "postgres://u:[secret]@host/d"}),
        ({"url": "https://user:pa/ss@host"}, {"url": "https://user:[secret]@host"}),
        ({"run": "curl -H 'Authorization: token ghp_abcdefgh'"}, {"run": "curl -H 'Authorization: token [secret]'"}),
        ({"secretString": "x", "pwd": "y"}, {"secretString": "[secret]", "pwd": "[secret]"}),
        ({"header": "Bearer abcdefgh.ij"}, {"header": "Bearer [secret]"}),
        (
            {"run": "curl -H 'Authorization: Basic dTpwYXNz' slw_abc"},
            {"run": "curl -H 'Authorization: Basic [secret]' [secret]"},
        ),
        ({"permissions": {"id-token": "write"}}, {"permissions": {"id-token": "write"}}),
        ({"id_token": "eyJhbGciOi"}, {"id_token": "[secret]"}),
    ],
)
def test_masks_that_always_hold(document: Any, masked: Any) -> None:
    assert mask(document) == masked


def test_masks_of_the_installation() -> None:
    document = {"environment": {"inputs": {"pin": 1234, "size": "s"}}, "people": [{"email": "a"}, {"email": "b"}]}
    masked = mask(document, ["/environment/inputs/pin", "/people/*/email", "/**/nothing"])
    assert masked["environment"]["inputs"] == {"pin": "[secret]", "size": "s"}
    assert masked["people"] == [{"email": "[secret]"}, {"email": "[secret]"}]
