"""Typed configuration: one loader, dataclasses as sections, every problem in one report.

A value comes from, later ones winning: the section's default, the TOML file, the environment
(``FIRSTBOOT_<SECTION>__<KEY>``, a TOML value or a bare text), the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from firstboot.config_sections import (
    CORE_SECTIONS,
    AdminConfig,
    ClaimingConfig,
    LoginConfig,
    PluginsConfig,
    ProvisioningConfig,
    ServerConfig,
    StorageConfig,
    TlsConfig,
    TlsSite,
)
from firstboot.config_values import Address, Bind, Count, Duration, TimeLimit, parse_address, parse_duration
from firstboot.errors import ConfigError, Problem
from firstboot.secret import Secret

# What plugins need of configuration is all to be had here.
__all__ = [
    "CORE_SECTIONS", "Address", "AdminConfig", "Bind", "ClaimingConfig", "Config", "ConfigSource", "Count",
    "Duration", "LoginConfig", "PluginsConfig", "ProvisioningConfig", "ServerConfig", "StorageConfig", "TimeLimit",
    "TlsConfig", "TlsSite", "config_file", "parse_address", "parse_duration", "section_problem",
]  # fmt: skip

ENVIRONMENT_PREFIX = "FIRSTBOOT_"

Section = TypeVar("Section")


class Config:
    """The checked configuration: one frozen dataclass for each section."""

    def __init__(self, sections: Mapping[type, object]) -> None:
        self._sections = sections

    def section(self, kind: type[Section]) -> Section:
        """Return the values of a section by its dataclass, defaults included."""
        return cast(Section, self._sections[kind]) if kind in self._sections else kind()

    @property
    def server(self) -> ServerConfig:
        return self.section(ServerConfig)

    @property
    def plugins(self) -> PluginsConfig:
        return self.section(PluginsConfig)

    @property
    def provisioning(self) -> ProvisioningConfig:
        return self.section(ProvisioningConfig)

    @property
    def storage_url(self) -> Secret:
        """The database's URL; it may hold a password."""
        url = self.section(StorageConfig).url
        return url or Secret(f"sqlite://{self.server.data_dir / 'firstboot.db'}")


