"""Section ``[acme]`` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from firstboot.secret import Secret
from firstboot_acme.serials import checked_serial

SHORTEST_KEY = 32


def _long_enough(key: Secret) -> Secret:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"give at least {SHORTEST_KEY} characters, such as `openssl rand -hex 32` prints")
    return key


# What is raised here comes out as "acme.serials.3: not usable: ..." beside all other problems of the file.
Serial = Annotated[str, AfterValidator(checked_serial)]
SigningKey = Annotated[Secret, AfterValidator(_long_enough)]


@dataclass(frozen=True, kw_only=True)
class AcmeConfig:
    """Without this section the plugin offers nothing and says nothing."""

    serials: tuple[Serial, ...] = ()
    """The devices that may provision with strategy ``acme-serial-list``."""

    signing_key: SigningKey | None = None
    """Signs what devices get that ask for credentials of type ``ACME_KEY``."""

    models: Mapping[str, str] = field(default_factory=dict)
    """The label of a device by the ``model`` that it names in its request."""

    blocked_models: tuple[str, ...] = ()
    """Models that are not provisioned any more."""

    recalled: tuple[str, ...] = ()
    """Names of the devices that no customer may claim: they are to come back to us."""

    rented: tuple[str, ...] = ()
    """Names of the devices that customers cannot give back before our contract with them ends."""

    log_file: Path | None = None
    """Gets a line for each device that was provisioned, claimed or released."""
