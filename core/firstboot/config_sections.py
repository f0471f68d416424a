"""The core's own sections of the configuration; plugins offer theirs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from firstboot.config_values import Count, Duration, TimeLimit
from firstboot.emails import clean_email
from firstboot.errors import InvalidValue
from firstboot.passwords import MAX_LENGTH
from firstboot.secret import Secret

MIN_FIRST_PASSWORD = 12
"""More than other people need: it opens everything, from the first moment on."""


def _server_key(key: Secret) -> Secret:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", key.reveal()):
        raise ValueError("give 64 hexadecimal digits, such as `openssl rand -hex 32` prints")
    return key


ServerKey = Annotated[Secret, AfterValidator(_server_key)]


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
