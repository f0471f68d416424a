"""What the server and the command line share: configuration, plugins, an open storage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import txaio

from firstboot.api_tokens import ApiTokenService
from firstboot.batching import Batcher
from firstboot.certificate_authority import CertificateAuthority
from firstboot.changes import are_changes
from firstboot.claim_windows import ClaimWindows
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock
from firstboot.config import (
    CORE_SECTIONS,
    ClaimingConfig,
    Config,
    ConfigSource,
    LoginConfig,
    PluginsConfig,
    StorageConfig,
)
from firstboot.customers import CustomerService
from firstboot.data_dir import prepare_data_dir
from firstboot.devices import DeviceService
from firstboot.errors import ConfigError, FirstbootError, NotFound, StartRefused
from firstboot.keyring import Keyring
from firstboot.model import Tenant
from firstboot.ownership import Ownership
from firstboot.passwords import Passwords
from firstboot.plugin_manager import PluginManager
from firstboot.pools import PoolService
from firstboot.profiles import ProfileService
from firstboot.resources import ResourceService
from firstboot.server_key import open_keyring
from firstboot.storage import Storage, StorageBackend, Write, WriteResult
from firstboot.tenants import TenantService
from firstboot.users import UserService


@dataclass(frozen=True, slots=True)
class ExtraPlugin:
    """A plugin at hand as an object, such as one of a test or of an embedding program."""

    name: str
    plugin: object


@dataclass(frozen=True, slots=True)
class Foundation:
    """Checked configuration and loaded plugins."""

    config: Config
    plugins: PluginManager
    strategies: Mapping[str, tuple[str, Any]]
    """Plugin name and strategy, by name of the strategy."""
    generators: Mapping[str, tuple[str, Any]]
    """Plugin name and credential generator, by type."""
    backends: Mapping[str, StorageBackend]
    """Storage backends by URL scheme."""


@dataclass(frozen=True, slots=True)
class Core:
    """A foundation with an open storage."""

    foundation: Foundation
    storage: Storage
    keyring: Keyring
    commits: Batcher[Write, WriteResult]
    clock: Clock
    profiles: ProfileService
    devices: DeviceService
    claim_windows: ClaimWindows
    ownership: Ownership
    tenants: TenantService
    customers: CustomerService
    users: UserService
    api_tokens: ApiTokenService
    passwords: Passwords
    certificates: CertificateAuthority
    resources: ResourceService
    pools: PoolService
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after every write of this process that others are told of."""
    write_failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the last write has failed, such as on a full disk."""

    async def tenant(self, name: str) -> Tenant:
        """Return a tenant by name.

        Raises: `NotFound`.
        """
        tenant = await self.storage.find_tenant(name)
        if tenant is None:
            raise NotFound(f"There is no tenant named {name!r}.")
        return tenant


def load_plugins(source: ConfigSource, extra: Sequence[ExtraPlugin] = ()) -> PluginManager:
    """Load the plugins that the configuration wants; those that fail are listed with their reasons.

    Raises: `ConfigError` when ``[plugins]`` itself is wrong.
    """
    txaio.use_asyncio()  # type: ignore[no-untyped-call]
    bootstrap = source.check({"plugins": PluginsConfig}, only=("plugins",))
    plugins = PluginManager(bootstrap.plugins)
    plugins.load((added.name, added.plugin) for added in extra)
    return plugins


def lay_foundation(source: ConfigSource, extra: Sequence[ExtraPlugin] = ()) -> Foundation:
    """Load plugins and check every setting. All that is wrong comes in one report.

    Raises: `StartRefused`.
    """
    try:
        plugins = load_plugins(source, extra)
    except ConfigError:  # the sections of plugins are not known, but those of the core are
        source.check(CORE_SECTIONS, only=CORE_SECTIONS)
        raise
    report = Report()
    sections = plugins.config_sections()
    report.add(*plugins.errors)
    config = None
    try:
        config = source.check(sections, ignored=plugins.sections_left_over())
    except ConfigError as error:
        report.add(error)
    report.raise_problems()
    assert config is not None  # for the type checker: the report had no problem
    strategies = plugins.collect("firstboot_provisioning_strategies", "name", config=config)
    generators = plugins.collect("firstboot_credential_generators", "type", config=config)
    backends = plugins.collect("firstboot_storage_backends", "schemes", config=config)
    report.add(*plugins.errors)
    report.raise_problems()

    # An optional plugin that has failed at one hook grants nothing through another either.
    def active(offered: Mapping[str, tuple[str, Any]]) -> dict[str, tuple[str, Any]]:
        return {name: (plugin, item) for name, (plugin, item) in offered.items() if plugins.is_active(plugin)}

    foundation = Foundation(
        config=config,
        plugins=plugins,
        strategies=active(strategies),
        generators=active(generators),
        backends={scheme: backend for scheme, (_, backend) in active(backends).items()},
    )
    _backend(foundation)  # that there is one belongs to the configuration's report
    return foundation


@asynccontextmanager
async def open_core(foundation: Foundation, clock: Clock) -> AsyncIterator[Core]:
    """Open the storage and the keyring, and let go of them at the end.

    Raises: `StartRefused`.
    """
    config = foundation.config
    storage = await _open_storage(foundation)
    try:
        keyring = await open_keyring(storage, config.server)

        changed, write_failed = asyncio.Event(), asyncio.Event()

        async def write(batch: Sequence[Write]) -> Sequence[WriteResult]:
            try:
                results = await storage.write(batch, keyring.link)
            except Exception:
                write_failed.set()
                raise
            write_failed.clear()
            if are_changes(batch):
                changed.set()
            return results

        commits: Batcher[Write, WriteResult] = Batcher(write)
        login, claiming = config.section(LoginConfig), config.section(ClaimingConfig)
        passwords = Passwords(memory_kib=login.password_memory_kib, passes=login.password_passes)
        ownership = Ownership(claiming, storage, commits, clock)
        certificates = CertificateAuthority(storage, keyring, clock)
        devices = DeviceService(
            storage, commits, keyring, clock, ClaimingData(keyring, claiming), authority=certificates
        )
        yield Core(
            foundation=foundation,
            storage=storage,
            keyring=keyring,
            commits=commits,
            clock=clock,
            profiles=ProfileService(
                storage,
                commits,
                keyring,
                allow_weak_secrets=config.provisioning.allow_weak_secrets,
                is_strategy=foundation.strategies.__contains__,
                clock=clock,
            ),
            devices=devices,
            claim_windows=ClaimWindows(claiming, storage, commits, keyring, clock),
            ownership=ownership,
            tenants=TenantService(storage, commits, clock),
            customers=CustomerService(storage, commits, clock, ownership),
            users=UserService(storage, commits, keyring, passwords, clock),
            api_tokens=ApiTokenService(storage, commits, keyring, clock),
            passwords=passwords,
            certificates=certificates,
            resources=ResourceService(storage, commits, clock),
            pools=PoolService(storage, commits, devices, clock),
            changed=changed,
            write_failed=write_failed,
        )
        await commits.drain()
    finally:
        await storage.close()


async def _open_storage(foundation: Foundation) -> Storage:
    """Prepare the data directory and open the storage, and say what is wrong with either."""
    config = foundation.config
    report = Report()
    try:
        prepare_data_dir(config.server.data_dir)
    except StartRefused as error:
        if config.section(StorageConfig).url is None:  # the database is inside
            raise
        report.add(error)
    try:
        storage = await _backend(foundation).open(config.storage_url.reveal())
    except StartRefused as error:
        report.add(error)
        report.raise_problems()
        raise  # for the type checker: the report had a problem
    try:
        report.raise_problems()
    except StartRefused:
        await storage.close()
        raise
    return storage


def _backend(foundation: Foundation) -> StorageBackend:
    scheme = urlsplit(foundation.config.storage_url.reveal()).scheme
    backend = foundation.backends.get(scheme)
    if backend is None:
        known = ", ".join(sorted(foundation.backends)) or "none"
        raise ConfigError.single("storage.url", f"no plugin stores in {scheme!r}.", f"There are: {known}.")
    return backend


class Report:
    """Gathers what is wrong, to say all of it at once."""

    def __init__(self) -> None:
        self._errors: list[FirstbootError] = []

    def add(self, *errors: FirstbootError) -> None:
        self._errors += errors

    def raise_problems(self) -> None:
        """Raise what was gathered, if anything was.

        Raises: `StartRefused`.
        """
        if len(self._errors) == 1 and isinstance(self._errors[0], StartRefused):
            raise self._errors[0]
        if self._errors:
            # A line that two of them have, such as that of a data directory, is said once.
            lines = dict.fromkeys(line for error in self._errors for line in str(error).splitlines())
            raise StartRefused("\n".join(lines))
