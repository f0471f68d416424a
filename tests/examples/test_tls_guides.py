"""The commands of the how-to pages about TLS and certificates do what the pages say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.doc_pages import DOCS, blocks
from tests.examples.test_tls import Site, site
from tests.harness import firstboot
from tests.integration.clients.live import WAIT_S
from tests.integration.tls.making import authority, issue
from tests.services import require_tool

__all__ = ["site"]

MAKER = authority("guide maker")
TLS, CERTIFICATES = DOCS / "how-to" / "tls.md", DOCS / "how-to" / "device-certificates.md"


def typed(site: Site, folder: Path, page: Path, what: str, **words: str) -> str:
    """Run the one block of a page that has ``what`` in it, as somebody types it; return what it prints.

    ``words`` are replaced by what they stand for.
    """
    for tool in ("openssl", "curl", "mosquitto_pub"):
        require_tool(tool)
    (block,) = [each for each in blocks(page, "sh") if what in each]
    block = block.replace("iot.example.com:8443", f"localhost:{site.port('https')}")
    block = block.replace("-h iot.example.com -p 8883", f"-h localhost -p {site.port('mqtts')}")
    for word, meaning in {"KEY": site.live.key, "SECRET": site.live.secret, **words}.items():
        block = re.sub(rf"(?<![$]){re.escape(word)}\b", lambda _, meaning=meaning: meaning, block)  # type: ignore[misc]
    if not (folder / "ca.crt").exists():
        (folder / "ca.crt").write_bytes(Path(site.ca).read_bytes())
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-c", block],
        cwd=folder, env={**site.live.process.environment, **words, "PATH": here},
        capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_device_registers_its_own_certificate_and_reports(site: Site, tmp_path: Path) -> None:
    answer = typed(site, tmp_path, CERTIFICATES, "openssl req -x509")
    typed(site, tmp_path, CERTIFICATES, "mosquitto_pub")

    assert '"status":"SUCCESS"' in answer
    assert site.live.show("meter-1")["state"] == "in use"


def test_a_device_of_a_maker_comes_and_is_revoked(site: Site, tmp_path: Path) -> None:
    MAKER.write(tmp_path, "maker-ca")[0].rename(tmp_path / "maker-ca.pem")
    issue("meter-7.example.com", by=MAKER).write(tmp_path, "own")
    renamed = {"meters": "meters-of-the-guide"}

    said = typed(site, tmp_path, CERTIFICATES, "ca trust", **renamed)
    asked = 0
    while '"status":"SUCCESS"' not in (answer := typed(site, tmp_path, CERTIFICATES, "-d '{}'")):
        asked += 1  # a server that runs hears within a second of what a command has changed
        assert asked < 50, answer
    revoked = typed(site, tmp_path, CERTIFICATES, "ca revoke")

    assert "prove the devices of meters-of-the-guide" in said
    assert revoked == "The credentials of meter-7 are revoked.\n"


def test_a_tenant_proves_its_authority(site: Site, tmp_path: Path) -> None:
    env = site.live.process.environment
    firstboot(env, "tenant", "create", "guided")
    firstboot(env, "profile", "create", "pumps", "--tenant", "guided")
    made = firstboot(
        env, "token", "create", "t", "--scope", "profiles:read", "--scope", "profiles:write", "--tenant", "guided",
        "--json",
    )  # fmt: skip
    token = re.findall(r'"token": "([^"]+)"', made.stdout)[0]
    (shown,) = site.live.call("GET", "/api/firstboot/profiles", token=token).body["items"]
    maker = authority("maker of pumps")
    maker.write(tmp_path, "maker-ca")

    proof = typed(site, tmp_path, CERTIFICATES, "challenge=", TOKEN=token, PROFILE=shown["id"])

    path = f"/api/firstboot/profiles/{shown['id']}/certificates"
    answer = site.live.call("PATCH", path, {"authority": maker.pem.decode(), "proof": proof}, token=token)
    assert answer.status == 200, answer.body
    assert answer.body["authorityCounts"] is True


def test_the_server_issues_a_certificate(site: Site, tmp_path: Path) -> None:
    answer = typed(site, tmp_path, CERTIFICATES, "openssl req -new")

    assert '"credentialsType":"X509_CERTIFICATE","status":"SUCCESS"' in answer
    assert "-----BEGIN CERTIFICATE-----" in answer


def test_a_first_device_reports_over_tls(site: Site, tmp_path: Path) -> None:
    renamed = {"meter-1": "meter-of-tls"}

    answer = json.loads(typed(site, tmp_path, TLS, "/api/v1/provision", **renamed))
    typed(site, tmp_path, TLS, "mosquitto_pub", TOKEN=answer["credentialsValue"])

    assert site.live.show("meter-of-tls")["state"] == "in use"
