"""From a row of a delivery list to the device that it says: columns are found by their names in the header."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firstboot.claim_secrets import MAX_LENGTH
from firstboot.errors import InvalidValue
from firstboot.json_profile import MalformedJson, decode
from firstboot.model import CLAIMING_DATA, Attribute, Scope, WantedCredentials
from firstboot.moments import read_moment
from firstboot.secret import MASK, Secret

COLUMNS: Mapping[str, str] = {
    "name": "name of the device, such as its serial number or DevEUI; the only column that must be there",
    "label": "what people call it",
    "profile": "name of its profile, in place of --profile",
    "description": "a note for administrators",
    "gateway": "whether it is a gateway: yes or no",
    "token": "its access token; drawn when there are no credentials",
    "client-id": "its MQTT client id",
    "username": "its MQTT user name",
    "password": "its MQTT password",
    "certificate": "its X.509 certificate (PEM)",
    "secret": "the secret with which it is claimed",
    "claim-until": "until when: a date or moment (UTC)",
    "server:KEY": "the server attribute KEY",
    "shared:KEY": "the shared attribute KEY",
}
"""Every column by name, with what its cells say."""

_SCOPES = {"server": Scope.SERVER, "shared": Scope.SHARED}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,16})?")
_SEPARATORS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """What a row says of one device. None: nothing."""

    name: str
    profile: str | None = None
    label: str | None = None
    description: str | None = None
    gateway: bool | None = None
    wanted: WantedCredentials | None = None
    secret: Secret | None = None
    until_ms: int | None = None
    attributes: tuple[Attribute, ...] = field(default=(), repr=False)


class RowReader:
    """Reads the rows below one header."""

    def __init__(self, header: Sequence[str], *, name_column: str = "name", ignored: Collection[str] = ()) -> None:
        """``name_column``: the column that has the names, if it is called otherwise. ``ignored``: others to skip.

        Raises: `InvalidValue` for columns that are not known, that are there twice, or that are missing.
        """
        skipped = {_plain(each) for each in ignored}
        self._columns: list[str | tuple[Scope, str] | None] = []
        unknown: list[str] = []
        for title in header:
            plain = _plain(title)
            if plain == _plain(name_column):
                self._columns.append("name")
            elif plain in skipped or not plain:
                self._columns.append(None)
            elif plain in COLUMNS and plain != "name":
                self._columns.append(plain)
            elif (attribute := _attribute(title)) is not None:
                self._columns.append(attribute)
            else:
                unknown.append(title.strip())
        _check_columns(self._columns, unknown, name_column)

    def read(self, cells: Sequence[str]) -> DeviceRow:
        """Return what a row says. Empty cells say nothing; values of attributes are not checked yet.

        Raises: `InvalidValue`; it quotes no cell.
        """
        if len(cells) > len(self._columns) and any(cell.strip() for cell in cells[len(self._columns) :]):
            raise InvalidValue(f"The row has {len(cells)} cells for {len(self._columns)} columns.")
        texts: dict[str, str] = {}
        attributes: list[Attribute] = []
        for column, cell in zip(self._columns, cells, strict=False):
            text = cell.strip()
            if not text or column is None:
                continue
            if isinstance(column, str):
                texts[column] = text
            else:
                attributes.append(Attribute(*column, _value(text)))
        if "name" not in texts:
            raise InvalidValue("The row has no name.")
        get = texts.get
        return DeviceRow(
            name=texts["name"],
            profile=get("profile"),
            label=get("label"),
            description=get("description"),
            gateway=_read("gateway", texts, _truth),
            wanted=_wanted(texts),
            secret=_read("secret", texts, _secret),
            until_ms=_read("claim-until", texts, _moment),
            attributes=tuple(attributes),
        )


def _plain(title: str) -> str:
    return _SEPARATORS.sub("-", title.strip()).lower()


def _attribute(title: str) -> tuple[Scope, str] | None:
    scope, colon, key = title.strip().partition(":")
    if not colon or not key.strip() or scope.lower() not in _SCOPES:
        return None
    return _SCOPES[scope.lower()], key.strip()


def _check_columns(columns: Sequence[object], unknown: Sequence[str], name_column: str) -> None:
    if unknown:
        raise InvalidValue(
            f"No such column: {', '.join(map(repr, unknown))}. There are {', '.join(COLUMNS)}; "
            "leave a column out with --ignore, and say with --name-column which has the names."
        )
    if "name" not in columns:
        raise InvalidValue(f"There is no column {name_column!r}, which has the names of the devices.")
    known = [column for column in columns if column is not None]
    if len(set(known)) != len(known):
        raise InvalidValue("Two columns have the same name.")
    if (Scope.SERVER, CLAIMING_DATA) in known:
        raise InvalidValue(f"In place of server:{CLAIMING_DATA}, give the columns secret and claim-until.")


def _read(column: str, texts: Mapping[str, str], reading: Callable[[str], Any]) -> Any:
    return reading(texts[column]) if column in texts else None


def _truth(text: str) -> bool:
    match text.lower():
        case "yes" | "true" | "1":
            return True
        case "no" | "false" | "0":
            return False
    raise InvalidValue("A cell of the column gateway is yes or no.")


def _secret(text: str) -> Secret:
    if len(text) > MAX_LENGTH:
        raise InvalidValue(f"A claim secret has at most {MAX_LENGTH} characters.")
    if not text.isprintable() or text == MASK:
        raise InvalidValue("A claim secret is printable text, and no mask of one.")
    return Secret(text)


def _moment(text: str) -> int:
    try:
        return read_moment(text)
    except InvalidValue as error:
        raise InvalidValue(f"In the column claim-until, {error}.") from None


def _wanted(texts: Mapping[str, str]) -> WantedCredentials | None:
    get = texts.get
    mqtt = any(part in texts for part in ("client-id", "username", "password"))
    if sum(("token" in texts, mqtt, "certificate" in texts)) > 1:
        raise InvalidValue("A device has a token, or MQTT credentials, or a certificate.")
    if "certificate" in texts:
        return WantedCredentials(type="X509_CERTIFICATE", certificate=texts["certificate"])
    if mqtt:
        return WantedCredentials(
            type="MQTT_BASIC", client_id=get("client-id"), username=get("username"), password=get("password")
        )
    return WantedCredentials(token=texts["token"]) if "token" in texts else None


def _value(text: str) -> Any:
    """Return the number, truth value, or JSON that a cell holds, or else its text.

    What an identifier may look like stays a text: ``007``, ``1e5``. A text in JSON's quotes is that text.
    """
    if text in ("true", "false") or _NUMBER.fullmatch(text) or text[0] + text[-1] in ('""', "[]", "{}"):
        try:
            return decode(text.encode())
        except MalformedJson:
            return text
    return text
