"""Hooks of hosted source code management: genuine by their signature, taken once, and nothing but a hint."""

from typing import Annotated

from litestar import post
from litestar.params import QueryParameter

from catalog.scm.models import HookReceived
from catalog.scm.service import LARGEST_HOOK, receive_hook
from portal.api.documentation import problems
from portal.boundary import AppDatabase, AppSettings, AppThreads, WebRequest


@post(
    "/hooks/github",
    operation_id="receive_github_hook",
    summary="Receive a webhook of GitHub",
    tags=["hooks"],
    security=[{}],
    opt={"anonymous": True},
    status_code=202,
    request_max_body_size=LARGEST_HOOK,
    responses=problems(400, 403, 413, 422),
)
async def receive_github_hook(
    request: WebRequest,
    database: AppDatabase,
    settings: AppSettings,
    threads: AppThreads,
    connection: Annotated[str, QueryParameter(max_length=100)],
) -> HookReceived:
    """Take a delivery, as the connection's ``hook_url`` says where.

    ``X-Hub-Signature-256`` has to vouch for the raw bytes. A delivery that was taken before, one of no interest, and
    one of a repository that is not followed change nothing.
    """
    taken = await _taken(request)
    return await threads.run(receive_hook, database, settings, connection, *taken)


@post(
    "/hooks/azure-devops",
    operation_id="receive_azure_devops_hook",
    summary="Receive a service hook of Azure DevOps",
    tags=["hooks"],
    security=[{}],
    opt={"anonymous": True},
    status_code=202,
    request_max_body_size=LARGEST_HOOK,
    responses=problems(400, 403, 413, 422),
)
async def receive_azure_devops_hook(
    request: WebRequest,
    database: AppDatabase,
    settings: AppSettings,
    threads: AppThreads,
    connection: Annotated[str, QueryParameter(max_length=100)],
) -> HookReceived:
    """Take a delivery, as the connection's ``hook_url`` says where.

    Azure DevOps signs nothing: the connection's secret comes as the password of HTTP Basic, under any user name, or
    in the header ``X-Slipway-Secret``. A notification that was taken before, one of no interest, and one of a
    repository that is not followed change nothing.
    """
    taken = await _taken(request)
    return await threads.run(receive_hook, database, settings, connection, *taken)


async def _taken(request: WebRequest) -> tuple[dict[str, str], bytes]:
    body = await request.body()
    return {name.lower(): value for name, value in request.headers.items()}, body


ROUTES = (receive_github_hook, receive_azure_devops_hook)
