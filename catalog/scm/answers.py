"""Commands of comments that were obeyed, each once, and what was answered."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.scm import queries
from catalog.scm.events import PullRequestCommented
from catalog.scm.models import ScmCommand

REMEMBERED = timedelta(days=30)
"""How long it is known that a comment was obeyed: longer than providers deliver anything again."""


class ScmCommands:
    """The commands of one tenant's pull requests; everything happens in the session's transaction."""

    def __init__(self, session: Session, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def find(self, told: PullRequestCommented) -> ScmCommand | None:
        """Return what is known of a comment's command; None where it was never obeyed."""
        return queries.command(self._session, self._tenant_id, told.repository, told.pull_request, told.comment_id)

    def take(self, told: PullRequestCommented) -> bool:
        """Write down that the command is obeyed in this transaction; False where another one did so."""
        queries.forget_commands(self._session, self._tenant_id, now() - REMEMBERED)
        row = ScmCommand(
            tenant_id=self._tenant_id,
            repository=told.repository,
            pull_request=told.pull_request,
            comment_id=told.comment_id,
        )
        return queries.note_command(self._session, row)

    def answer(self, told: PullRequestCommented, text: str, *, is_replied: bool = False) -> None:
        """Keep what is answered, and whether that was written at the pull request."""
        row = self.find(told)
        if row is not None:
            row.answer, row.is_replied = text, is_replied
            self._session.add(row)
