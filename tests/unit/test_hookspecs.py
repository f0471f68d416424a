"""The hook specification is complete, and reading it imports nothing."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from firstboot import hookspecs
from firstboot.hookspecs import ANSWERING, API_VERSION, DECIDING, OBSERVING, ON_REQUEST, PROJECT, on_event_loop

HOOKS: dict[str, Callable[..., Any]] = {
    name: value for name, value in vars(hookspecs).items() if name.startswith(f"{PROJECT}_")
}
OFFERING = sorted(set(HOOKS) - set(ON_REQUEST))


def test_every_hook_is_a_specification() -> None:
    assert HOOKS
    assert [name for name, hook in HOOKS.items() if not hasattr(hook, f"{PROJECT}_spec")] == []


def test_every_hook_is_of_one_kind() -> None:
    assert set(ON_REQUEST) <= set(HOOKS)
    assert sorted(ON_REQUEST) == sorted({*DECIDING, *ANSWERING, *OBSERVING})


def test_the_hooks_for_claiming_are_specified() -> None:
    assert {"firstboot_device_claiming", "firstboot_device_releasing"} <= set(DECIDING)
    assert {"firstboot_claim_window_opened", "firstboot_device_claimed", "firstboot_device_released"} <= set(
        OBSERVING
    )


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_what_it_does_and_since_when(name: str) -> None:
    text = inspect.getdoc(HOOKS[name])

    assert text is not None
    assert re.search(rf"Plugin API: since [1-{API_VERSION}][;.]", text)


@pytest.mark.parametrize("name", OFFERING)
def test_an_offering_hook_has_a_plural_name_and_says_when_it_is_called(name: str) -> None:
    assert name.endswith("s")
    assert "Called " in (inspect.getdoc(HOOKS[name]) or "")


@pytest.mark.parametrize("name", DECIDING)
def test_a_deciding_hook_says_what_it_returns_and_what_an_error_does(name: str) -> None:
    text = inspect.getdoc(HOOKS[name]) or ""

    assert "Returns: None" in text
    assert re.search(r"On an error or time-out the \w+ is refused", text)


@pytest.mark.parametrize("name", ANSWERING)
def test_an_answering_hook_says_what_none_means_and_what_an_error_does(name: str) -> None:
    text = inspect.getdoc(HOOKS[name]) or ""

    assert "Returns: None when" in text
    assert "On an error or time-out" in text


@pytest.mark.parametrize("name", OBSERVING)
def test_an_observing_hook_takes_the_event_alone(name: str) -> None:
    assert list(inspect.signature(HOOKS[name]).parameters) == ["event"]


@pytest.mark.parametrize("name", HOOKS)
def test_no_hook_stops_at_the_first_answer_or_replays_the_past(name: str) -> None:
    # With async implementations a first answer would be a coroutine, whatever it comes to.
    options = getattr(HOOKS[name], f"{PROJECT}_spec")

    assert not options["firstresult"]
    assert not options["historic"]


def test_reading_the_hooks_imports_nothing_but_pluggy() -> None:
    code = "import sys, firstboot.hookspecs; print(*sorted(m for m in sys.modules if m.startswith('firstboot')))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["firstboot", "firstboot.hookspecs"]


def test_a_function_that_is_marked_for_the_event_loop_stays_what_it_is() -> None:
    def function() -> str:
        return "answer"

    assert on_event_loop(function) is function
    assert function() == "answer"
