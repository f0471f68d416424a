"""What is on a label: read from the secrets file of an import, and nothing in it can do harm (threat HT-9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from firstboot.claim_secrets import ALPHABET, LENGTH, MAX_LENGTH
from firstboot.csv_cells import plain_cell
from firstboot.csv_records import Record
from firstboot.errors import InvalidValue
from firstboot.names import clean_name

_GROUP = 4


@dataclass(frozen=True, slots=True)
class Label:
    """The texts of one label. All are printable, and of bounded length."""

    name: str
    secret: str = field(repr=False)
    """Empty: the device is claimed with its name alone."""
    link: str = field(repr=False)

    @property
    def groups(self) -> Sequence[str]:
        """The secret in pieces to read; one that was not made by us has to be typed exactly, and is one piece."""
        if len(self.secret) != LENGTH or not set(self.secret) <= set(ALPHABET):
            return [self.secret] if self.secret else []
        return [self.secret[start : start + _GROUP] for start in range(0, LENGTH, _GROUP)]


class LabelReader:
    """Reads labels from the rows below a header with the columns name and secret; others do not matter."""

    def __init__(self, header: Sequence[str], url: str, tenant: str | None) -> None:
        """``url``: where the claim page is, without ``/claim``. ``tenant``: whose page it is, if that matters.

        Raises: `InvalidValue`.
        """
        titles = [title.strip().lower() for title in header]
        for title in ("name", "secret"):
            if titles.count(title) != 1:
                raise InvalidValue(f"There is no column {title!r}, or more than one.")
        self._name = titles.index("name")
        self._secret = titles.index("secret")
        self._url = checked_url(url)
        self._tenant = tenant

    def read(self, record: Record) -> Label:
        """Return what a row says.

        Raises: `InvalidValue`; it quotes no cell.
        """
        if record.error is not None:
            raise InvalidValue(record.error)
        cells = [plain_cell(cell) for cell in record.cells]
        name = clean_name(cells[self._name] if self._name < len(cells) else "", "device name")
        secret = cells[self._secret].strip() if self._secret < len(cells) else ""
        if len(secret) > MAX_LENGTH or not secret.isprintable():
            raise InvalidValue(f"A claim secret is printable, and has at most {MAX_LENGTH} characters.")
        return Label(name, secret, self._link(name, secret))

    def _link(self, name: str, secret: str) -> str:
        """Return the claim link. What is behind the # stays in the browser, out of the logs of servers (CM-9)."""
        fields = {"name": name, "secret": secret, "tenant": self._tenant}
        given = {key: text for key, text in fields.items() if text}
        return f"{self._url}/claim#{urlencode(given, quote_via=quote, safe='')}"


def checked_url(url: str) -> str:
    """Return a URL with which links begin, without a slash at its end.

    Raises: `InvalidValue`.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidValue("Give the URL of the server as customers reach it, such as https://iot.example.com.")
    return url.rstrip("/")


def labels_of(records: Iterator[Record], reader: LabelReader) -> Iterator[tuple[int, Label | InvalidValue]]:
    """Yield the lines with their labels, or why there is none."""
    for record in records:
        try:
            yield record.line, reader.read(record)
        except InvalidValue as error:
            yield record.line, error
