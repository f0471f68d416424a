"""A file with certificates of authorities, as it is given to whoever asks."""

from __future__ import annotations

import re
from pathlib import Path

MAX_SIZE_BYTES = 65_536
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def read_certificates(path: Path) -> str:
    """Return the certificates in a PEM file, and nothing else that may stand there, such as a key.

    Raises: `ValueError` when there is none, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SIZE_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    blocks = _CERTIFICATE.findall(text.replace("\r\n", "\n"))
    if not blocks:
        raise ValueError(f"{path} has no certificate in it; give PEM")
    return "".join(f"{block}\n" for block in blocks)


def readable(path: Path) -> Path:
    """Check that a file has certificates.

    Raises: `ValueError`.
    """
    read_certificates(path)
    return path
