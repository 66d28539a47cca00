"""The option that takes an addition to the API over into the released document."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--accept-api``."""
    parser.addoption("--accept-api", action="store_true", help="write tests/contracts/openapi/v1.json anew")
