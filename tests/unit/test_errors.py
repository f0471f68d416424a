"""The tree of errors: stable codes, and texts that say what to do."""

from __future__ import annotations

import inspect
import re

import pytest

from firstboot import errors
from firstboot.calls import PluginFailed, is_refusal_code
from firstboot.errors import (
    REFUSAL_CODES,
    AlreadyExists,
    ConfigError,
    FirstbootError,
    InvalidValue,
    LoginRefused,
    NotFound,
    PluginError,
    Problem,
    ProfileNotProven,
    ProvisioningRefused,
    Refused,
    StartRefused,
    StorageRefused,
    Unavailable,
)

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_stable_code(kind: type[FirstbootError]) -> None:
    assert issubclass(kind, FirstbootError)
    assert is_refusal_code(kind.code)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_at_the_top_of_the_module_is_the_tree(kind: type[FirstbootError]) -> None:
    drawn = re.findall(r"^([ │├└─]*)(\w+)", (errors.__doc__ or "").split("::")[1], re.MULTILINE)
    path: list[str] = []
    parents = {}
    for indent, name in drawn:
        if name in {each.__name__ for each in CLASSES}:
            depth = len(indent) // 4 - 1
            path[depth:] = [name]
            parents[name] = path[depth - 1] if depth else "Exception"

    assert kind.__name__ in parents
    assert kind.__mro__[1].__name__ == parents[kind.__name__]


def test_errors_of_one_audience_are_caught_together() -> None:
    assert all(issubclass(kind, StartRefused) for kind in (ConfigError, PluginError, StorageRefused))
    assert all(issubclass(kind, Refused) for kind in (ProfileNotProven, ProvisioningRefused, LoginRefused))
    for kind in (NotFound, AlreadyExists, InvalidValue, Unavailable, PluginFailed):
        assert not issubclass(kind, Refused | StartRefused)


def test_every_refusal_code_is_one_and_is_explained() -> None:
    assert [code for code in REFUSAL_CODES if not is_refusal_code(code)] == []
    assert all(REFUSAL_CODES.values())
    assert {"plugin-error", "vetoed", "wrong-secret", Unavailable.code, ProfileNotProven.code} <= set(
        REFUSAL_CODES
    )


def test_a_refusal_may_have_a_code_of_its_own() -> None:
    assert Refused("why").code == "refused"
    refusal = ProvisioningRefused("why", code="name-taken")

    assert (str(refusal), refusal.code, refusal.delay_s) == ("why", "name-taken", 0.0)
    assert ProvisioningRefused.code == "provisioning-refused"


def test_op_13_each_problem_says_where_what_and_what_to_write_instead() -> None:
    one = Problem("server.key", "not usable:", "give 64 hexadecimal digits.")
    error = ConfigError(one, Problem("[mqt]", "no such section.", "Did you mean mqtt?"))

    assert str(error).splitlines() == [
        "server.key: not usable: give 64 hexadecimal digits.",
        "[mqt]: no such section. Did you mean mqtt?",
    ]
    assert error.problems[0] is one
    assert str(ConfigError.single("a", "b", "c")) == "a: b c"


def test_a_plugin_error_names_the_plugin() -> None:
    error = PluginError("acme", "is broken.", "Mend it.")

    assert (str(error), error.plugin, error.what) == ("plugin 'acme': is broken. Mend it.", "acme", "is broken.")
    assert PluginFailed("acme", "raised ValueError").plugin == "acme"


def test_unavailable_says_when_to_come_back() -> None:
    assert Unavailable("busy").retry_after_s == 1
    assert Unavailable("busy", retry_after_s=30).retry_after_s == 30
