"""Hooks of hosted source code management: genuine by their signature, taken once, and nothing but a hint."""

from typing import Annotated

from litestar import post
from litestar.params import Parameter

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
    connection: Annotated[str, Parameter(query="connection", max_length=100)],
) -> HookReceived:
    """Take a delivery, as the connection's ``hook_url`` says where.

    ``X-Hub-Signature-256`` has to vouch for the raw bytes. A delivery that was taken before, one of no interest, and
    one of a repository that is not followed change nothing.
    """
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await threads.run(receive_hook, database, settings, connection, headers, body)


ROUTES = (receive_github_hook,)
