"""Typed configuration: one loader, dataclasses as sections, every problem in one report.

A value comes from, later ones winning: the section's default, the TOML file, the environment
(``FIRSTBOOT_<SECTION>__<KEY>``, a TOML value or a bare text), the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from firstboot.emails import clean_email
from firstboot.errors import ConfigError, InvalidValue, Problem
from firstboot.passwords import MAX_LENGTH
from firstboot.secret import Secret

ENVIRONMENT_PREFIX = "FIRSTBOOT_"

_DURATION = re.compile(r"([0-9]{1,12})\s*(ms|s|m|h|d)")
_PORT = re.compile(r"[0-9]{1,5}")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: object) -> timedelta:
    """Read ``"90s"``, ``"10m"``, ``"24h"``, ``"7d"`` or ``"250ms"``."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("give a duration such as 90s, 10m, 24h or 7d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError("the duration is too long") from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A duration above or equal to zero, written as ``90s``, ``10m``, ``24h``, ``7d`` or ``250ms``."""


def _above_zero(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("give a duration above zero")
    return duration


TimeLimit = Annotated[Duration, AfterValidator(_above_zero)]
"""A duration above zero."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: object) -> Address:
    """Read ``"127.0.0.1:1883"`` or ``"[::1]:1883"``; port 0 is any free port."""
    if isinstance(value, Address):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("give host and port, such as 127.0.0.1:1883")
    return Address(host, int(port))


Bind = Annotated[Address, BeforeValidator(parse_address)]
"""Where to listen, written as ``127.0.0.1:1883``."""


def _server_key(key: Secret) -> Secret:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", key.reveal()):
        raise ValueError("give 64 hexadecimal digits, such as `openssl rand -hex 32` prints")
    return key


ServerKey = Annotated[Secret, AfterValidator(_server_key)]

Count = Annotated[int, Field(gt=0, strict=True)]
"""A whole number above zero."""

