"""The examples of claiming do what they say at a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.clients.live import WAIT_S, LiveServer, live_server, private_package
from tests.services import require_tool

EXAMPLES = Path(__file__).parents[2] / "examples" / "claiming"
RUN = {"device_claim.py", "device_claim.sh", "gateway_claim.py", "customer.py", "import_and_labels.sh"}
EMAIL, PASSWORD = "ann@example.com", "a password of her own"


@dataclass(frozen=True)
class House:
    """A server, and Ann, who owns a device that the tests are not about."""

    live: LiveServer
    ann: str
    """Her access token."""

    def claim(self, name: str, secret: str) -> int:
        body = {"deviceName": name, "secretKey": secret}
        return self.live.call("POST", "/api/firstboot/claims", body, token=self.ann).status

    @property
    def server(self) -> list[str]:
        return ["--host", "127.0.0.1", "--port", str(self.live.mqtt_port)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with live_server(tmp_path_factory.mktemp("house"), FIRSTBOOT_CLAIMING__SIGN_UP='["default"]') as live:
        open_it(live, "first", "the first secret")
        person = {"email": EMAIL, "password": PASSWORD, "deviceName": "first", "secretKey": "the first secret"}
        assert live.call("POST", "/api/firstboot/sign-up", person).status == 200
        yield House(live, live.log_in(EMAIL, PASSWORD))


def open_it(live: LiveServer, name: str, secret: str) -> None:
    """Make a device that has opened itself."""
    token = live.provision(name)
    assert live.call("POST", f"/api/v1/{token}/claim", {"secretKey": secret}).status == 200


@contextmanager
def started(
    *command: str, python_path: Path | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, **({"PYTHONPATH": str(python_path)} if python_path else {})}
    with subprocess.Popen(command, env=env, cwd=cwd, text=True, stdout=subprocess.PIPE) as program:
        try:
            yield program
        finally:
            program.kill()


def line_of(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module")
def tb_paho(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return private_package(tmp_path_factory.getbasetemp(), "tb-paho-mqtt-client")


def test_a_device_opens_itself_over_mqtt_and_is_told_of_its_owner(house: House, tb_paho: Path) -> None:
    token = house.live.provision("mqtt")
    program = str(EXAMPLES / "device_claim.py")
    with started(sys.executable, program, *house.server, "--token", token, python_path=tb_paho) as device:
        said = line_of(device)

        assert house.claim("mqtt", "another secret") == 403
        assert house.claim("mqtt", said.removeprefix("Claim me with the secret ")) == 200
        assert line_of(device) == "Somebody owns me."
        assert device.wait(WAIT_S) == 0


def test_a_device_opens_itself_over_http_and_is_told_of_its_owner(house: House) -> None:
    require_tool("curl")
    url, token = f"http://127.0.0.1:{house.live.http_port}", house.live.provision("http")
    with started("sh", str(EXAMPLES / "device_claim.sh"), url, token, "seen on its display") as device:
        assert line_of(device) == "May be claimed."

        assert house.claim("http", "seen on its display") == 200
        assert line_of(device) == "Somebody owns me."
        assert device.wait(WAIT_S) == 0


def test_a_gateway_opens_its_devices_and_is_told_of_each_owner(house: House, tb_paho: Path) -> None:
    token = house.live.provision("gateway", gateway=True)
    wanted = ["valve-1=secret of the first", "valve-2=secret of the second"]
    command = [str(EXAMPLES / "gateway_claim.py"), *house.server, "--token", token, *wanted]
    with started(sys.executable, *command, python_path=tb_paho) as gateway:
        assert line_of(gateway) == "May be claimed: valve-1, valve-2"

        assert house.claim("valve-1", "secret of the second") == 403
        for each in wanted:
            assert house.claim(*each.split("=")) == 200
            assert line_of(gateway) == f"{each.split('=')[0]} has an owner."
        assert gateway.wait(WAIT_S) == 0


def test_a_customer_claims_and_gives_back(house: House, rest_client: Callable[[str], Path]) -> None:
    open_it(house.live, "hers", "her secret")
    packages = rest_client("4.4")
    url = f"http://127.0.0.1:{house.live.http_port}"

    def customer(*what: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / "customer.py"), url, EMAIL, PASSWORD, *what],
            env={**os.environ, "PYTHONPATH": str(packages)},
            capture_output=True, text=True, check=False, timeout=WAIT_S,
        )  # fmt: skip

    wrong = customer("claim", "hers", "no secret")
    claimed = customer("claim", "hers", "her secret")
    twice = customer("claim", "hers", "her secret")
    owned = customer("list")
    released = customer("release", "hers")
    unknown = customer("release", "hers")

    assert (wrong.returncode, wrong.stderr) == (1, "Refused: FAILURE\n")
    assert (claimed.returncode, claimed.stdout) == (0, "hers is yours.\n"), claimed.stderr
    assert (twice.returncode, twice.stderr) == (1, "Refused: CLAIMED\n")
    assert "hers" in owned.stdout.splitlines(), owned.stderr
    assert (released.returncode, released.stdout) == (0, "hers is nobody's.\n"), released.stderr
    assert (unknown.returncode, unknown.stderr) == (1, "Refused: Requested item wasn't found!\n")


def test_an_operator_imports_a_list_and_prints_labels(house: House, tmp_path: Path) -> None:
    pytest.importorskip("fpdf")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["sh", str(EXAMPLES / "import_and_labels.sh"), str(EXAMPLES / "delivery.csv"), "demo"]

    done = subprocess.run(
        [*command, "https://iot.example.com"],
        env={**house.live.process.environment, "PATH": path},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "3 labels in labels.pdf" in done.stdout
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
    _, *rows = (tmp_path / "secrets.csv").read_text().splitlines()
    name, secret, _ = rows[2].split(",")
    assert house.claim(name, secret) == 200


def test_every_example_is_run_here_and_stands_in_the_readme() -> None:
    on_disk = {file.name for file in EXAMPLES.iterdir() if file.suffix in (".py", ".sh")}
    readme = (EXAMPLES / "README.md").read_text()

    assert on_disk == RUN
    assert [name for name in on_disk if f"`{name}`" not in readme] == []
