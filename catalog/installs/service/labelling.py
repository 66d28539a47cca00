"""Labelling: what a tenant calls its installs, to find and to choose them by."""

from uuid import UUID

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
        """Give an install these labels and no others; the same again changes nothing."""
        principal.require("installs:write")
        install = self._install(principal.tenant_id, install_id, lock=True)
        if install.state is InstallState.REMOVED:
            raise InstallNotFoundError(f"{install.name} was uninstalled.")
        wanted = dict(asked.labels)
        if wanted != install.labels:
            noted = {"before": install.labels, "after": wanted}
            install.labels = wanted
            self._touch(install)
            subject = subject_of(install.id)
            TenantService(self._session).audit(install.tenant_id, principal.actor, "install.label", subject, noted)
            data = InstallLabelled(**stamp(install), labels=sorted(wanted))
            self._tell(install.tenant_id, subject, data, principal.actor)
        return install
