"""The reference of thinger.io's API has every call that is served, and none that is not."""

from __future__ import annotations

import re

from tests.doc_pages import rows, section_of, text_of
from tests.integration.thinger.account import Account

from firstboot_plugins.dialects.thinger.coap_resources import resources
from firstboot_plugins.dialects.thinger.provision_session import REPLIES, REQUESTS
from firstboot_plugins.dialects.thinger.routes import routes

PAGE = "reference/thinger.md"
BELOW = "/v1/users/{user}/"


async def test_each_call_over_http_is_described_once(sqlite_thinger: Account) -> None:
    served = [
        f"{method} {path.removeprefix(BELOW)}"
        for each in routes(sqlite_thinger.server.services)
        if (path := getattr(each, "path", None)) is not None
        for method in getattr(each, "methods", ())
        if method != "HEAD"
    ]

    cells = [row[0] for row in rows(section_of(text_of(PAGE), "## All calls"))]
    described = [call for cell in cells for call in re.findall(r"`([A-Z]+ \S+)`", cell)]
    assert sorted(described) == sorted(served)


async def test_each_path_over_coap_is_described(sqlite_thinger: Account) -> None:
    served = {
        (code.name, each.path) for each in resources(sqlite_thinger.server.services) for code in each.methods
    }

    table = section_of(text_of(PAGE), "## Over CoAP")
    described = set(re.findall(r"^\| `([A-Z]+) ([^`?]+)", table, re.MULTILINE))
    assert described == served


def test_each_topic_of_a_provisioning_session_is_described() -> None:
    page = section_of(text_of(PAGE), "### Provisioning session")

    assert f"publish `{REQUESTS}`" in page
    assert f"subscribe `{REPLIES}`" in page
