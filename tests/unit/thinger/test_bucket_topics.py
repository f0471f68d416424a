"""Filters of buckets in a tree find the same as filters that are compared one by one (contract 8)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thinger.topic_tree import TopicTree

NAMES = st.sampled_from(["a", "b", "", "$x"])
TOPICS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
LEVELS = st.lists(NAMES | st.just("+"), min_size=0, max_size=3)
FILTERS = st.tuples(LEVELS, NAMES | st.sampled_from(["+", "#"])).map(lambda both: "/".join([*both[0], both[1]]))


def matches(topic_filter: str, topic: str) -> bool:
    """Say by the words of MQTT 3.1.1, 4.7 whether a filter matches."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        each in ("+", level) for each, level in zip(wanted, levels, strict=True)
    )


@example(["sport/#"], "sport", [])
@example(["#", "+/+", "/+", "+"], "/a", [])
@example(["a/+", "a/b", "a/#", "a/b/#", "a"], "a/b", [1])
@given(st.lists(FILTERS, max_size=8), TOPICS, st.lists(st.integers(0, 7), max_size=8))
def test_tg_8_the_tree_finds_what_comparing_finds(filters: list[str], topic: str, removed: list[int]) -> None:
    tree = TopicTree()
    kept = dict(enumerate(filters))
    for id_, topic_filter in kept.items():
        tree.add(topic_filter, id_)
    for id_ in removed:
        if id_ in kept:
            tree.remove(kept.pop(id_), id_)

    assert tree.matching(topic) == {id_ for id_, each in kept.items() if matches(each, topic)}
    assert bool(tree) == bool(kept)


@given(st.lists(FILTERS, max_size=8))
def test_a_tree_from_which_all_are_removed_keeps_nothing(filters: list[str]) -> None:
    tree = TopicTree()
    for id_, topic_filter in enumerate(filters):
        tree.add(topic_filter, id_)
    for id_, topic_filter in enumerate(filters):
        tree.remove(topic_filter, id_)

    assert not tree


@pytest.mark.parametrize(
    ("topic_filter", "topic", "found"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
    ],
)
def test_mqtt_4_7_the_examples_of_the_standard(topic_filter: str, topic: str, found: bool) -> None:
    tree = TopicTree()
    tree.add(topic_filter, 1)

    assert tree.matching(topic) == ({1} if found else set())


def test_tg_8_the_deepest_filter_is_removed_without_a_trace() -> None:
    tree, deepest = TopicTree(), "/".join("+" * 256)
    tree.add(deepest, 1)

    assert tree.matching("/".join("a" * 256)) == {1}
    tree.remove(deepest, 1)
    assert not tree
