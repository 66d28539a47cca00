"""Labelling: what a tenant calls its installs, to find and to choose them by."""

from collections.abc import Mapping
from uuid import UUID

from catalog.errors import FieldError, ForbiddenError
from catalog.installs import queries
from catalog.installs.errors import InstallNotFoundError
from catalog.installs.events import InstallLabelled
from catalog.installs.models import Install, InstallState
from catalog.installs.service.base import Base, stamp, subject_of
from catalog.installs.shapes import SetLabels
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


class Labelling(Base):
    """Labels are no part of any revision: to change them changes nothing of what is installed."""

    def set_labels(self, principal: Principal, install_id: UUID, asked: SetLabels) -> Install:
        """Give an install these labels and no others; the same again changes nothing.

        Raises ``ForbiddenError`` where a rule of approvals reads a label that would change, unless the caller may end
        such rules: otherwise whoever plans could take the approval away with the label.
        """
        principal.require("installs:write")
        install = self._install(principal.tenant_id, install_id, lock=True)
        if install.state is InstallState.REMOVED:
            raise InstallNotFoundError(f"{install.name} was uninstalled.")
        wanted = dict(asked.labels)
        if wanted != install.labels:
            self._check_guarded(principal, install, wanted)
            noted = {"before": install.labels, "after": wanted}
            install.labels = wanted
            self._touch(install)
            subject = subject_of(install.id)
            TenantService(self._session).audit(install.tenant_id, principal.actor, "install.label", subject, noted)
            data = InstallLabelled(**stamp(install), labels=sorted(wanted))
            self._tell(install.tenant_id, subject, data, principal.actor)
        return install

    def _check_guarded(self, principal: Principal, install: Install, wanted: Mapping[str, str]) -> None:
        changed = {name for name, _ in install.labels.items() ^ wanted.items()}
        for rule in queries.approval_rules(self._session, install.tenant_id):
            guarded = sorted(changed & set(rule.labels))
            if guarded and not principal.may("installs:admin"):
                raise ForbiddenError(
                    f"The rule {rule.name} decides by the label {guarded[0]} who has to approve plans, "
                    f"so changing it needs the scope installs:admin.",
                    [FieldError(f"/labels/{guarded[0]}", "Leave this label as it is, or ask an administrator.")],
                )
