"""The commands of the how-to page about PointPerfect do what the page says."""

from __future__ import annotations

import json
from pathlib import Path

from tests.doc_pages import DOCS
from tests.examples.test_tls import Site, site
from tests.examples.test_tls_guides import typed
from tests.harness import firstboot

__all__ = ["site"]

PAGE = DOCS / "how-to" / "thingstream.md"


def test_a_rover_gets_its_certificate_and_hears_what_is_published(site: Site, tmp_path: Path) -> None:
    env = site.live.process.environment
    words = {"TOKEN": made(site, "thingstream", "profile", "create", "rovers", "--service", "PointPerfect")}
    words["CORRECTIONS"] = made(
        site, "token", "create", "corrections", "--scope", "publish:/pp/#", "--scope", "retain", "--scope",
        "profiles:write",
    )  # fmt: skip

    keys = json.loads(typed(site, tmp_path, PAGE, "-r -t", **words).splitlines()[0])
    heard = typed(site, tmp_path, PAGE, "mosquitto_sub", **words)

    assert {len(keys[name]["value"]) for name in ("current", "next")} == {32}
    assert heard == "a message with keys\n"
    assert "rover-1" in firstboot(env, "thingstream", "thing", "list").stdout


def made(site: Site, *command: str) -> str:
    """Return the token that a command makes."""
    done = firstboot(site.live.process.environment, *command, "--json")
    token: str = json.loads(done.stdout)["token"]
    return token
