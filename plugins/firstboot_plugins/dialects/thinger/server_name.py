"""How programs find this server again: what tokens say of it (contract 2.3)."""

from __future__ import annotations

from urllib.parse import urlsplit

from firstboot.config import Address, Config, ServerConfig
from firstboot_plugins.transports.http.config import HttpConfig


def server_name(config: Config, port: int) -> str | None:
    """Return host and port of REST, without a scheme; ``port`` is that of plain HTTP. None: nobody knows yet."""
    public_url = config.section(HttpConfig).public_url
    if public_url is not None:
        return urlsplit(public_url).netloc
    return str(Address(config.section(ServerConfig).public_host, port)) if port else None
