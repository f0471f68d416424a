"""paho-mqtt, unmodified, in each version of MQTT that it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.clients.live import LiveServer, outcome_of

LEVELS = {"3.1": 3, "3.1.1": 4, "5": 5}
every_version = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)


class Paho:
    """paho-mqtt, on a device of one server."""

    def __init__(self, live: LiveServer, paho_mqtt: Path) -> None:
        self._live = live
        self._paho_mqtt = paho_mqtt

    def __call__(self, level: int, **job: Any) -> dict[str, Any]:
        return outcome_of("paho_program.py", self._paho_mqtt, level=level, port=self._live.mqtt_port, **job)

    def provision(self, level: int, request: dict[str, Any], qos: int = 1) -> dict[str, Any]:
        return self(level, username="provision", request=request, qos=qos)


@pytest.fixture
def paho(live: LiveServer, paho_mqtt: Path) -> Paho:
    return Paho(live, paho_mqtt)


@every_version
@pytest.mark.parametrize("qos", [0, 1])
def test_pm_10_it_provisions_and_logs_in_with_the_token(
    paho: Paho, live: LiveServer, name: str, level: int, qos: int
) -> None:
    outcome = paho.provision(level, live.request(name), qos)

    assert outcome["suback"] == [qos]
    assert outcome["answer"]["status"] == "SUCCESS"
    assert outcome["connected"]
    assert paho(level, username=outcome["answer"]["credentialsValue"]) == {"connack": 0, "connected": True}


@every_version
def test_pm_10_a_qos_2_request_is_answered_with_puback(
    paho: Paho, live: LiveServer, name: str, level: int
) -> None:
    outcome = paho.provision(level, live.request(name), qos=2)

    # paho counts the message as published when the PUBACK is there.
    assert (outcome["suback"], outcome["puback"]) == ([1], 0)
    assert outcome["answer"]["status"] == "SUCCESS"


@every_version
@pytest.mark.parametrize(
    "login",
    [
        {"client_id": "c", "username": "u", "password": "p"},
        {"client_id": "only-c"},
        {"username": "only-u"},
        {"username": "u-and", "password": "p"},
        {"client_id": "c-and", "username": "u"},
    ],
    ids=lambda login: "-".join(login),
)
def test_3_3_each_kind_of_mqtt_credentials_logs_in(
    paho: Paho, live: LiveServer, name: str, level: int, login: dict[str, str]
) -> None:
    # The look-up id of credentials is unique in the installation: each version has its own.
    login = {part: f"{value}-{level}" for part, value in login.items()}
    wanted = {"clientId" if part == "client_id" else part: value for part, value in login.items()}
    live.provision(name, credentialsType="MQTT_BASIC", **wanted)

    assert paho(level, **login) == {"connack": 0, "connected": True}


# What paho reports is always in the codes of version 5: 0x87 stands for CONNACK 5 of version 3, 0x85 for 2.
@every_version
@pytest.mark.parametrize(
    ("login", "in_version_3", "in_version_5"),
    [
        ({"client_id": "c", "username": "unknown", "password": "wrong"}, 0x87, 0x86),
        ({"client_id": "c", "username": "unknown"}, 0x87, 0x86),
        ({"client_id": "unknown"}, 0x85, 0x85),
    ],
    ids=["user-and-password", "user", "client"],
)
def test_3_3_a_refusal_has_the_reason_of_its_version(
    paho: Paho, level: int, login: dict[str, str], in_version_3: int, in_version_5: int
) -> None:
    assert paho(level, **login) == {"connack": in_version_5 if level == 5 else in_version_3}


@every_version
def test_au_4_a_wrong_password_is_refused(paho: Paho, live: LiveServer, name: str, level: int) -> None:
    login = {"client_id": f"pw-c-{level}", "username": f"pw-u-{level}"}
    live.provision(
        name, credentialsType="MQTT_BASIC", clientId=f"pw-c-{level}", username=f"pw-u-{level}", password="right"
    )

    assert paho(level, **login, password="wrong") == {"connack": 0x86 if level == 5 else 0x87}
    assert paho(level, **login, password="right") == {"connack": 0, "connected": True}


@every_version
def test_a_device_that_publishes_gets_its_acknowledgement_and_stays(
    paho: Paho, live: LiveServer, name: str, level: int
) -> None:
    token = live.provision(name)

    outcome = paho(level, username=token, publish="v1/devices/me/telemetry")

    assert outcome["connected"]
    assert "puback" in outcome


@every_version
@pytest.mark.parametrize("who", [{"username": "provision"}, {"client_id": "provision"}], ids=["user", "client"])
def test_pm_1_the_user_name_or_the_client_id_opens_a_provisioning_session(
    paho: Paho, live: LiveServer, name: str, level: int, who: dict[str, str]
) -> None:
    outcome = paho(level, **who, request=live.request(name), qos=1)

    assert outcome["answer"]["status"] == "SUCCESS"


@every_version
def test_2_4_a_wrong_secret_is_answered_with_not_found(
    paho: Paho, live: LiveServer, name: str, level: int
) -> None:
    outcome = paho.provision(level, {**live.request(name), "provisionDeviceSecret": "wrong"})

    assert outcome["answer"] == {"errorMsg": "Provision data was not found!", "status": "NOT_FOUND"}
