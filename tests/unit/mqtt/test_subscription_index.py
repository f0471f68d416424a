"""Who is to get a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.transports.mqtt.broker.subscription_index import SubscriptionIndex
from firstboot_plugins.transports.mqtt.topic_syntax import covers

FILTERS = ["a", "a/b", "a/+", "a/#", "+/b", "#", "+", "a/b/c", "a/+/c", "b/#", "+/+/#", "a//b", "/a"]
TOPICS = ["a", "b", "a/b", "a/b/c", "a//b", "/a", "b/x/y", "c"]
CLIENTS = ["x", "y", "z"]

changes = st.lists(st.tuples(st.booleans(), st.sampled_from(FILTERS), st.sampled_from(CLIENTS)), max_size=30)


@given(changes, st.sampled_from(CLIENTS))
def test_it_finds_the_clients_whose_filters_match_whatever_came_and_went(
    steps: list[tuple[bool, str, str]], leaver: str
) -> None:
    index = SubscriptionIndex()
    there: set[tuple[str, str]] = set()
    for add, topic_filter, client in steps:
        if add:
            index.add(topic_filter, client)
            there.add((topic_filter, client))
        else:
            assert index.remove(topic_filter, client) == ((topic_filter, client) in there)
            there.discard((topic_filter, client))

    for topic in TOPICS:
        assert index.clients_of(topic) == {who for which, who in there if covers(which, topic)}
    assert len(index) == len(there)

    index.remove_all(leaver)
    for topic in TOPICS:
        assert index.clients_of(topic) == {who for which, who in there if covers(which, topic)} - {leaver}


def test_nothing_is_left_of_clients_that_are_gone() -> None:
    index = SubscriptionIndex()
    for client in CLIENTS:
        for topic_filter in FILTERS:
            index.add(topic_filter, client)

    for client in CLIENTS:
        index.remove_all(client)

    assert (index._exact, index._filters, index._wild.children) == ({}, {}, {})
