"""What the tests of applications share with those of other clients."""

from pathlib import Path

import pytest
from tests.integration.clients.live import private_package


@pytest.fixture(scope="session")
def paho_mqtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unmixed paho-mqtt."""
    return private_package(tmp_path_factory.getbasetemp(), "paho-mqtt")
