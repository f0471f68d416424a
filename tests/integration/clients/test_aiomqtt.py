"""aiomqtt, unmodified, in each version of MQTT that it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.clients.live import LiveServer, outcome_of

LEVELS = {"3.1": 3, "3.1.1": 4, "5": 5}


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_it_provisions_logs_in_and_is_refused(live: LiveServer, paho_mqtt: Path, name: str, level: int) -> None:
    def aiomqtt(**job: Any) -> dict[str, Any]:
        return outcome_of("aiomqtt_program.py", paho_mqtt, port=live.mqtt_port, level=level, **job)

    answer = aiomqtt(username="provision", request=live.request(name))["answer"]

    assert answer["status"] == "SUCCESS"
    assert aiomqtt(username=answer["credentialsValue"]) == {"connected": True}
    # aiomqtt reports in the codes of version 5, as paho does.
    assert aiomqtt(username="nobodys-token") == {"refused": 0x86 if level == 5 else 0x87}
