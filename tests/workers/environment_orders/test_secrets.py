"""Secrets of a tenant that go while environments stand: these sleep all the same, and get them no more."""

import io
from uuid import UUID

import pytest
import yaml
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import Visibility
from catalog.assets.skeletons import skeleton
from catalog.environments.models import Phase, RequestEnvironment
from catalog.environments.service import read
from catalog.providers.blobs import open_blobs
from catalog.providers.scm import CommitNotFoundError, PullRequestState
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.tenants.models import SetSecret
from catalog.tenants.secrets import SecretService
from catalog.uploads.service import UploadService
from tests.workers.environment_orders import doubles
from tests.workers.environment_orders.slipway import Slipway

VALUE = "the value of the secret"


def publish(slipway: Slipway, principal: Principal) -> str:
    """Publish a blueprint whose application takes the secret TOKEN."""
    files = dict(skeleton("deployment-blueprint", principal.tenant_name, "secretive"))
    manifest = yaml.safe_load(files["asset.yaml"])
    manifest["spec"]["environment"]["components"]["web"]["env"]["TOKEN"] = "${secrets.TOKEN}"
    files["asset.yaml"] = yaml.safe_dump(manifest).encode()
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    with slipway.database.tenant_session(principal.tenant_id) as session:
        UploadService(session, open_blobs(slipway.settings)).receive(principal, io.BytesIO(archive), Visibility.PUBLIC)
    return f"{principal.tenant_name}/secretive"


def set_secret(slipway: Slipway, *blueprints: str) -> None:
    asked = SetSecret(value=SecretStr(VALUE), blueprints=list(blueprints))
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        SecretService(session, slipway.settings).set(slipway.principal, "TOKEN", asked)


def remove_secret(slipway: Slipway) -> None:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        SecretService(session, slipway.settings).remove(slipway.principal, "TOKEN")


def ask(slipway: Slipway, blueprint: str) -> UUID:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, f"{1:040x}")
    asked = RequestEnvironment(repository="/srv/shop", pull_request=1, blueprint=blueprint)
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    slipway.work(made)
    return made


def act(slipway: Slipway, verb: str, environment_id: UUID) -> None:
    slipway.do(lambda service: getattr(service, verb)(slipway.principal, environment_id))
    slipway.work(environment_id)


def failure(slipway: Slipway, environment_id: UUID) -> tuple[Phase, str]:
    row = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, environment_id), []))
    return row.phase, "" if row.failure is None else f"{row.failure.code}: {row.failure.message}"


def test_what_lost_its_secret_and_its_repository_sleeps_and_wakes_with_a_reason(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = publish(slipway, slipway.principal)
    set_secret(slipway)
    made = ask(slipway, blueprint)
    assert failure(slipway, made) == (Phase.READY, "")
    assert slipway.outside.of(made)
    remove_secret(slipway)

    def gone(*_arguments: object) -> None:
        raise CommitNotFoundError("There is no repository any more.")

    with monkeypatch.context() as without:
        without.setattr(doubles.Repository, "mirror", gone)
        act(slipway, "sleep", made)
    assert (failure(slipway, made), slipway.pending(made)) == ((Phase.SLEEPING, ""), [])
    assert not slipway.outside.of(made), "nothing runs"
    act(slipway, "wake", made)
    phase, told = failure(slipway, made)
    assert phase is Phase.FAILED
    assert told.startswith("invalid_input: acme/secretive takes the secret TOKEN, which is not there for it.")


def test_a_secret_that_is_withdrawn_from_a_blueprint_of_others_is_not_opened_to_it_again(slipway: Slipway) -> None:
    tenant = bootstrap.ensure_tenant(slipway.database, "rival")
    rival = Principal(tenant.id, tenant.name, actor="test:bob", name="bob", scopes=ALL_SCOPES)
    blueprint = publish(slipway, rival)
    set_secret(slipway, "rival/*")
    made = ask(slipway, blueprint)
    assert failure(slipway, made) == (Phase.READY, "")
    set_secret(slipway)
    act(slipway, "rebuild", made)
    phase, told = failure(slipway, made)
    assert phase is Phase.FAILED
    assert "rival/secretive takes the secret TOKEN, which is not there for it." in told
    set_secret(slipway, "rival/*")
    act(slipway, "rebuild", made)
    assert failure(slipway, made) == (Phase.READY, "")
