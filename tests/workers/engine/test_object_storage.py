"""The state in an object storage instead of files (spoken by moto, a fake of S3)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from workers.engine.pulumi_automation import PulumiAutomationEngine

pytestmark = pytest.mark.engine

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture
def bucket() -> Iterator[str]:
    """Run moto's server with a bucket, and return its address for Pulumi."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="state")
    yield f"s3://state?endpoint={host}:{port}&disableSSL=true&s3ForcePathStyle=true&region=us-east-1"
    server.stop()


def test_a_stack_lives_in_an_object_storage(target: Any, bucket: str) -> None:
    configuration = replace(target.configuration, state_backend_url=bucket, credentials=CREDENTIALS)
    engine = PulumiAutomationEngine(configuration)
    request = target.request("stored", target.commit("stored"))
    engine.up(request)
    assert target.get("stored") == (200, "stored")
    assert engine.exists(request.stack)
    assert {resource.name for resource in engine.resources(request.stack)} >= {"web", "files", "route"}
    engine.destroy(request)
    assert not engine.exists(request.stack)
    assert target.left_over("stored") == []
