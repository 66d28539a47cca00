"""The ledger of installs as a source of metrics: what became of the installs of a campaign's wave."""

from datetime import datetime, timedelta

from catalog.campaigns.service import NUMBERS, SUBJECT, CampaignService
from catalog.providers.metrics import MetricSourceError, Reach, Reading
from catalog.settings import Settings


class WaveFactsSource:
    """Answers the numbers of ``NUMBERS`` by name; they are counted and not scraped, so no window applies."""

    name = "wave-facts"
    is_scraped = False

    def problem(self, query: str, settings: Settings, tenant_name: str) -> str:  # noqa: ARG002  # as any source is asked
        """See `MetricSource`."""
        return "" if query.strip() in NUMBERS else f"There is no {query!r}. Use one of: {', '.join(NUMBERS)}."

    def read(self, query: str, window: timedelta, at: datetime, reach: Reach) -> Reading:  # noqa: ARG002  # as any source is asked
        """See `MetricSource`: the number as it is now, none where no install stands behind it yet."""
        if reach.subject_kind != SUBJECT or self.problem(query, reach.settings, reach.tenant_name):
            raise MetricSourceError(
                "Only waves of campaigns have these numbers, by the names that docs/campaigns.md has."
            )
        with reach.session() as session:
            facts = CampaignService(session, reach.settings).wave_facts(reach.tenant_id, reach.subject_id)
        if facts is None:
            raise MetricSourceError("The wave is not there any more.")
        value, behind = facts.number(query.strip())
        return Reading(() if value is None else (value,), samples=behind)


PROVIDER = WaveFactsSource()
