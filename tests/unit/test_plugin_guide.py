"""The plugin of the guide for authors does what the guide says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.doc_pages import GUIDE, blocks, plugin_of_the_guide

from firstboot.config import Config
from firstboot.deciding import Deciders
from firstboot.errors import ProvisioningRefused
from firstboot.events import DeviceProvisioned
from firstboot.model import DeviceProposal, Origin, WantedCredentials
from firstboot.observing import Observers
from firstboot.strategies import CreateNew
from firstboot.testing import FakeFinder, a_device, a_profile, a_request


@pytest.mark.parametrize("number", range(len(blocks(GUIDE, "python"))))
def test_each_python_block_of_the_guide_compiles(number: int) -> None:
    compile(blocks(GUIDE, "python")[number], f"{GUIDE.name}, block {number}", "exec")


async def test_the_plugin_of_the_guide_does_what_the_guide_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manager = plugin_of_the_guide(tmp_path)
    kind = manager.config_sections()["acme_rooms"]
    config = Config({kind: kind(prefix="sensor-")})
    _, strategy = manager.collect("firstboot_provisioning_strategies", "name", config=config)["acme-by-serial"]
    _, pins = manager.collect("firstboot_credential_generators", "type", config=config)["ACME_PIN"]
    deciders = Deciders(manager)
    proposal = DeviceProposal(name="sensor-4711", profile="rooms", tenant=1)
    finder = FakeFinder(a_device())

    named = strategy.decide(None, a_request(facts={"serial": "4711"}), a_profile(), finder)
    pin = pins.issue(WantedCredentials(type="ACME_PIN"))
    changed = await deciders.ask(a_request(facts={"room": "hall"}), proposal)

    assert named == CreateNew("sensor-4711")
    assert len(pins.reveal(pin)) == 40
    assert [(attribute.key, attribute.value) for attribute in changed.attributes] == [("room", "hall")]
    with pytest.raises(ProvisioningRefused) as no_serial:
        strategy.decide(None, a_request(facts={}), a_profile(), finder)
    assert no_serial.value.code == "acme-no-serial"
    with pytest.raises(ProvisioningRefused) as cellar:
        await deciders.ask(a_request(facts={"room": "cellar"}), proposal)
    assert cellar.value.code == "acme-cellar"


async def test_the_plugin_of_the_guide_observes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observers = Observers(plugin_of_the_guide(tmp_path))
    event = DeviceProvisioned(
        device=a_device(name="sensor-4711").ref,
        profile="rooms",
        credentials_type="ACME_PIN",
        how="created",
        origin=Origin(transport="http", dialect="thingsboard", address="192.0.2.7"),
        at_ms=0,
    )

    observers.tell("firstboot_device_provisioned", event)
    await observers.stop(10.0)

    assert (tmp_path / "provisioned.txt").read_text() == "sensor-4711 192.0.2.7\n"


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    plugin, tests, conftest = blocks(GUIDE, "python")
    for name, content in (("acme_rooms", plugin), ("test_acme_rooms", tests), ("conftest", conftest)):
        (tmp_path / f"{name}.py").write_text(content)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_the_package_metadata_of_the_guide_is_toml_with_the_entry_point() -> None:
    (shown,) = blocks(GUIDE, "text")

    assert tomllib.loads(shown)["project"]["entry-points"]["firstboot"] == {"acme-rooms": "acme_rooms"}
