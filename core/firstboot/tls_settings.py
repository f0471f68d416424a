"""Which certificates and listeners the configuration names; what reads and serves them is loaded only then."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from firstboot.clock import Clock
from firstboot.config import Config, TlsConfig
from firstboot.errors import ConfigError, Problem
from firstboot.listening import ENCRYPTED_BINDS

if TYPE_CHECKING:
    from firstboot.tls import Tls

PEER_CERTIFICATE = "firstboot.peer_certificate"
"""Name of the `PeerCertificate` among what a transport tells of itself; None where there is none."""


def pairs_of(config: TlsConfig) -> Iterator[tuple[str, Path | None, Path | None]]:
    """Give the setting, certificate and key of each certificate that is configured."""
    if config.cert or config.key or config.site or config.client_ca:
        yield "tls", config.cert, config.key
    for number, site in enumerate(config.site):
        yield f"tls.site.{number}", site.cert, site.key


def paths_of(config: TlsConfig) -> list[Path]:
    """Return all files that the section names."""
    paths = [path for _, *pair in pairs_of(config) for path in pair]
    return [path for path in (*paths, config.client_ca) if path is not None]


def open_tls(config: Config, sections: Mapping[str, type], clock: Clock) -> Tls | None:
    """Read the certificates, where there are any.

    Raises: `ConfigError` with all that is wrong with them, also that there are none and a listener needs one.
    """
    settings = config.section(TlsConfig)
    if paths_of(settings):
        # Not before it is needed: a server without TLS does without the memory that it takes.
        from firstboot.tls import Tls

        return Tls.open(settings, clock)
    problems = [
        Problem(
            setting,
            "needs a certificate.",
            "Give tls.cert and tls.key; `firstboot certs init` makes some to try with.",
        )
        for setting in _encrypted_binds(config, sections)
    ]
    if problems:
        raise ConfigError(*problems)
    return None


def _encrypted_binds(config: Config, sections: Mapping[str, type]) -> Iterable[str]:
    for name, kind in sections.items():
        section: object = config.section(kind)
        for field in dataclasses.fields(kind):
            if field.name in ENCRYPTED_BINDS and getattr(section, field.name) is not None:
                yield f"{name}.{field.name}"
