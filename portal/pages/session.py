"""The pages around signing in: how to get a link, and a link that can no longer be used."""

from dataclasses import dataclass
from typing import ClassVar

from portal.pages.render import Page


@dataclass(frozen=True)
class SignInPage(Page):
    """How to sign in; with an ``action`` (the path that redeems an opened link) it asks to confirm."""

    template: ClassVar[str] = "sessions/sign_in.html"

    action: str = ""


@dataclass(frozen=True)
class LinkUsedPage(Page):
    """A sign-in link that was used already or has expired."""

    template: ClassVar[str] = "sessions/link_used.html"
