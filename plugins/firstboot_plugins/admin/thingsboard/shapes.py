"""The base of ThingsBoard's JSON objects."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Text = Annotated[str, Field(max_length=255)]
"""What is kept for the client and shown again."""


class Shape(BaseModel):
    """Names are camelCase on the wire; what clients send beyond the fields is ignored (contract 5.7)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # when first used: most servers serve few of the calls, and all of them start
    )
