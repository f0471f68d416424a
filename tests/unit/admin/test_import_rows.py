"""What a row of an imported table says of a device (contract 5.5)."""

from __future__ import annotations

from typing import Any

import pytest

from firstboot.errors import InvalidValue
from firstboot.model import Scope
from firstboot_plugins.admin.thingsboard.import_rows import (
    Column,
    ImportedDevice,
    check_columns,
    read_row,
    typed_cell,
)


def columns(*types: str) -> list[Column]:
    """Return columns; ``TYPE:key`` has a key."""
    return [Column(type=name, key=key or None) for name, _, key in (each.partition(":") for each in types)]


def row(cells: str, *types: str) -> ImportedDevice:
    return read_row(columns(*types), cells.split("|"))


def test_columns_map_by_position() -> None:
    device = row("d1|meter|Cellar|Behind the door|true", "NAME", "TYPE", "LABEL", "DESCRIPTION", "IS_GATEWAY")

    assert device == ImportedDevice(
        name="d1", type="meter", label="Cellar", description="Behind the door", gateway=True
    )


def test_empty_and_missing_cells_say_nothing() -> None:
    assert row("d1| |", "NAME", "TYPE", "LABEL", "IS_GATEWAY") == ImportedDevice(name="d1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-1.5", -1.5), ("true", True), ("FALSE", False), ("on", "on"), ('{"a": [1]}', {"a": [1]}),
        ("[1, 2]", [1, 2]), ("{not json}", "{not json}"), ("[", "["), ("1e3", "1e3"), ("=1+1", "=1+1"),
    ],
)  # fmt: skip
def test_cells_of_attributes_are_typed(text: str, value: Any) -> None:
    typed = typed_cell(text)

    assert typed == value
    assert type(typed) is type(value)


def test_attributes_and_telemetry_are_gathered_by_their_keys() -> None:
    device = row(
        'd1|{"secretKey":"s"}|7|x|1.5', "NAME", "SERVER_ATTRIBUTE:claimingData", "SHARED_ATTRIBUTE:a",
        "SHARED_ATTRIBUTE:b", "TIMESERIES:t",
    )  # fmt: skip

    assert device.attributes == {
        Scope.SERVER: {"claimingData": {"secretKey": "s"}},
        Scope.SHARED: {"a": 7, "b": "x"},
    }
    assert device.telemetry == {"t": 1.5}
    assert "secretKey" not in repr(device)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ("d|T|c|u|p|CERT", "X509_CERTIFICATE"),
        ("d|T|c|u|p|", "MQTT_BASIC"),
        ("d|T|||| ", "ACCESS_TOKEN"),
    ],
)
def test_a_certificate_wins_over_an_mqtt_login_and_that_over_a_token(cells: str, kind: str) -> None:
    device = row(cells, "NAME", "ACCESS_TOKEN", "MQTT_CLIENT_ID", "MQTT_USER_NAME", "MQTT_PASSWORD", "X509")

    assert device.credentials is not None
    assert device.credentials.type == kind


def test_a_row_without_credentials_has_none() -> None:
    assert row("d|", "NAME", "ACCESS_TOKEN").credentials is None


@pytest.mark.parametrize(
    ("cells", "types", "what"),
    [
        (" |x", ("NAME", "TYPE"), "name should be specified"),
        ("d|x|y", ("NAME", "TYPE"), "3 cells for 2"),
        ("d||p", ("NAME", "MQTT_CLIENT_ID", "MQTT_PASSWORD"), "client id and user name are empty"),
        ("d|c|p", ("NAME", "MQTT_CLIENT_ID", "MQTT_PASSWORD"), "Password cannot be specified"),
        ("d|x", ("NAME", "LWM2M_CLIENT_ENDPOINT"), "LWM2M_CLIENT_ENDPOINT are not supported"),
        ("d|s3cret\x07", ("NAME", "ACCESS_TOKEN"), "control characters"),
    ],
)
def test_a_row_that_cannot_be_followed_is_refused_and_not_quoted(
    cells: str, types: tuple[str, ...], what: str
) -> None:
    with pytest.raises(InvalidValue, match=what) as refused:
        row(cells, *types)

    assert "s3cret" not in str(refused.value)


def test_credentials_of_transports_that_are_not_here_may_stay_empty() -> None:
    assert row("d|", "NAME", "SNMP_HOST").name == "d"


@pytest.mark.parametrize(
    ("types", "what"),
    [
        (("TYPE",), "must be the NAME"),
        (("NAME", "NAME"), "Two columns"),
        (("NAME", "SHARED_ATTRIBUTE"), "needs a key"),
        (("NAME", "TIMESERIES:t", "TIMESERIES:t"), "of the same key"),
        (("NAME", "COLOUR"), "must be one of"),
    ],
)
def test_a_mapping_that_no_row_could_follow_is_refused(types: tuple[str, ...], what: str) -> None:
    with pytest.raises(InvalidValue, match=what):
        check_columns(columns(*types))


def test_the_same_key_may_be_used_in_two_scopes() -> None:
    check_columns(columns("NAME", "SHARED_ATTRIBUTE:a", "SERVER_ATTRIBUTE:a", "TIMESERIES:a"))
