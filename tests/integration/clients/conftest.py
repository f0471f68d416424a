"""One server for all clients, and each client's own library."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.clients.live import LiveServer, live_server, private_package


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Run one server for all tests here; each names its devices after itself."""
    with live_server(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a device name that no other test has."""
    name: str = request.node.name
    return name


@pytest.fixture(scope="session")
def paho_mqtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unmixed paho-mqtt."""
    return private_package(tmp_path_factory.getbasetemp(), "paho-mqtt")


@pytest.fixture(scope="session")
def tb_paho(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the paho that tb-mqtt-client is made for."""
    return private_package(tmp_path_factory.getbasetemp(), "tb-paho-mqtt-client")
