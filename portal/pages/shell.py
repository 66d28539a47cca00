"""What surrounds every page: who is signed in, the theme, notices and toasts."""

from dataclasses import dataclass
from typing import Literal

from catalog.tenancy import Principal
from portal.pages.presentation import Tone

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")


@dataclass(frozen=True)
class Toast:
    """A short message that leaves by itself; a ``bad`` one stays until it is dismissed."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Shell:
    """The surroundings of one answer: ``path`` is the page's address with its query, to come back to."""

    path: str = "/"
    theme: Theme = "auto"
    principal: Principal | None = None
    warnings: tuple[str, ...] = ()
    toasts: tuple[Toast, ...] = ()


# A redirect may carry one notice by name in a cookie; texts never travel, so that nobody else can put words on a page.
NOTICES: dict[str, Toast] = {
    "environment-requested": Toast("good", "The environment is requested. This page follows its progress."),
    "environments-automated": Toast("good", "Its pull requests get environments by themselves from now on."),
    "environments-not-automated": Toast("good", "Nothing more begins there by itself. What is there stays."),
    "environment-target-chosen": Toast("good", "New environments go there from now on. What is there stays."),
    "environment-target-reset": Toast("good", "Your choice is taken back. What is there stays."),
    "environment-held": Toast("warn", "Its commit comes from a fork and waits for an approval of exactly that commit."),
    "environment-moved": Toast("good", "The environment of this pull request moves to the commit you asked for."),
    "environment-approved": Toast("good", "The commit is approved. Whatever is pushed after it waits again."),
    "environment-pinned": Toast("good", "The environment is kept as it is."),
    "environment-unpinned": Toast("good", "The environment is kept no longer."),
    "environment-sleeping": Toast("good", "The environment is put to sleep. A visit wakes it."),
    "environment-waking": Toast("good", "The environment wakes up."),
    "environment-extended": Toast("good", "The environment lives longer now."),
    "environment-destroying": Toast("good", "The environment is being destroyed."),
    "environment-rebuilding": Toast("good", "The environment is being built again."),
    "install-approval-asked": Toast("good", "Whoever has to approve was asked. It is applied as soon as they have."),
    "install-applying": Toast("good", "The plan is being applied. This page follows it."),
    "campaign-created": Toast("good", "Its upgrades are being planned. Nothing is changed before you start it."),
    "campaign-started": Toast("good", "The first wave begins. This page follows it."),
    "campaign-decided": Toast("good", "It is done as you decided."),
    "approval-decided": Toast("good", "Your decision is recorded."),
    "approval-withdrawn": Toast("good", "It is taken back. Nothing waits for it any more."),
    "approval-rule-made": Toast("good", "Plans that it means take an approval from now on."),
    "approval-rule-ended": Toast("good", "The rule asks nobody any more."),
    "delegation-made": Toast("good", "They decide in your place from now on."),
    "delegation-ended": Toast("good", "The delegation has ended."),
    "inbox-read": Toast("good", "All of it is marked as read."),
    "subscribed": Toast("good", "You are told from now on."),
    "subscription-paused": Toast("good", "Nothing is sent until it is resumed."),
    "subscription-resumed": Toast("good", "It is served again."),
    "subscription-removed": Toast("good", "Nobody is told by it any more."),
    "test-sent": Toast("good", "The test is on its way. Reload the page in a moment."),
    "release-created": Toast("good", "The release is recorded."),
    "proposal-approved": Toast("good", "The proposal is approved. An agent that may, carries it out."),
    "proposal-rejected": Toast("good", "The proposal is rejected. What was blocked for it is let through."),
    "agent-limited": Toast("good", "The limit holds from now on."),
    "agent-stopped": Toast("good", "Stopped. Nothing more happens until you start it again."),
    "agent-started": Toast("good", "Started again. It looks at everything anew."),
    "policy-bound": Toast("good", "The bundle counts from now on, as you chose."),
    "policy-unbound": Toast("good", "The bundle no longer counts."),
    "rule-waived": Toast("good", "The rule is waived until the day you named."),
    "waiver-ended": Toast("good", "The waiver has ended. The rule counts again."),
    "refusal-overridden": Toast("good", "The override is recorded. What was refused can be tried again."),
    "impact-asked": Toast("good", "A worker looks at what happened before. This page follows it."),
    "secret-set": Toast("good", "The secret is set. Environments get it with their next deployment."),
    "secret-removed": Toast("good", "The secret is forgotten."),
    "token-revoked": Toast("good", "The token is revoked. It stops working at once."),
    "publisher-trusted": Toast("good", "The jobs of this repository may publish now."),
    "version-published": Toast("good", "The version is out."),
    "version-held": Toast("good", "The version is kept and not out yet."),
    "version-submit": Toast("good", "The version waits for a second person."),
    "version-withdraw": Toast("good", "The version is a draft again."),
    "version-discard": Toast("good", "The draft is thrown away."),
    "review-rule-changed": Toast("good", "Who publishes in this namespace has changed."),
    "session-opened": Toast("good", "The session is open. Publish into it."),
    "session-submit": Toast("good", "The session waits for a second person."),
    "session-publish": Toast("good", "All of it is out."),
    "session-discard": Toast("good", "The session and its drafts are thrown away."),
    "proof-claimed": Toast("good", "It is being looked at. Reload the page in a moment."),
    "proof-withdrawn": Toast("good", "It is claimed no longer."),
    "publisher-removed": Toast("good", "Its jobs may publish no longer."),
    "key-made": Toast("good", "The key is made. Slipway signs with it from now on."),
    "key-imported": Toast("good", "The key is imported. What it signs is taken from now on."),
    "key-revoked": Toast("good", "The key is revoked. Everything that it signed is being verified again."),
    "identity-added": Toast("good", "The identity is added. Its keyless signatures are taken from now on."),
    "identity-revoked": Toast("good", "What that identity signed no longer counts."),
    "identity-removed": Toast("good", "Nothing more is taken from that identity."),
    "registry-added": Toast("good", "The registry is named. Artifacts of releases are looked up there from now on."),
    "registry-removed": Toast("good", "The registry is asked no longer, and its credential is forgotten."),
    "repository-followed": Toast("good", "Its pull requests are looked at from now on."),
    "scm-disconnected": Toast("good", "The connection and its credentials are forgotten."),
    "trust-policy-changed": Toast("good", "The trust policy holds from now on."),
    "delivery-replayed": Toast("good", "The delivery is on its way again."),
    "search-saved": Toast("good", "The search is saved."),
    "search-renamed": Toast("good", "The search has another name."),
    "search-deleted": Toast("good", "The search is kept no longer."),
    "access-changed": Toast("good", "Who may see it has changed."),
    "catalog-changed": Toast("good", "The catalog has changed. It counts at once."),
    "overlay-changed": Toast("good", "What is narrowed has changed. It counts at once."),
    "version-state-changed": Toast("good", "The state of the version has changed."),
    "signed-in": Toast("good", "You are signed in."),
    "signed-out": Toast("good", "You are signed out."),
}