MIN_FIRST_PASSWORD = 12
"""More than other people need: it opens everything, from the first moment on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Section ``[server]``: the process as a whole."""

    data_dir: Path = Path("firstboot-data")
    """Where the database, the server key and the lock live; made with mode 0700."""

    public_host: str = "localhost"
    """The host name by which devices reach this server; used in what the server prints."""

    ready_file: Path | None = None
    """Written as JSON once all listeners accept; removed at the end."""

    key: ServerKey | None = None
    """Server key, 64 hexadecimal digits. Without it ``server.key`` in ``data_dir``, made at first start."""

    log_format: Literal["json", "text"] = "json"
    """``json`` (one object a line) or ``text``."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged. No level shows secrets."""

    stop_timeout: Duration = timedelta(seconds=10)
    """How long requests in flight may take to finish when the server stops."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PluginsConfig:
    """Section ``[plugins]``: what is loaded, and how long it may take."""

    load: tuple[str, ...] = ()
    """Dotted paths (``package.module`` or ``package.module:object``) beside the installed entry points."""

    disable: tuple[str, ...] = ()
    """Names of plugins that are not loaded."""

    optional: tuple[str, ...] = ()
    """Names of plugins without which the server starts all the same, if they fail."""

    timeout: TimeLimit = timedelta(seconds=2)
    """How long a plugin may take to answer for one request."""

    timeouts: dict[str, TimeLimit] = dataclasses.field(default_factory=dict)
    """Other time-outs, by name of the plugin."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageConfig:
    """Section ``[storage]``: the database."""

    url: Secret | None = None
    """``sqlite://path`` or ``postgres://user:password@host/database``. Without it SQLite in ``data_dir``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProvisioningConfig:
    """Section ``[provisioning]``: bounds that hold for all profiles and transports."""

    max_in_flight: Count = 5000
    """Requests that are worked on at the same time; more are told that the server is busy."""

    failures_per_minute: Count = 30
    """Failing requests from one address (IPv6: /64) or for one key; more are delayed, and logged in sum."""

    failure_delay: Duration = timedelta(seconds=2)
    """The longest that the answer to a failing request is held back."""

    allow_weak_secrets: bool = False
    """Whether an administrator may choose provision secrets shorter than 16 characters."""


def _email(value: object) -> str:
    try:
        return clean_email(value if isinstance(value, str) else "")
    except InvalidValue as error:
        raise ValueError(str(error)) from None


def _first_password(password: Secret) -> Secret:
    if not MIN_FIRST_PASSWORD <= len(password) <= MAX_LENGTH:
        raise ValueError(f"give {MIN_FIRST_PASSWORD} to {MAX_LENGTH} characters; without any, one is made")
    return password


Email = Annotated[str, BeforeValidator(_email)]
"""An e-mail address, in lower case."""
FirstPassword = Annotated[Secret, AfterValidator(_first_password)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdminConfig:
    """Section ``[admin]``: the first administrator, made when the tenant ``default`` has none."""

    email: Email = "admin@firstboot.local"
    """The e-mail address to log in with."""

    password: FirstPassword | None = None
    """At least 12 characters. Without it one is made, and kept in ``admin-password`` in ``data_dir``."""


def _short_life(life: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= life <= timedelta(minutes=150):
        raise ValueError("give 1m to 150m: longer sessions are renewed with the refresh token")
    return life


MemoryKib = Annotated[int, Field(ge=8, le=4_194_304, strict=True)]
ShortLife = Annotated[TimeLimit, AfterValidator(_short_life)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoginConfig:
    """Section ``[login]``: how people and programs prove who they are over REST."""

    failures: Count = 5
    """Wrong passwords for one account from one address within ``failure_window``; then that address waits."""

    failure_window: TimeLimit = timedelta(minutes=15)
    """How long a wrong password counts."""

    failure_wait: TimeLimit = timedelta(minutes=15)
    """How long that address waits before it may try that account again. Others may all the time."""

    failures_per_hour: Count = 100
    """Wrong passwords for one account from all addresses; addresses of a recent good login do not mind."""

    access_token_life: ShortLife = timedelta(minutes=150)
    """How long an access token is good; at most 150m."""

    refresh_token_life: TimeLimit = timedelta(days=7)
    """How long a login lasts that is not renewed."""

    api_token_rate: Count = 6000
    """Requests a minute with one API token; more are refused."""

    password_memory_kib: MemoryKib = 65_536
    """Memory of one password check (argon2id), in KiB. Lower it for tests only."""

    password_passes: Count = 3
    """Passes of one password check over that memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClaimingConfig:
    """Section ``[claiming]``: how customers become owners of devices."""

    allow_by_default: bool = True
    """Whether devices may open claim windows; otherwise those with the attribute ``claimingAllowed``."""

    duration: TimeLimit = timedelta(hours=24)
    """How long a window is open whose device has not said for how long."""

    max_duration: TimeLimit = timedelta(hours=24)
    """The longest that a device may open a window for."""

    allow_empty_secret: bool = True
    """Whether a device may be claimed with its name alone, while its window is open."""

    empty_secret_duration: TimeLimit = timedelta(minutes=5)
    """The longest that a window without a secret is open."""

    device_attribute: str = "claimed"
    """Shared attribute that tells a device whether it belongs to somebody (true, false). Empty: none."""

    failures: Count = 5
    """Claims of one person that may fail within ``failure_window``; then that person waits."""

    failure_window: TimeLimit = timedelta(minutes=15)
    """How long a failed claim counts."""

    failure_wait: TimeLimit = timedelta(minutes=15)
    """How long that person waits before another secret is looked at."""

    failures_per_hour: Count = 100
    """Claims of one person that may fail in an hour."""

    device_failures_per_hour: Count = 20
    """Claims of one device by all people of one customer that may fail in an hour."""

    address_failures_per_hour: Count = 100
    """Claims from one address that may fail in an hour; people who have not failed do not mind."""

    guessed_failures_per_hour: Count = 50
    """Failed claims of one device in an hour by anybody, at which windows with a weak secret are closed."""

    sign_up: tuple[str, ...] = ()
    """Names of the tenants where people make their own account while they claim their first device."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TlsSite:
    """A further certificate, in ``[[tls.site]]``: for clients that ask for one of its names (SNI)."""

    __pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)

    cert: Path
    key: Path


TLS_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!SHA1:!AESCCM:@SECLEVEL=2"
DTLS_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:ECDHE+AES:!aNULL:!SHA1:@SECLEVEL=2"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """Section ``[tls]``: how the server proves who it is, for all listeners that encrypt."""

    cert: Path | None = None
    """Certificate (PEM): the server's own first, then those that vouch for it. Read anew when it changes."""

    key: Path | None = None
    """Private key of the certificate (PEM), without a passphrase, closed to others."""

    site: tuple[TlsSite, ...] = ()
    """Further certificates, as ``[[tls.site]]`` with ``cert`` and ``key``, chosen by the names in them (SNI)."""

    client_ca: Path | None = None
    """Certificates (PEM) of those who vouch for devices; where listeners ask for client certificates."""

    min_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""

    ciphers: str = TLS_CIPHERS
    """What is offered in TLS 1.2, in OpenSSL's words. TLS 1.3 has good ones only."""

    dtls_ciphers: str = DTLS_CIPHERS
    """What is offered in DTLS, which is 1.2 always. Devices that know nothing but the CCM_8 of RFC 7252 need
    ``ECDHE+AESGCM:ECDHE+AESCCM8:@SECLEVEL=0``."""


CORE_SECTIONS: Mapping[str, type] = {
    "server": ServerConfig,
    "plugins": PluginsConfig,
    "storage": StorageConfig,
    "provisioning": ProvisioningConfig,
    "admin": AdminConfig,
    "login": LoginConfig,
    "claiming": ClaimingConfig,
    "tls": TlsConfig,
}

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
