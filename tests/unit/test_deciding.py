"""Deciding plugins may refuse or change a device; what they answer is checked like outside input (PL-5)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import txaio
from hypothesis import given
from hypothesis import strategies as st

from firstboot.calls import BREAKER_FAILURES
from firstboot.config import PluginsConfig
from firstboot.deciding import MAX_ATTRIBUTES, MAX_JSON_BYTES, MAX_REASON_LENGTH, Deciders
from firstboot.errors import LoginRefused, ProfileNotProven, ProvisioningRefused, Unavailable
from firstboot.hookspecs import Change, Refuse, hookimpl
from firstboot.model import Attribute, DeviceProposal, Scope
from firstboot.plugin_manager import PluginManager
from firstboot.testing import a_request

HOOK = "firstboot_device_provisioning"
PROPOSAL = DeviceProposal(
    name="meter-7",
    profile="sensor",
    tenant=1,
    label="a label",
    attributes=(Attribute(Scope.SHARED, "limits", {"high": [1, 2]}),),
    additional_info={"site": {"floor": 1}},
)


def manager_of(*implementations: Callable[..., Any], **settings: Any) -> PluginManager:
    """Return a manager with plugins ``p0``, ``p1``, ... that are called in this order."""
    txaio.use_asyncio()
    manager = PluginManager(PluginsConfig(**settings))
    for number, function in reversed(list(enumerate(implementations))):
        plugin = SimpleNamespace(FIRSTBOOT_API=1, number=number, **{HOOK: hookimpl(function)})
        manager.register(plugin, f"p{number}")
    return manager


def answering(answer: Any) -> Callable[..., Any]:
    async def answer_it() -> Any:
        return answer

    return answer_it


async def decide(*answers: Any) -> DeviceProposal:
    """Return what becomes of `PROPOSAL` when one plugin after another answers so."""
    return await Deciders(manager_of(*map(answering, answers))).ask(a_request(), PROPOSAL)


async def refused(*implementations: Callable[..., Any]) -> ProvisioningRefused:
    with pytest.raises(ProvisioningRefused) as caught:
        await Deciders(manager_of(*implementations)).ask(a_request(), PROPOSAL)
    return caught.value


async def refused_as_nonsense(answer: Any) -> str:
    """Expect that an answer counts as a failure of the plugin; return what the operator reads."""
    manager = manager_of(answering(answer))
    with pytest.raises(ProvisioningRefused) as caught:
        await Deciders(manager).ask(a_request(), PROPOSAL)
    assert caught.value.code == "plugin-error"
    assert manager.runner("p0").failures == 1
    assert str(caught.value).startswith("plugin 'p0' ")
    return str(caught.value)


# -- answers ---------------------------------------------------------------------------------------


async def test_nobody_to_ask_changes_nothing() -> None:
    deciders = Deciders(manager_of())

    assert not deciders
    assert await deciders.ask(a_request(), PROPOSAL) is PROPOSAL


@pytest.mark.parametrize("answer", [None, Change()])
async def test_a_plugin_with_nothing_to_say_changes_nothing(answer: Any) -> None:
    assert await decide(answer) == PROPOSAL


async def test_a_refusal_carries_the_plugins_code_and_names_it_to_the_operator() -> None:
    refusal = await refused(answering(Refuse("the site is full", code="site-full")))

    assert refusal.code == "site-full"
    assert str(refusal) == "p0: the site is full"


async def test_a_refusal_without_a_code_is_a_veto() -> None:
    assert (await refused(answering(Refuse("no")))).code == "vetoed"


async def test_a_refusal_is_a_decision_and_no_failure() -> None:
    manager = manager_of(answering(Refuse("no")))
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(ProvisioningRefused, match="p0: no"):
            await Deciders(manager).ask(a_request(), PROPOSAL)

    assert manager.runner("p0").failures == 0
    assert not manager.runner("p0").failing


async def test_after_a_refusal_nobody_else_is_asked() -> None:
    asked: list[str] = []

    async def second() -> None:
        asked.append("second")

    await refused(answering(Refuse("no")), second)

    assert asked == []


async def test_a_change_replaces_what_it_names_and_adds_to_the_rest() -> None:
    changed = await decide(
        Change(
            name=" meter-8 ",
            label="other",
            gateway=True,
            attributes=(Attribute(Scope.SERVER, "site", ["a"]),),
            additional_info={"owner": "x"},
        )
    )

    assert changed == DeviceProposal(
        name="meter-8",
        profile="sensor",
        tenant=1,
        label="other",
        gateway=True,
        attributes=(*PROPOSAL.attributes, Attribute(Scope.SERVER, "site", ["a"])),
        additional_info={"site": {"floor": 1}, "owner": "x"},
    )


async def test_each_plugin_sees_the_proposal_as_those_before_it_have_changed_it() -> None:
    seen: list[str] = []

    async def rename(proposal: DeviceProposal) -> Change:
        seen.append(proposal.name)
        return Change(name=proposal.name + "+")

    changed = await Deciders(manager_of(rename, rename, rename)).ask(a_request(), PROPOSAL)

    assert seen == ["meter-7", "meter-7+", "meter-7++"]
    assert changed.name == "meter-7+++"


async def test_later_additions_win_over_earlier_ones() -> None:
    changed = await decide(Change(additional_info={"site": 1, "a": 1}), Change(additional_info={"site": 2}))

    assert changed.additional_info == {"site": 2, "a": 1}


async def test_pl_3_a_plain_function_decides_too() -> None:
    def decide_in_a_thread(proposal: DeviceProposal) -> Change:
        return Change(label="from a thread")

    changed = await Deciders(manager_of(decide_in_a_thread)).ask(a_request(), PROPOSAL)

    assert changed.label == "from a thread"


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError(), SystemExit(), KeyboardInterrupt(), asyncio.CancelledError(), RecursionError(), MemoryError(),
        ProvisioningRefused("raised, not returned", code="mine"), ProfileNotProven("as if"), LoginRefused("as if"),
        Unavailable("as if the storage were away"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_pl_1_whatever_it_raises_the_request_is_refused_and_the_plugin_named(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    refusal = await refused(fail)

    assert refusal.code == "plugin-error"
    assert type(refusal) is ProvisioningRefused
    assert str(refusal) == f"plugin 'p0' raised {type(error).__name__}"


async def test_pl_2_a_plugin_that_hangs_refuses_after_its_own_time_out() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    manager = manager_of(hang, timeouts={"p0": timedelta(milliseconds=20)})

    with pytest.raises(ProvisioningRefused, match=r"'p0' did not answer within 0\.02 s") as caught:
        await Deciders(manager).ask(a_request(), PROPOSAL)

    assert caught.value.code == "plugin-error"


async def test_pl_6_a_plugin_that_keeps_answering_nonsense_refuses_fast() -> None:
    manager = manager_of(answering("nonsense"))
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(ProvisioningRefused):
            await Deciders(manager).ask(a_request(), PROPOSAL)

    assert manager.runner("p0").failing
    with pytest.raises(ProvisioningRefused, match="left alone") as caught:
        await Deciders(manager).ask(a_request(), PROPOSAL)
    assert caught.value.code == "plugin-error"


# -- PL-5: nonsense --------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, False, 0, "refuse", [], {}, object(), Refuse, Change, ValueError("x")])
async def test_pl_5_an_answer_of_another_type_is_refused(answer: Any) -> None:
    assert f"it answered with {type(answer).__name__}" in await refused_as_nonsense(answer)


@pytest.mark.parametrize("code", ["", "Vetoed", "a b", "a\nb", "-a", "x" * 65, None, 7, b"vetoed"])
async def test_pl_5_a_refusal_with_a_code_that_is_none_is_refused(code: Any) -> None:
    assert "its code" in await refused_as_nonsense(Refuse("no", code=code))


class Hostile:
    def __str__(self) -> str:
        raise ZeroDivisionError


async def test_pl_5_a_long_reason_is_cut_and_one_that_is_no_text_is_shown_as_text() -> None:
    assert str(await refused(answering(Refuse("x" * 1_000_000)))) == "p0: " + "x" * MAX_REASON_LENGTH
    assert str(await refused(answering(Refuse(7)))) == "p0: 7"  # type: ignore[arg-type]
    assert "ZeroDivisionError" in await refused_as_nonsense(Refuse(Hostile()))  # type: ignore[arg-type]


def nested(depth: int) -> list[Any]:
    outermost: list[Any] = []
    for _ in range(depth):
        outermost = [outermost]
    return outermost


def attribute(value: Any = 1, key: Any = "key", scope: Any = Scope.SERVER) -> Change:
    return Change(attributes=(Attribute(scope, key, value),))


class HostileMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        return iter(["key"])

    def __len__(self) -> int:
        return 1


HUGE = "x" * (MAX_JSON_BYTES + 1)
CYCLE: list[Any] = []
CYCLE.append(CYCLE)

BAD_CHANGES: dict[str, Any] = {
    "blank name": Change(name=" "),
    "long name": Change(name="x" * 256),
    "name with a control character": Change(name="a\nb"),
    "name with markup": Change(name="<script>"),
    "name of bytes": Change(name=b"meter"),  # type: ignore[arg-type]
    "name that is a number": Change(name=7),  # type: ignore[arg-type]
    "blank label": Change(label=""),
    "label with a control character": Change(label="\x00"),
    "gateway that is a text": Change(gateway="no"),  # type: ignore[arg-type]
    "gateway that is a number": Change(gateway=1),  # type: ignore[arg-type]
    "provision state": attribute("provisioned", key="provisionState"),
    "provision state with a space": attribute("provisioned", key=" provisionState "),
    "blank key": attribute(key=""),
    "long key": attribute(key="x" * 256),
    "key that is a number": attribute(key=5),
    "no scope": attribute(scope=None),
    "unknown scope": attribute(scope=9),
    "attribute of bytes": attribute(b"bytes"),
    "attribute that is an object": attribute(object()),
    "attribute that is a set": attribute({1}),
    "not a number": attribute(float("nan")),
    "infinity": attribute([float("inf")]),
    "huge attribute": attribute(HUGE),
    "nested deeply": attribute(nested(100_000)),
    "nested in itself": attribute(CYCLE),
    "huge number": attribute(10**5000),
    "too many attributes": Change(attributes=(Attribute(Scope.SERVER, "a", 1),) * MAX_ATTRIBUTES),
    "attributes without end": Change(attributes=itertools.repeat(Attribute(Scope.SERVER, "a", 1))),  # type: ignore[arg-type]
    "attributes that are a number": Change(attributes=5),  # type: ignore[arg-type]
    "attributes that are None": Change(attributes=None),  # type: ignore[arg-type]
    "attributes that are tuples": Change(attributes=(("SERVER", "a", 1),)),  # type: ignore[arg-type]
    "huge info": Change(additional_info={"a": HUGE}),
    "info that is a list": Change(additional_info=["a"]),  # type: ignore[arg-type]
    "info that is None": Change(additional_info=None),  # type: ignore[arg-type]
    "info with an object": Change(additional_info={"a": object()}),
    "info that fails": Change(additional_info=HostileMapping()),
    "info that grows together": Change(additional_info={str(n): "x" * 60 for n in range(1000)}),
}


@pytest.mark.parametrize("change", BAD_CHANGES.values(), ids=BAD_CHANGES.keys())
async def test_pl_5_a_change_that_is_not_allowed_is_refused(change: Change) -> None:
    said = await refused_as_nonsense(change)

    assert "gave an answer that" in said
    assert len(said) < 300


async def test_pl_5_each_plugin_alone_cannot_add_what_is_too_much_together() -> None:
    half = Change(attributes=(Attribute(Scope.SERVER, "a", 1),) * (MAX_ATTRIBUTES // 2))
    big = Change(additional_info={"one": "x" * (MAX_JSON_BYTES // 2)})
    big_too = Change(additional_info={"two": "x" * (MAX_JSON_BYTES // 2)})

    assert (await refused(answering(half), answering(half), answering(half))).code == "plugin-error"
    assert (await refused(answering(big), answering(big_too))).code == "plugin-error"


async def test_as_many_attributes_as_are_allowed_are_taken() -> None:
    room = MAX_ATTRIBUTES - len(PROPOSAL.attributes)

    changed = await decide(Change(attributes=(Attribute(Scope.SERVER, "a", 1),) * room))

    assert len(changed.attributes) == MAX_ATTRIBUTES


@pytest.mark.parametrize("scope", [Scope.SHARED, Scope.CLIENT])
async def test_an_attribute_named_like_the_state_is_free_in_the_other_scopes(scope: Scope) -> None:
    changed = await decide(attribute("mine", key="provisionState", scope=scope))

    assert changed.attributes[-1] == Attribute(scope, "provisionState", "mine")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(name=JSON, label=JSON, gateway=JSON, key=JSON, value=JSON, info=JSON, scope=JSON)
def test_pl_5_whatever_stands_in_a_change_it_is_taken_or_refused(
    name: Any, label: Any, gateway: Any, key: Any, value: Any, info: Any, scope: Any
) -> None:
    change = Change(
        name=name, label=label, gateway=gateway, attributes=(Attribute(scope, key, value),), additional_info=info
    )

    try:
        changed = asyncio.run(decide(change))
    except ProvisioningRefused as refusal:
        said = refusal.code
    else:
        said = type(changed.name).__name__ + type(changed.gateway).__name__

    assert said in ("plugin-error", "strbool")


# -- PL-5: what it is given ------------------------------------------------------------------------


async def test_pl_5_the_arguments_are_frozen() -> None:
    errors: list[type[BaseException]] = []

    async def mutate(request: Any, proposal: Any) -> None:
        for thing, field in ((request, "key"), (request.origin, "address"), (proposal, "name")):
            try:
                setattr(thing, field, "changed")
            except FrozenInstanceError as error:
                errors.append(type(error))

    await Deciders(manager_of(mutate)).ask(a_request(), PROPOSAL)

    assert errors == [FrozenInstanceError] * 3


async def test_pl_5_a_plugin_that_mutates_and_keeps_what_it_was_given_changes_nothing() -> None:
    kept: list[Any] = []
    seen: list[Any] = []
    request = a_request(facts={"hardwareId": "1"})

    async def mutate(request: Any, proposal: Any) -> None:
        kept.append(proposal)
        for field, thing in (("key", request), ("username", request.wanted), ("address", request.origin)):
            object.__setattr__(thing, field, "changed")
        request.facts["hardwareId"] = "changed"
        proposal.additional_info["site"]["floor"] = "changed"
        proposal.attributes[0].value["high"].append("changed")
        object.__setattr__(proposal, "name", "changed")

    async def look(request: Any, proposal: Any) -> None:
        seen.extend([request, proposal])

    decided = await Deciders(manager_of(mutate, look)).ask(request, PROPOSAL)
    kept[0].additional_info.clear()

    assert request == a_request(facts={"hardwareId": "1"})
    assert PROPOSAL.additional_info == {"site": {"floor": 1}}
    assert PROPOSAL.attributes[0].value == {"high": [1, 2]}
    assert decided == PROPOSAL
    assert seen == [request, PROPOSAL]


async def test_pl_5_a_plugin_that_mutates_its_answer_later_changes_nothing() -> None:
    value, info = {"list": [1]}, {"inner": {"a": 1}}

    changed = await decide(Change(attributes=(Attribute(Scope.SERVER, "a", value),), additional_info=info))
    value["list"].append(2)
    info["inner"]["a"] = 2

    assert changed.attributes[-1].value == {"list": [1]}
    assert changed.additional_info["inner"] == {"a": 1}


async def test_the_request_keeps_everything_that_the_device_said() -> None:
    seen: list[Any] = []
    request = a_request(gateway=True)

    async def look(request: Any) -> None:
        seen.append(request)

    await Deciders(manager_of(look)).ask(request, PROPOSAL)

    assert seen == [request]
