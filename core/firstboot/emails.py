"""E-mail addresses as names of accounts."""

from __future__ import annotations

import re

from firstboot.errors import InvalidValue
from firstboot.names import clean_name

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def clean_email(text: str) -> str:
    """Return an e-mail address in lower case, the form in which accounts are stored and compared.

    Whether mail arrives there is not for us to know: the address is a name.

    Raises: `InvalidValue`.
    """
    if not text.strip():
        raise InvalidValue("User email should be specified!")
    # Again after the change of case, which can make it longer and take it apart: one address has one form.
    email = clean_name(clean_name(text, "e-mail address").lower(), "e-mail address")
    if not _ADDRESS.fullmatch(email):
        raise InvalidValue(f"Invalid email address format '{email}'!")
    return email
