"""The example of a plugin: its own tests pass, and a real server works with it as its README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from tests.harness import environment, firstboot
from tests.integration.clients.live import live_server

ACME = Path(__file__).parents[2] / "examples" / "acme_plugin"
SOURCES = str(ACME / "src")
OBJECT = "firstboot_acme.plugin:plugin"

SIGNING_KEY = "a signing key for these tests, long enough"


def configured(acme: Path, tmp_path: Path, section: str) -> dict[str, str]:
    """Return what lets a server find the installed plugin, and the configuration ``section``."""
    file = tmp_path / "firstboot.toml"
    file.write_text(section)
    return {"PYTHONPATH": str(acme), "FIRSTBOOT_CONFIG": str(file)}


def listed(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the plugin's line of ``firstboot plugins list``."""
    infos = json.loads(firstboot(env, "plugins", "list", "--json").stdout)
    (info,) = [info for info in infos if info["name"] == "acme"]
    return dict(info)


def test_its_own_tests_pass() -> None:
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("FIRSTBOOT_", "COV", "PYTEST"))
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        env={**env, "PYTHONPATH": SOURCES}, cwd=ACME, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_entry_point_leads_to_the_plugin() -> None:
    setup = ConfigParser()
    setup.read(ACME / "setup.cfg")

    assert setup["options.entry_points"]["firstboot"].strip() == f"acme = {OBJECT}"


def test_a_device_on_the_list_gets_a_key_and_a_label(acme: Path, tmp_path: Path) -> None:
    section = f"""
        [acme]
        serials = ["AC104217-5"]
        signing_key = "{SIGNING_KEY}"
        log_file = "{tmp_path / "acme.log"}"
        blocked_models = ["M0"]
        [acme.models]
        M1 = "Meter, one phase"
    """
    with live_server(tmp_path, "--strategy", "acme-serial-list", **configured(acme, tmp_path, section)) as live:
        told = live.provision("AC104217-5", model="M1", credentialsType="ACME_KEY")

        shown = live.show("AC104217-5")
        assert live.process.stop() == 0

    assert set(told) == {"keyId", "key", "signature"}
    assert (shown["label"], shown["credentials_type"]) == ("Meter, one phase", "ACME_KEY")
    # What was queued for observers is done when the server has stopped.
    (line,) = (tmp_path / "acme.log").read_text().splitlines()
    assert line.split(" ")[1:] == ["AC104217-5", "created", "ACME_KEY", "http"]


def test_each_refusal_is_a_failure_to_the_device_and_has_its_own_code_for_the_operator(
    acme: Path, tmp_path: Path
) -> None:
    section = """
        [acme]
        serials = ["AC104217-5"]
        blocked_models = ["M0"]
    """
    with live_server(tmp_path, "--strategy", "acme-serial-list", **configured(acme, tmp_path, section)) as live:
        requests = [
            live.request(),
            live.request("meter-7"),
            live.request("AC104218-3"),
            live.request("AC104217-5", model="M0"),
        ]
        answers = [live.post(request) for request in requests]
        audit = json.loads(firstboot(live.process.environment, "audit", "list", "--json").stdout)

    assert answers == [{"errorMsg": "Failed to provision device!", "status": "FAILURE"}] * 4
    codes = [row["code"] for row in reversed(audit) if row["event"] == "provisioning-refused"]
    assert codes == ["acme-no-serial", "acme-bad-serial", "acme-unknown-serial", "acme-model-blocked"]


def test_a_recalled_device_is_claimed_by_nobody_and_a_rented_one_stays_with_its_customer(
    acme: Path, tmp_path: Path
) -> None:
    section = f"""
        [acme]
        recalled = ["AC104217-5"]
        rented = ["AC104218-3"]
        log_file = "{tmp_path / "acme.log"}"
        [claiming]
        sign_up = ["default"]
    """
    with live_server(tmp_path, **configured(acme, tmp_path, section)) as live:
        for name in ("AC104217-5", "AC104218-3"):
            token = live.provision(name)
            live.call("POST", f"/api/v1/{token}/claim", {"secretKey": "a good secret"})
        person = {"email": "ann@example.com", "password": "a password of her own", "secretKey": "a good secret"}
        refused = live.call("POST", "/api/firstboot/sign-up", {**person, "deviceName": "AC104217-5"})
        claimed = live.call("POST", "/api/firstboot/sign-up", {**person, "deviceName": "AC104218-3"})
        ann = live.log_in("ann@example.com", "a password of her own")
        kept = live.call("DELETE", "/api/customer/device/AC104218-3/claim", token=ann)
        assert live.process.stop() == 0

    assert (refused.status, refused.body["code"]) == (403, "acme-recalled")
    assert claimed.status == 200
    assert kept.status == 403
    lines = [line.split(" ", 1)[1] for line in (tmp_path / "acme.log").read_text().splitlines()]
    assert lines[-1] == "AC104218-3 signed-up by ann@example.com"
    assert len(lines) == 3


def test_without_its_section_a_server_is_as_if_it_were_not_there(acme: Path, tmp_path: Path) -> None:
    with live_server(tmp_path, PYTHONPATH=str(acme)) as live:
        token = live.provision("meter-1", model="M0")

        assert len(token) == 20
        assert live.show("meter-1")["label"] is None
        # A type that nobody offers cannot be asked for.
        assert live.post(live.request("meter-2", credentialsType="ACME_KEY"), status=500)["status"] == 500
        assert listed(live.process.environment)["state"] == "active"


def test_it_is_listed_with_its_hooks(acme: Path, tmp_path: Path) -> None:
    info = listed(environment(tmp_path, PYTHONPATH=str(acme)))

    assert (info["state"], info["api_version"], info["reason"]) == ("active", 1, "")
    assert info["source"] == "firstboot-acme 1.0"
    assert info["hooks"] == [
        "firstboot_cli_commands",
        "firstboot_config_sections",
        "firstboot_credential_generators",
        "firstboot_device_claimed",
        "firstboot_device_claiming",
        "firstboot_device_provisioned",
        "firstboot_device_provisioning",
        "firstboot_device_released",
        "firstboot_device_releasing",
        "firstboot_provisioning_strategies",
    ]


def test_mistakes_in_its_section_stop_the_start_with_their_places(acme: Path, tmp_path: Path) -> None:
    env = environment(
        tmp_path,
        **configured(acme, tmp_path, '[acme]\nserials = ["AC104217-6"]\nsigning_key = "short"\nmodel = 1\n'),
    )

    done = firstboot(env, "check-config", check=False)

    assert done.returncode == 2
    assert re.findall(r"acme\.[a-z_.0-9]+", done.stderr) == ["acme.serials.0", "acme.signing_key", "acme.model"]
    assert "Traceback" not in done.stderr


def test_its_command_is_one_of_firstboots(acme: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, PYTHONPATH=str(acme))

    good = firstboot(env, "acme", "check-serial", "AC104217-5", check=False)
    bad = firstboot(env, "acme", "check-serial", "AC104217-6", check=False)

    assert (good.returncode, good.stdout) == (0, "AC104217-5: good\n"), good.stderr
    assert bad.returncode == 1
    assert "check digit" in bad.stderr


def test_the_configuration_in_its_readme_is_good(acme: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ACME / "README.md").read_text(), re.DOTALL)
    assert tomllib.loads(block)["acme"]

    done = firstboot(environment(tmp_path, **configured(acme, tmp_path, block)), "check-config", check=False)

    assert done.returncode == 0, done.stderr
