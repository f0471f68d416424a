"""Replies in provisioning sessions: what is echoed, and how long they are (contract 12.2)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.session_replies import read_request

IDS = st.integers(-(2**53), 2**53) | st.text(max_size=70).filter(lambda text: "\0" not in text)


@given(
    fields=st.fixed_dictionaries({"device": st.text(max_size=300)}, optional={"id": IDS}),
    status=st.sampled_from([200, 400, 403, 409, 429]),
    body=st.fixed_dictionaries(
        {}, optional={"result": st.sampled_from(["created", "conflict"]), "message": st.text(max_size=300)}
    ),
)
def test_a_brief_reply_is_json_of_less_than_200_bytes_with_the_id_as_it_came(
    fields: dict[str, Any], status: int, body: dict[str, Any]
) -> None:
    try:
        request = read_request(json.dumps(fields).encode(), 16_384)
    except ThingerError:  # an id that is too long, or a text that is no text
        return

    reply = request.reply(status, body)

    assert len(reply) < 200
    told = json.loads(reply)
    assert (told.get("id"), told["status"]) == (fields.get("id"), status)
    assert body.get("message", "").startswith(told.get("message", ""))


@given(payload=st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_whatever_is_published_is_a_request_or_refused(payload: bytes) -> None:
    try:
        read_request(payload, 200)
        status = 200
    except ThingerError as error:
        status = error.status
    assert status in (200, 400, 413)
