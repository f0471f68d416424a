"""Scopes of API tokens: a closed list, and topic filters (LG-9)."""

from __future__ import annotations

import pytest

from firstboot.errors import InvalidValue, NotAllowed
from firstboot.scopes import MAX_SCOPES, PUBLISH, SCOPES, SUBSCRIBE, check_scopes, check_within, filters


def test_lg_9_every_plain_scope_and_topic_filters_are_taken_in_order_and_once() -> None:
    given = ["subscribe:a/#", *SCOPES, "publish:a/+/b", "devices:read"]

    assert check_scopes(given) == tuple(sorted({*SCOPES, "subscribe:a/#", "publish:a/+/b"}))


def test_lg_9_an_unknown_scope_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidValue, match=r"Did you mean devices:read\?"):
        check_scopes(["device:read"])


@pytest.mark.parametrize("scopes", [[], ["*"], ["admin"], [""], ["publish"], ["publish:"], ["DEVICES:READ"]])
def test_lg_9_nothing_and_everything_are_no_scopes(scopes: list[str]) -> None:
    with pytest.raises(InvalidValue):
        check_scopes(scopes)


@pytest.mark.parametrize(
    "topic_filter",
    ["$SYS/#", "$share/g/a", "a/#/b", "a+", "+a/b", "#a", "a\0b", "a\nb", "/".join("a" * 17), "x" * 513],
)
@pytest.mark.parametrize("prefix", [PUBLISH, SUBSCRIBE])
def test_mq_8_a_filter_that_is_none_or_the_servers_is_refused(prefix: str, topic_filter: str) -> None:
    with pytest.raises(InvalidValue):
        check_scopes([prefix + topic_filter])


def test_lg_9_the_number_of_scopes_is_bounded() -> None:
    most = [f"publish:{number}" for number in range(MAX_SCOPES)]

    assert len(check_scopes(most)) == MAX_SCOPES
    with pytest.raises(InvalidValue):
        check_scopes([*most, "rpc"])


def test_lg_9_nobody_passes_on_more_than_he_has() -> None:
    check_within(["rpc"], None)
    check_within(["rpc"], {"rpc", "events"})

    with pytest.raises(NotAllowed, match=r"devices:write, publish:#\."):
        check_within(["rpc", "publish:#", "devices:write"], {"rpc", "publish:a"})
    with pytest.raises(NotAllowed):
        check_within(["rpc"], set())


def test_filters_are_read_back_by_their_kind() -> None:
    scopes = ["publish:a/#", "subscribe:b", "rpc", "publish:c"]

    assert filters(scopes, PUBLISH) == ("a/#", "c")
    assert filters(scopes, SUBSCRIBE) == ("b",)
