"""Publishing from a CI job without a stored secret: the job's own identity is exchanged for a short-lived token."""

import httpx
import id as ambient
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from portal.cli.client import Client
from portal.cli.connection import ClientSettings, Connection, check_url
from portal.cli.errors import CommandError


class JobSettings(BaseSettings):
    """What a CI system says about itself to its jobs, beside what the package ``id`` looks for."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    given: SecretStr = Field(default=SecretStr(""), validation_alias="SLIPWAY_ID_TOKEN")
    azure_url: str = Field(default="", validation_alias="SYSTEM_OIDCREQUESTURI")
    azure_token: SecretStr = Field(default=SecretStr(""), validation_alias="SYSTEM_ACCESSTOKEN")


def as_job(asset: str) -> Connection | None:
    """Return a connection that can publish ``asset`` (``namespace/name``), None outside of a CI job.

    A token in ``SLIPWAY_TOKEN`` comes first. Raises ``CommandError`` where the job may not publish the asset.
    """
    given = ClientSettings()
    if not given.url or given.token.get_secret_value().strip():
        return None
    url = check_url(given.url)
    with Client(Connection(url, "")) as client:
        identity = _identity(client)
        if identity is None:
            return None
        answer = client.post("/publishers/token", {"token": identity, "asset": asset})
    return Connection(url, str(answer["token"]))


def _identity(client: Client) -> str | None:
    job = JobSettings()
    if job.given.get_secret_value():
        return job.given.get_secret_value()
    if job.azure_url and job.azure_token.get_secret_value():
        return _of_azure(job)
    try:
        return ambient.detect_credential(client.get("/publishers/audience")["audience"])
    except ambient.IdentityError as error:
        hint = "On GitHub Actions the job needs `permissions: id-token: write`."
        raise CommandError(f"The job's identity cannot be had: {error}", hint) from None


def _of_azure(job: JobSettings) -> str:
    headers = {"Authorization": f"Bearer {job.azure_token.get_secret_value()}"}
    try:
        answer = httpx.post(job.azure_url, params={"api-version": "7.1"}, headers=headers, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["oidcToken"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise CommandError(f"Azure Pipelines does not give the job an identity ({type(error).__name__}).") from None
