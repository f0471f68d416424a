"""One server for all device examples, and the libraries that examples ask for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.conftest import rest_client
from tests.integration.clients.live import LiveServer, live_server, pip_install, private_package

__all__ = ["rest_client"]

ACME = Path(__file__).parents[2] / "examples" / "acme_plugin"


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Run one server for all examples; each test names its devices after itself."""
    with live_server(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture(scope="session")
def paho_mqtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unmixed paho-mqtt."""
    return private_package(tmp_path_factory.getbasetemp(), "paho-mqtt")


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example of a plugin as its README says, and return the folder that it is in."""
    base = tmp_path_factory.mktemp("acme")
    source = shutil.copytree(ACME, base / "source")  # building writes into the sources
    return pip_install(base / "installed", str(source))
