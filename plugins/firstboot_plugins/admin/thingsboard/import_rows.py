"""From a row of an imported table to the device that it says (contract 5.5)."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from firstboot.attribute_values import check_values
from firstboot.errors import InvalidValue
from firstboot.json_profile import MalformedJson, decode
from firstboot.model import Credentials, Scope
from firstboot_plugins.admin.thingsboard import credential_records
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.dialects.thingsboard.typed_values import typed


class ColumnType(enum.StrEnum):
    """What a column holds."""

    NAME = "NAME"
    TYPE = "TYPE"
    LABEL = "LABEL"
    DESCRIPTION = "DESCRIPTION"
    IS_GATEWAY = "IS_GATEWAY"
    SHARED_ATTRIBUTE = "SHARED_ATTRIBUTE"
    SERVER_ATTRIBUTE = "SERVER_ATTRIBUTE"
    TIMESERIES = "TIMESERIES"
    ACCESS_TOKEN = "ACCESS_TOKEN"
    X509 = "X509"
    MQTT_CLIENT_ID = "MQTT_CLIENT_ID"
    MQTT_USER_NAME = "MQTT_USER_NAME"
    MQTT_PASSWORD = "MQTT_PASSWORD"


KEYED = frozenset({ColumnType.SHARED_ATTRIBUTE, ColumnType.SERVER_ATTRIBUTE, ColumnType.TIMESERIES})
"""Columns whose cells are values of the column's key."""

_OTHER_TRANSPORTS = re.compile(r"(?:LWM2M|SNMP)_[A-Z0-9_]{1,64}")


class Column(Shape):
    """One column of the table."""

    type: Annotated[str, Field(max_length=80)]
    key: Annotated[str, Field(max_length=255)] | None = None

    @property
    def kind(self) -> ColumnType | None:
        """None: credentials of a transport that is not here; such cells must be empty."""
        with suppress(ValueError):
            return ColumnType(self.type)
        if _OTHER_TRANSPORTS.fullmatch(self.type):
            return None
        raise InvalidValue(f"A column type must be one of {', '.join(ColumnType)}!")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedDevice:
    """What a row says of one device. None: nothing."""

    name: str
    type: str | None = None
    label: str | None = None
    description: str | None = None
    gateway: bool | None = None
    attributes: dict[Scope, dict[str, Any]] = field(default_factory=dict, repr=False)
    telemetry: dict[str, Any] = field(default_factory=dict, repr=False)
    credentials: Credentials | None = field(default=None, repr=False)


def check_columns(columns: Sequence[Column]) -> None:
    """Refuse a mapping that no row could follow.

    Raises: `InvalidValue`.
    """
    kinds = [column.kind for column in columns]
    if ColumnType.NAME not in kinds:
        raise InvalidValue("One column must be the NAME!")
    seen: set[tuple[ColumnType, str | None]] = set()
    for column, kind in zip(columns, kinds, strict=True):
        if kind is None:
            continue
        if kind in KEYED and not (column.key or "").strip():
            raise InvalidValue(f"A column of the type {kind} needs a key!")
        place = kind, column.key if kind in KEYED else None
        if place in seen:
            raise InvalidValue(f"Two columns are {kind}{' of the same key' if kind in KEYED else ''}!")
        seen.add(place)


def read_row(columns: Sequence[Column], cells: Sequence[str]) -> ImportedDevice:
    """Return what a row says. Empty cells say nothing.

    Raises: `InvalidValue`; it quotes no cell.
    """
    if len(cells) > len(columns):
        raise InvalidValue(f"The row has {len(cells)} cells for {len(columns)} columns.")
    texts: dict[ColumnType, str] = {}
    values: dict[ColumnType, dict[str, Any]] = {kind: {} for kind in KEYED}
    for column, cell in zip(columns, cells, strict=False):
        text = cell.strip()
        if not text:
            continue
        kind = column.kind
        if kind is None:
            raise InvalidValue(f"Credentials of the type {column.type} are not supported.")
        if kind in KEYED:
            values[kind][column.key or ""] = typed_cell(text)
        else:
            texts[kind] = text
    name = texts.get(ColumnType.NAME)
    if name is None:
        raise InvalidValue("Device name should be specified!")
    for of_kind in values.values():
        check_values(of_kind)
    gateway = texts.get(ColumnType.IS_GATEWAY)
    return ImportedDevice(
        name=name,
        type=texts.get(ColumnType.TYPE),
        label=texts.get(ColumnType.LABEL),
        description=texts.get(ColumnType.DESCRIPTION),
        gateway=None if gateway is None else gateway.lower() == "true",
        attributes={
            scope: values[kind]
            for scope, kind in (
                (Scope.SERVER, ColumnType.SERVER_ATTRIBUTE),
                (Scope.SHARED, ColumnType.SHARED_ATTRIBUTE),
            )
            if values[kind]
        },
        telemetry=values[ColumnType.TIMESERIES],
        credentials=_credentials(texts),
    )


def _credentials(texts: dict[ColumnType, str]) -> Credentials | None:
    """Return the first kind of credentials that the row has: a certificate, an MQTT login, a token."""
    if ColumnType.X509 in texts:
        return credential_records.x509_certificate(texts[ColumnType.X509])
    parts = (ColumnType.MQTT_CLIENT_ID, ColumnType.MQTT_USER_NAME, ColumnType.MQTT_PASSWORD)
    if any(part in texts for part in parts):
        return credential_records.mqtt_basic(*(texts.get(part, "") for part in parts))
    if ColumnType.ACCESS_TOKEN in texts:
        return credential_records.access_token(texts[ColumnType.ACCESS_TOKEN])
    return None


def typed_cell(text: str) -> Any:
    """Return the number, truth value, JSON object or list that a cell looks like, or else its text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text[0] in "{[" and text[-1] in "}]":
        try:
            return decode(text.encode("utf-8", "surrogatepass"))
        except MalformedJson:
            return text
    return typed(text)
