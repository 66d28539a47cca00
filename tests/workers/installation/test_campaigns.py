"""Campaigns over installs that are pull requests: a wave waits until each is merged, and a closed one is a failure."""

from collections.abc import Callable
from uuid import UUID

from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import AskCampaign, CampaignDetail
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

Work = Callable[..., list[str]]


def test_a_wave_waits_for_pull_requests(
    publish: Do, repo: Repo, ledger: Ledger, work: Work, database: Database, settings: Settings, acme: Principal
) -> None:
    def look(campaign: UUID) -> CampaignDetail:
        work(periodic=True)
        for _ in range(3):
            with database.tenant_session(acme.tenant_id) as session:
                CampaignService(session, settings).tick(acme.tenant_id, campaign)
            work()
        with database.tenant_session(acme.tenant_id) as session:
            return CampaignService(session, settings).get(acme.tenant_id, campaign)

    def upgraded_to(version: str) -> UUID:
        publish(version, {"build.yml.j2": f"{WORKFLOW}      - run: echo {version}\n"})
        wanted = AskCampaign.model_validate({"name": version, "asset": "acme/pipeline", "soak": "PT0S"})
        with database.tenant_session(acme.tenant_id) as session:
            campaign = CampaignService(session, settings).create(acme, wanted).id
        look(campaign)
        with database.tenant_session(acme.tenant_id) as session:
            CampaignService(session, settings).start(acme, campaign)
        return campaign

    publish()
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    first = upgraded_to("1.1.0")
    found = look(first)
    assert (found.state, [str(each.state) for each in found.members]) == ("running", ["waiting"])
    repo.merge(ledger.get(install.id).proposed["branch"])
    found = look(first)
    assert (found.state, [str(each.state) for each in found.members]) == ("done", ["upgraded"])
    second = upgraded_to("1.2.0")
    assert [str(each.state) for each in look(second).members] == ["waiting"]
    repo.git("branch", "-D", ledger.get(install.id).proposed["branch"])
    found = look(second)
    assert (found.state, [str(each.state) for each in found.members]) == ("stopped", ["failed"])
    assert ledger.get(install.id).applied_revision == 2, "what was there still is"
