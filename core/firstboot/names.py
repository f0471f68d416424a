"""Rules for the names of devices, profiles and tenants (threat HT-7, contract PR-11)."""

from __future__ import annotations

import re
import unicodedata

from firstboot.errors import InvalidValue

MAX_NAME_LENGTH = 255

# Controls, formats (bidi, zero-width), surrogates, private use stays, unassigned, line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
# Enough of a tag or a template to be dangerous where a name is shown; a lone "<" is an ordinary character.
_MARKUP = re.compile(r"<[a-zA-Z/!?]|\{\{.*\}\}|javascript:", re.IGNORECASE)


def clean_name(text: str, what: str = "name") -> str:
    """Return ``text`` trimmed and in NFC, the form in which names are stored and compared.

    Raises: `InvalidValue` for a name that is blank, longer than 255 characters, or has control or
    invisible characters or markup in it.
    """
    name = text.strip()
    if name.isascii():
        if not name.isprintable():
            raise InvalidValue(f"A {what} may not have control characters.")
    else:
        name = unicodedata.normalize("NFC", name).strip()
        if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in name):
            raise InvalidValue(f"A {what} may not have control, invisible or unassigned characters.")
    if not name:
        raise InvalidValue(f"A {what} must have at least one visible character.")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidValue(f"A {what} has at most {MAX_NAME_LENGTH} characters; this one has {len(name)}.")
    if _MARKUP.search(name):
        raise InvalidValue(f"A {what} may not have HTML, scripts or {{{{...}}}} in it.")
    return name