class ConfigSource:
    """The raw settings of all sources, before they are checked."""

    def __init__(
        self,
        values: Mapping[str, Mapping[str, Any]],
        variables: Mapping[tuple[str, str], tuple[str, str]],
        problems: Iterable[Problem] = (),
    ) -> None:
        self._values = values
        self._variables = variables
        """Name and text of the environment variable, for the section and key that it sets."""
        self._problems = tuple(problems)

    @classmethod
    def read(
        cls,
        file: Path | None,
        environment: Mapping[str, str],
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> ConfigSource:
        """Gather settings from the file, the environment and the command line.

        Raises: `ConfigError` when the file cannot be read or is not TOML.
        """
        values: dict[str, dict[str, Any]] = {}
        problems: list[Problem] = []
        variables: dict[tuple[str, str], tuple[str, str]] = {}
        for section, keys in _read_toml(file).items() if file is not None else ():
            if isinstance(keys, Mapping):
                values[section] = dict(keys)
            else:
                problems.append(Problem(section, "stands outside of any section.", "Move it below a [section]."))
        for name, text in environment.items():
            section, separator, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            if name.startswith(ENVIRONMENT_PREFIX) and separator:
                values.setdefault(section, {})[key] = _environment_value(text)
                variables[section, key] = name, text
        for section, keys in (overrides or {}).items():
            for key, value in keys.items():
                values.setdefault(section, {})[key] = value
                variables.pop((section, key), None)
        return cls(values, variables, problems)

    def check(
        self, sections: Mapping[str, type], *, only: Iterable[str] | None = None, ignored: Iterable[str] = ()
    ) -> Config:
        """Check every setting against its section; ``only`` these when the others are not known yet.

        ``ignored``: sections that may stand there although nobody offers them.
        Raises: `ConfigError` with all problems.
        """
        problems: list[Problem] = []
        checked: dict[type, object] = {}
        if only is None:
            problems += self._problems
            known = {*sections, *ignored}
            problems += [self._unknown_section(name, sections) for name in self._values if name not in known]
        for name in sorted(set(sections if only is None else only)):
            kind = sections[name]
            try:
                checked[kind] = self._checked(name, kind)
            except ValidationError as error:
                problems += [self._problem(name, kind, dict(detail)) for detail in _details(error)]
            except ConfigError as error:  # of a section that checks itself
                problems += error.problems
            except Exception as error:
                problems.append(
                    Problem(f"[{name}]", f"cannot be checked ({type(error).__name__}).", "Mend its plugin.")
                )
        if problems:
            raise ConfigError(*problems)
        return Config(checked)

    def _checked(self, section: str, kind: type) -> object:
        check = _adapter(kind).validate_python
        values = dict(self._values.get(section, {}))
        try:
            return check(values)
        except ValidationError as error:
            wrong = _wrong_keys(error)
        # A bare text may look like something else in TOML, such as a password of digits alone.
        texts = {key: self._variables[section, key][1] for key in wrong if (section, key) in self._variables}
        try:
            return check({**values, **texts})
        except ValidationError as error:
            still_wrong = _wrong_keys(error)
        return check({**values, **{key: text for key, text in texts.items() if key not in still_wrong}})

    def _unknown_section(self, name: str, sections: Mapping[str, type]) -> Problem:
        variables = [variable for (section, _), (variable, _) in self._variables.items() if section == name]
        path = f"[{name}] ({', '.join(sorted(variables))})" if variables else f"[{name}]"
        return Problem(path, "no such section.", _nearest(name, sections))

    def _problem(self, section: str, kind: type, detail: Mapping[str, Any]) -> Problem:
        location = detail["loc"]
        key = str(location[0]) if location else ""
        path = ".".join([section, *(str(part) for part in location)])
        if (section, key) in self._variables:
            path = f"{path} ({self._variables[section, key][0]})"
        if detail["type"] == "unexpected_keyword_argument":
            table = _table_at(kind, location[:-1])
            known = [field.name for field in dataclasses.fields(table)] if table else []
            return Problem(path, "no such key.", _nearest(str(location[-1]), known) if known else "Remove it.")
        if detail["type"] == "missing":
            return Problem(path, "is missing.", "It has no default.")
        if detail["type"] == "path_type":
            return Problem(path, "not usable:", "give a path as a text.")
        message = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
        return Problem(path, "not usable:", message + ".")


def config_file(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the configuration file: the one given, else ``FIRSTBOOT_CONFIG``, else none."""
    if given is not None:
        return given
    named = environment.get("FIRSTBOOT_CONFIG")
    return Path(named) if named else None


def section_problem(kind: object) -> str | None:
    """Say why a section cannot be read into this; None when it can."""
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        return f"{getattr(kind, '__name__', type(kind).__name__)} is no dataclass"
    try:
        _adapter(kind).rebuild(raise_errors=True)
    except Exception as error:  # of pydantic, or of the annotations when they are read
        return f"its fields are of types that cannot be checked ({type(error).__name__})"
    return None


@functools.cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    # Strict about unknown keys, and never showing an input, which may be a secret.
    kind.__pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)  # type: ignore[attr-defined]
    return TypeAdapter(kind)


def _details(error: ValidationError) -> Iterable[Mapping[str, Any]]:
    return cast(
        "Iterable[Mapping[str, Any]]",
        error.errors(include_url=False, include_input=False, include_context=False),
    )


def _wrong_keys(error: ValidationError) -> set[str]:
    return {str(detail["loc"][0]) for detail in _details(error) if detail["loc"]}


def _table_at(kind: type, location: Iterable[str | int]) -> type | None:
    """Return the dataclass of a table in a section, such as ``[[tls.site]]``; None where it cannot be told."""
    for part in location:
        if isinstance(part, int):  # which one of several tables
            continue
        hint = get_type_hints(kind).get(part)
        inner = [each for each in (hint, *get_args(hint)) if dataclasses.is_dataclass(each)]
        if len(inner) != 1:
            return None
        kind = cast(type, inner[0])
    return kind


def _nearest(name: str, known: Iterable[str]) -> str:
    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(candidates)}."


def _environment_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _read_toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError.single(str(file), f"cannot be read ({error.strerror}).", "Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError.single(str(file), f"is not TOML: {error}.", "Mend the line.") from None
    except RecursionError:
        raise ConfigError.single(str(file), "is nested too deeply.", "Mend it.") from None
