"""The bases of the JSON objects of Firstboot's own calls. Names are camelCase on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""For whole numbers, which JSON may also write as ``1.0``; comes last, so that bounds stand in the document."""


class Told(BaseModel):
    """What the server answers."""

    # Built when first used: most servers serve few of the calls, and all of them start.
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        defer_build=True,
    )


class Sent(BaseModel):
    """What the server is sent. A field that is not the asker's to set is refused, as any unknown one (LG-8)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        defer_build=True,
    )


class Asked(Sent):
    """The parameters of a query, which are texts on the wire."""

    model_config = ConfigDict(strict=False)
