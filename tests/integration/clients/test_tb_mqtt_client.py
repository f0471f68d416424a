"""ThingsBoard's Python SDK (tb-mqtt-client), unmodified: contract 2.12."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.clients.live import LiveServer, outcome_of

PEM = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----\n"


class Sdk:
    """The SDK, on a device of one server."""

    def __init__(self, live: LiveServer, tb_paho: Path) -> None:
        self._live = live
        self._tb_paho = tb_paho

    def provision(self, **arguments: Any) -> dict[str, Any]:
        """Call ``TBDeviceMqttClient.provision``."""
        keys = {"provision_device_key": self._live.key, "provision_device_secret": self._live.secret}
        return self._do("provision", port=self._live.mqtt_port, **{**keys, **arguments})

    def connect(self, **arguments: Any) -> dict[str, Any]:
        """Connect a ``TBDeviceMqttClient``; it speaks MQTT 5."""
        return self._do("connect", port=self._live.mqtt_port, **arguments)

    def provision_http(self, **arguments: Any) -> dict[str, Any]:
        """Call ``TBHTTPDevice.provision``."""
        keys = {"device_key": self._live.key, "device_secret": self._live.secret}
        host = f"http://127.0.0.1:{self._live.http_port}"
        return self._do("provision_http", host=host, **{**keys, **arguments})

    def _do(self, what: str, **job: Any) -> dict[str, Any]:
        return outcome_of("tb_program.py", self._tb_paho, do=what, **job)


@pytest.fixture
def sdk(live: LiveServer, tb_paho: Path) -> Sdk:
    return Sdk(live, tb_paho)


STAYS = {"result": 0, "connected": True, "connected_afterwards": True, "connections": 1}
"""The outcome of a client that is let in, and is still there after all that it sends of its own accord."""


def test_2_12_it_provisions_with_a_generated_token_and_stays_connected_with_it(sdk: Sdk, name: str) -> None:
    outcome = sdk.provision(device_name=name)

    credentials = outcome["credentials"]
    assert (credentials["status"], credentials["credentialsType"]) == ("SUCCESS", "ACCESS_TOKEN")
    assert outcome["errors"] == []
    assert sdk.connect(username=credentials["credentialsValue"]) == STAYS


def test_2_12_it_provisions_with_a_token_of_its_own_and_stays_connected_with_it(sdk: Sdk, name: str) -> None:
    outcome = sdk.provision(device_name=name, access_token="own-token-of-the-sdk")

    assert outcome["credentials"] == {
        "credentialsValue": "own-token-of-the-sdk",
        "credentialsType": "ACCESS_TOKEN",
        "status": "SUCCESS",
    }
    assert sdk.connect(username="own-token-of-the-sdk") == STAYS


def test_2_12_it_provisions_with_whole_mqtt_credentials_and_stays_connected_with_them(sdk: Sdk, name: str) -> None:
    outcome = sdk.provision(device_name=name, client_id="tb-c", username="tb-u", password="tb-p")

    assert outcome["credentials"] == {
        "credentialsValue": {"clientId": "tb-c", "userName": "tb-u", "password": "tb-p"},
        "credentialsType": "MQTT_BASIC",
        "status": "SUCCESS",
    }
    assert sdk.connect(client_id="tb-c", username="tb-u", password="tb-p") == STAYS


@pytest.mark.parametrize(
    ("part", "stored"),
    [
        ({"username": "tb-user-alone"}, {"clientId": "", "userName": "tb-user-alone", "password": ""}),
        ({"client_id": "tb-client-alone"}, {"clientId": "tb-client-alone", "userName": "", "password": ""}),
        (
            {"username": "tb-user", "password": "tb-pass"},
            {"clientId": "", "userName": "tb-user", "password": "tb-pass"},
        ),
    ],
    ids=["user", "client", "user-and-password"],
)
def test_7_the_nulls_of_partial_mqtt_credentials_count_as_absent(
    sdk: Sdk, name: str, part: dict[str, str], stored: dict[str, str]
) -> None:
    outcome = sdk.provision(device_name=name, **part)

    assert outcome["credentials"]["credentialsValue"] == stored
    assert sdk.connect(**part) == STAYS


def test_2_12_it_brings_a_certificate(sdk: Sdk, name: str) -> None:
    outcome = sdk.provision(device_name=name, hash=PEM)

    assert outcome["credentials"] == {
        "credentialsValue": "AAECAwQF",
        "credentialsType": "X509_CERTIFICATE",
        "status": "SUCCESS",
    }


def test_pr_12_it_makes_itself_a_gateway(sdk: Sdk, live: LiveServer, name: str) -> None:
    outcome = sdk.provision(device_name=name, gateway=True)

    assert outcome["credentials"]["status"] == "SUCCESS"
    assert live.show(name)["gateway"] is True


def test_pr_10_without_a_name_it_gets_a_device_all_the_same(sdk: Sdk) -> None:
    assert sdk.provision()["credentials"]["status"] == "SUCCESS"


def test_2_12_a_wrong_secret_takes_the_sdks_own_error_path(sdk: Sdk, name: str) -> None:
    outcome = sdk.provision(device_name=name, provision_device_secret="not the secret")

    assert outcome["credentials"] is None
    (error,) = outcome["errors"]
    assert "NOT_FOUND" in error
    assert "Provision data was not found!" in error


def test_pr_6_a_name_that_is_taken_takes_the_sdks_own_error_path(sdk: Sdk, live: LiveServer, name: str) -> None:
    live.provision(name)

    outcome = sdk.provision(device_name=name)

    assert outcome["credentials"] is None
    (error,) = outcome["errors"]
    assert "FAILURE" in error


def test_3_3_wrong_credentials_are_refused_with_the_code_of_version_5(sdk: Sdk) -> None:
    outcome = sdk.connect(username="nobodys-token")

    assert outcome == {"result": 0x86, "connected": False}


class TestHttp:
    async def test_2_12_it_provisions_with_a_generated_token(self, sdk: Sdk, live: LiveServer, name: str) -> None:
        outcome = sdk.provision_http(device_name=name)

        assert outcome["name"] == name
        assert await live.login(username=outcome["token"]) == 0

    def test_2_12_a_wrong_secret_raises_the_sdks_own_error(self, sdk: Sdk, name: str) -> None:
        outcome = sdk.provision_http(device_name=name, device_secret="not the secret")

        assert outcome == {"failure": {"errorMsg": "Provision data was not found!", "status": "NOT_FOUND"}}
