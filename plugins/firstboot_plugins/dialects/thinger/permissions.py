"""What a token may do: the ``allow`` and ``deny`` of thinger.io (contract 2.5, 2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.errors import InvalidValue

ANY = "*"
MAX_RULES = 1000
"""Of one token: each request is compared with them."""

_TYPE = re.compile(r"\*|[A-Za-z]{1,50}")
_ACTION = re.compile(r"\*|[A-Za-z]{1,50}")
_RESOURCE = re.compile(r"(\*|[A-Za-z0-9_-]{1,50})(?:@([A-Za-z0-9_-]{1,255}))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """One action on one resource; each part may be ``*``."""

    type: str
    resource: str
    """Id, without the owner: whoever asks is judged within one account only."""
    action: str
    arguments: frozenset[str] | None = None
    """None: whatever the argument, and without one."""

    def covers(self, type: str, resource: str, action: str, arguments: frozenset[str] | None = None) -> bool:
        """Say whether this speaks of an action on a resource; either may be ``*``, for all of them."""
        return (
            self.type in (ANY, type)
            and self.resource in (ANY, resource)
            and self.action in (ANY, action)
            and (self.arguments is None or (arguments is not None and arguments <= self.arguments))
        )

    def contains(self, other: Rule) -> bool:
        """Say whether all that ``other`` speaks of is within this."""
        return self.covers(other.type, other.resource, other.action, other.arguments)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Allowed is what some rule of ``allow`` covers, and none of ``deny``."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    def may(self, type: str, resource: str, *actions: str, argument: str | None = None) -> bool:
        """Say whether any of the actions is allowed on a resource."""
        arguments = None if argument is None else frozenset({argument})
        for action in actions:
            wanted = type, resource, action, arguments
            if _any_covers(self.allow, *wanted) and not _any_covers(self.deny, *wanted):
                return True
        return False

    def may_some(self, type: str, *actions: str) -> bool:
        """Say whether any of the actions is allowed on one resource at least; `may` says on which."""
        return self.resources(type, *actions) != frozenset()

    def resources(self, type: str, *actions: str) -> frozenset[str] | None:
        """Return the only resources on which any of the actions may be allowed; None: on no certain ones."""
        named: set[str] = set()
        for action in actions:
            for rule in self.allow:
                if rule.type in (ANY, type) and rule.action in (ANY, action) and rule.arguments is None:
                    if rule.resource != ANY:
                        if self.may(type, rule.resource, action):
                            named.add(rule.resource)
                    elif not _any_covers(self.deny, type, ANY, action):
                        return None
        return frozenset(named)

    def within(self, other: Permissions) -> bool:
        """Say whether this allows nothing that ``other`` does not, so that its holder may hand it on."""
        return all(any(wider.contains(rule) for wider in other.allow) for rule in self.allow) and all(
            any(own.contains(rule) for own in self.deny) for rule in other.deny
        )


def _any_covers(
    rules: Iterable[Rule], type: str, resource: str, action: str, arguments: frozenset[str] | None = None
) -> bool:
    for rule in rules:  # noqa: SIM110 - each request comes this way
        if rule.covers(type, resource, action, arguments):
            return True
    return False


def full() -> Permissions:
    """Return the right to do everything in an account."""
    return Permissions(allow=(Rule(ANY, ANY, ANY),))


def read_permissions(allow: Any, deny: Any, account: str) -> Permissions:
    """Read the two objects of a token of an account; None: nothing.

    Raises: `InvalidValue`.
    """
    return Permissions(tuple(_rules(allow, "allow", account)), tuple(_rules(deny, "deny", account)))


def _rules(value: Any, where: str, account: str) -> list[Rule]:
    rules: list[Rule] = []
    for type_, by_resource in _members(value, where):
        _check(_TYPE, type_, f"{where}: a type has 1 to 50 letters, or is *")
        for resource, actions in _members(by_resource, where):
            found = _check(_RESOURCE, resource, f"{where}: invalid resource id")
            if found[2] in (None, account):  # what belongs to others is never reached with this token
                rules.extend(_actions(type_, found[1], actions, where))
            if len(rules) > MAX_RULES:
                raise InvalidValue(f"{where}: there are more than {MAX_RULES} rules")
    return rules


def _members(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if value is None:
        return iter(())
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{where}: not an object of types, resource ids and actions")
    return iter(value.items())


def _actions(type_: str, resource: str, value: Any, where: str) -> Iterator[Rule]:
    for each in value if isinstance(value, list) else [value]:
        for action, arguments in _action(each, where):
            _check(_ACTION, action, f"{where}: an action has 1 to 50 letters, or is *")
            yield Rule(type_, resource, action, arguments)


def _action(value: Any, where: str) -> Iterator[tuple[str, frozenset[str] | None]]:
    match value:
        case str():
            yield value, None
        case dict():
            for action, arguments in value.items():
                if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
                    raise InvalidValue(f"{where}: the arguments of an action are a list of texts")
                yield action, frozenset(arguments)
        case _:
            raise InvalidValue(f"{where}: an action is a text, or an object of actions with arguments")


def _check(pattern: re.Pattern[str], text: str, message: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise InvalidValue(message)
    return found
