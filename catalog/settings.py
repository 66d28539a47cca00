"""Every setting of Slipway, read from the environment once and handed down explicitly."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_STORAGE_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_")


class Settings(BaseSettings):
    """Settings with the prefix ``SLIPWAY_``; each is described in ``docs/settings.md``.

    Database addresses are SQLAlchemy URLs for psycopg 3. When only ``database_url`` is given it must be able to
    act as the roles ``slipway_app`` and ``slipway_system`` (``SET ROLE``), and is used for migrations as well.
    """

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("slipway"), validation_alias="SLIPWAY_DATA")
    tools_dir: Path = Field(default_factory=lambda: user_cache_path("slipway") / "tools")

    database_url: str = Field(default="", repr=False)
    database_owner_url: str = Field(default="", repr=False)
    database_system_url: str = Field(default="", repr=False)
    database_pool_size: int = Field(default=20, ge=2, le=200)
    redis_url: str = Field(default="", repr=False)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65000, validation_alias="PORT")
    preview_port: int = Field(default=0, ge=0, le=65535)
    preview_domain: str = "preview.localhost"
    base_url: str = ""
    allowed_hosts: str = ""
    door_repeat_seconds: float = Field(default=2.0, ge=0, le=60)
    request_threads: int = Field(default=16, ge=2, le=200)

    identity_issuers: tuple[dict[str, str], ...] = (
        {"issuer": "https://token.actions.githubusercontent.com", "provider": "github-actions"},
        {"issuer": "https://gitlab.com", "provider": "gitlab"},
    )
    identity_audience: str = ""
    internal_domains: tuple[str, ...] = ()

    targets: tuple[str, ...] = ("local",)
    tenant_targets: dict[str, str] = {}
    tenant_allowed_targets: dict[str, tuple[str, ...]] = {}
    image_pattern: str = ""
    docker_socket: str = "/var/run/docker.sock"
    docker_base_image: str = ""
    postgres_image: str = "postgres:18-alpine"
    redis_image: str = "redis:8-alpine"
    objects_image: str = "versity/versitygw:v1.8.0"
    objects_command: str = "exec versitygw posix /data"
    cgroup: str = ""
    azure_location: str = "westeurope"
    azure_objects_command: str = "exec versitygw azure"
    aws_region: str = "eu-central-1"
    aws_vpc: str = ""
    aws_subnets: tuple[str, ...] = ()
    gcp_project: str = ""
    gcp_project_number: str = ""
    gcp_region: str = "europe-west1"
    gcp_network: str = "default"
    kubeconfig: str = ""
    kubernetes_domain: str = ""
    kubernetes_url: str = "http://{host}/"
    kubernetes_ingress_class: str = ""
    kubernetes_ingress_namespace: str = "ingress-nginx"
    kubernetes_storage_class: str = ""
    kubernetes_storage_gb: int = Field(default=5, ge=1, le=1024)
    insecure_local: bool = False
    local_repository_roots: tuple[Path, ...] = ()
    state_backend_url: str = ""
    master_key: SecretStr | None = None
    operation_time_limit_seconds: int = Field(default=900, ge=5)
    worker_threads: int = Field(default=6, ge=1, le=64)

    blob_store: Literal["local", "s3"] = "local"
    s3_bucket: str = ""
    s3_endpoint_url: str = ""
    s3_region: str = "us-east-1"

    signer: str = "local"
    signing_key_file: Path | None = None
    pkcs11_module: Path | None = None
    pkcs11_token: str = ""
    pkcs11_pin_file: Path | None = None
    kms_region: str = "us-east-1"
    kms_endpoint_url: str = ""
    sigstore_trusted_root: Path | None = None
    release_signer: str = "file"
    release_key: Path | None = None
    release_public_key: Path | None = None
    curated_dir: Path | None = None
    upload_wait_seconds: float = Field(default=30.0, ge=0, le=60)

    policy_masks: tuple[str, ...] = ()
    production_data_tenants: tuple[str, ...] = ()
    policy_retention_days: int = Field(default=90, ge=1, le=3650)
    decision_log_url: str = ""

    environment_maximum_ttl_seconds: int = Field(default=14 * 24 * 3600, ge=60)
    environment_quota: int = Field(default=50, ge=1)
    environment_quota_memory_mb: int | None = Field(default=None, ge=16)
    environment_quota_processes: int | None = Field(default=None, ge=1)
    environment_queue: int = Field(default=100, ge=0, le=10_000)
    environment_eviction: Literal["none", "sleep"] = "none"
    pull_request_poll_seconds: float = Field(default=2.0, gt=0)
    component_providers: tuple[str, ...] = (
        "aws",
        "aws-native",
        "azure",
        "azure-native",
        "gcp",
        "google-native",
        "random",
    )
    install_preview_seconds: float = Field(default=60.0, ge=0, le=240)
    scm_servers: tuple[str, ...] = ()
    scm_entra_server: str = "https://login.microsoftonline.com"
    scm_poll_seconds: float = Field(default=300.0, ge=1)
    scm_write_pause_seconds: float = Field(default=0.5, ge=0, le=60)

    opa_url: str = ""
    prometheus_servers: tuple[dict[str, str], ...] = ()

    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_starttls: bool = True
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_from: str = "slipway@localhost"
    notification_patience_hours: float = Field(default=72.0, gt=0, le=720)

    @model_validator(mode="before")
    @classmethod
    def _fill_derived(cls, values: dict[str, object]) -> dict[str, object]:
        def given(*names: str) -> object | None:
            return next((values[name] for name in names if values.get(name) not in (None, "")), None)

        port = int(str(given("port", "PORT") or 8000))
        host = str(given("host") or "127.0.0.1")
        data = Path(str(given("data_dir", "SLIPWAY_DATA") or user_data_path("slipway"))).absolute()
        derived: dict[str, object] = {
            "preview_port": port + 80,
            "base_url": f"http://{host}:{port}",
            "state_backend_url": f"file://{quote(str(data / 'pulumi-state'))}",
        }
        return {**values, **{name: value for name, value in derived.items() if given(name) in (None, 0, "0")}}

    @property
    def owner_url(self) -> str:
        """The address with which migrations are run."""
        return self.database_owner_url or self.database_url

    @property
    def system_url(self) -> str:
        """The address of the role that relay and scheduler use."""
        return self.database_system_url or self.database_url

    @property
    def run_dir(self) -> Path:
        """Where sockets are kept: below the data directory, unless its path is too long for a socket's name.

        Then ``run/elsewhere`` names the short directory that takes its place; ``slipway up`` makes and removes it.
        """
        usual = self.data_dir / "run"
        record = usual / "elsewhere"
        return Path(record.read_text(encoding="utf-8").strip()) if record.is_file() else usual

    @property
    def process_host_socket(self) -> Path:
        """Where the process host answers."""
        return self.run_dir / "process-host.sock"

    def preview_url(self, hostname: str) -> str:
        """Return the public address of the preview environment with ``hostname``."""
        return f"http://{hostname}:{self.preview_port}/"

    def as_environment(self) -> dict[str, str]:
        """Return these settings as the variables that make a child process read the same ones."""
        variables: dict[str, str] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is None:
                continue
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            text = text.absolute() if isinstance(text, Path) else text
            text = json.dumps(text, default=str) if isinstance(text, list | tuple | dict) else text
            variables[str(field.validation_alias or f"SLIPWAY_{name.upper()}")] = str(text)
        return variables


def inherited_environment() -> dict[str, str]:
    """Return the environment that Slipway itself was started with, for its own processes alone."""
    return dict(os.environ)


def take_environment(variables: Mapping[str, str]) -> None:
    """Make ``variables`` the whole environment of this process, where it is the copy of one that has another."""
    os.environ.clear()
    os.environ.update(variables)


def storage_credentials() -> dict[str, str]:
    """Return the variables from which the clients of object storages read their credentials and addresses."""
    return {name: value for name, value in os.environ.items() if name.startswith(_STORAGE_PREFIXES)}


def cloud_credentials() -> dict[str, str]:
    """Return the variables from which the clients of clouds read who they are."""
    return {name: value for name, value in os.environ.items() if name.startswith((*_STORAGE_PREFIXES, "ARM_"))}


def load_settings() -> Settings:
    """Read the settings from the process environment; raise ``pydantic.ValidationError`` that names what is wrong."""
    return Settings()
