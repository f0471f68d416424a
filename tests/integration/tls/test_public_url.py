"""Where links lead when there are listeners with and without TLS (HT-5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.tls.making import Identity
from tests.integration.tls.secured import secured

from firstboot_plugins.admin.public_url import public_url

HERE, EVERYWHERE = "127.0.0.1:0", "0.0.0.0:0"


@pytest.mark.parametrize(
    ("bind", "tls_bind", "scheme"),
    [(HERE, HERE, "http"), (HERE, EVERYWHERE, "https"), (EVERYWHERE, EVERYWHERE, "http")],
    ids=["nobody reaches either", "others reach HTTPS only", "others reach both"],
)
async def test_ht_5_links_lead_to_the_listener_that_others_reach(
    tmp_path: Path, ca: Identity, identity: Identity, bind: str, tls_bind: str, scheme: str
) -> None:
    http = {"bind": bind, "tls_bind": tls_bind}
    async with secured(tmp_path, ca, identity, http=http) as live:
        assert public_url(live.server.services) == f"{scheme}://localhost:{live.port(scheme)}"


async def test_ht_5_the_configuration_has_the_last_word(tmp_path: Path, ca: Identity, identity: Identity) -> None:
    http = {"tls_bind": EVERYWHERE, "public_url": "http://iot.example.com/"}
    async with secured(tmp_path, ca, identity, http=http) as live:
        assert public_url(live.server.services) == "http://iot.example.com"
