"""An import that is cut off, or that shares its database with a server, loses nothing."""

from __future__ import annotations

import asyncio
import csv
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, running

from firstboot.claim_secrets import claim_digest
from firstboot.clock import Clock
from firstboot.config import ConfigSource
from firstboot.core import Core, lay_foundation, open_core
from firstboot.csv_records import read_records
from firstboot.device_import import DeviceImport
from firstboot.errors import Unavailable
from firstboot.import_plans import Wishes
from firstboot.import_rows import RowReader
from firstboot.import_writes import WAITS_S
from firstboot.model import Authority, ClaimOpener, Origin
from firstboot.secret import Secret
from firstboot.secrets_file import SecretsFile
from firstboot.storage import DeviceQuery

ROWS = 2000
FROM_A_PHONE = Origin(transport="http", dialect="firstboot", address="192.0.2.1")


@pytest.fixture
def env(tmp_path: Path, database: str | None) -> Mapping[str, str]:
    return environment(tmp_path, **({"FIRSTBOOT_STORAGE__URL": database} if database else {}))


def command(tmp_path: Path, *options: str) -> list[str]:
    return ["import", str(tmp_path / "list.csv"), "--profile", "meters", "--generate-secrets", "--secrets",
            str(tmp_path / "out.csv"), *options]  # fmt: skip


def make_list(tmp_path: Path, rows: int = ROWS) -> None:
    (tmp_path / "list.csv").write_text("name\n" + "".join(f"m-{number}\n" for number in range(rows)))


def secrets_in(file: Path) -> dict[str, str]:
    """Return the secrets by name; no name stands in the file twice."""
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))[1:]
    assert len({name for name, *_ in rows}) == len(rows)
    return {name: secret for name, secret, _ in rows}


def killed_after(env: Mapping[str, str], tmp_path: Path, size: int, *options: str) -> None:
    """Begin an import, and kill it as soon as so much of its secrets is on disk."""
    unfinished = tmp_path / "out.csv.unfinished"
    process = subprocess.Popen(
        [sys.executable, "-m", "firstboot", *command(tmp_path, *options)],
        env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not unfinished.exists() or unfinished.stat().st_size < size:
            assert process.poll() is None, "the import was done before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def with_core(env: Mapping[str, str], given: Mapping[str, str]) -> tuple[int, int]:
    """Return how many devices there are, and for how many of them the given secret opens its claim window."""
    async with open_core(lay_foundation(ConfigSource.read(None, env)), Clock()) as core:
        tenant = await core.tenant("default")
        devices = await core.devices.list(DeviceQuery(tenant_id=tenant.id, limit=2 * ROWS))
        fits = 0
        for device in devices:
            for window in await core.claim_windows.list(device):
                assert window.opened_by is ClaimOpener.ADMINISTRATOR
                digest = claim_digest(core.keyring, device.public_id, Secret(given[device.name]))
                fits += window.secret_digest == digest
        return len(devices), fits


@pytest.mark.parametrize("size", [1, 100_000])
def test_an_import_that_is_killed_goes_on_and_no_secret_of_a_device_is_lost(
    env: Mapping[str, str], tmp_path: Path, size: int
) -> None:
    """OP-1: kill -9 at any moment."""
    firstboot(env, "profile", "create", "meters")
    make_list(tmp_path)

    killed_after(env, tmp_path, size)
    assert not (tmp_path / "out.csv").exists()
    firstboot(env, *command(tmp_path))

    assert not (tmp_path / "out.csv.unfinished").exists()
    assert asyncio.run(with_core(env, secrets_in(tmp_path / "out.csv"))) == (ROWS, ROWS)
    firstboot(env, "audit", "verify")


def test_replacing_secrets_goes_on_after_it_was_killed(env: Mapping[str, str], tmp_path: Path) -> None:
    """OP-1."""
    firstboot(env, "profile", "create", "meters")
    make_list(tmp_path)
    firstboot(env, *command(tmp_path))
    first = secrets_in(tmp_path / "out.csv")
    (tmp_path / "out.csv").unlink()

    killed_after(env, tmp_path, 100_000, "--replace-secrets")
    firstboot(env, *command(tmp_path, "--replace-secrets"))

    second = secrets_in(tmp_path / "out.csv")
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    assert asyncio.run(with_core(env, second)) == (ROWS, ROWS)


async def test_a_database_that_is_away_for_a_moment_costs_no_row(
    env: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OP-8: a commit whose answer is lost is not taken for a failure."""
    monkeypatch.setattr("firstboot.import_writes.WAITS_S", [0.001] * len(WAITS_S))
    async with open_core(lay_foundation(ConfigSource.read(None, env)), Clock()) as core:
        answers = iter(["lost before", "lost after", "fine", "lost after"])
        real = core.commits.submit_all

        async def flaky(items: object) -> object:
            writes = list(items)  # type: ignore[call-overload]
            answer = next(answers, "fine")
            done = [] if answer == "lost before" else await real(writes)
            return done if answer == "fine" else [Unavailable("away")] * len(writes)

        monkeypatch.setattr(core.commits, "submit_all", flaky)
        tally, given = await import_names(core, tmp_path, [f"m-{number}" for number in range(1200)])

    assert (tally.created, tally.left_alone, tally.failed) == (1200, 0, 0)
    assert await with_core(env, given) == (1200, 1200)


async def test_a_database_that_stays_away_ends_the_import_which_can_go_on(
    env: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firstboot.import_writes.WAITS_S", [])
    async with open_core(lay_foundation(ConfigSource.read(None, env)), Clock()) as core:
        real = core.commits.submit_all
        with monkeypatch.context() as patch:

            async def away(items: object) -> object:
                return [Unavailable("away") for _ in items]  # type: ignore[attr-defined]

            patch.setattr(core.commits, "submit_all", away)
            with pytest.raises(Unavailable):
                await import_names(core, tmp_path, ["m-1", "m-2"])
        assert core.commits.submit_all == real
        tally, given = await import_names(core, tmp_path, ["m-1", "m-2"])

    assert tally.created == 2
    assert await with_core(env, given) == (2, 2)


async def import_names(core: Core, tmp_path: Path, names: list[str]) -> tuple[object, dict[str, str]]:
    """Import with generated secrets; return the tally and the secrets file."""
    tenant = await core.tenant("default")
    profile = await core.profiles.default(tenant.id)
    wishes = Wishes(tenant_id=tenant.id, actor="test", profile=profile, generate_secrets=True)
    secrets = SecretsFile(tmp_path / "out.csv", tenant.public_id)
    failures: list[tuple[int, str]] = []
    importing = DeviceImport(core, wishes, secrets, lambda line, reason: failures.append((line, reason)))
    try:
        tally = await importing.run(read_records("\n".join(names), ","), RowReader(["name"]))
    finally:
        secrets.close()
    assert failures == []
    return tally, secrets_in(tmp_path / "out.csv")


async def test_an_import_runs_beside_a_server_whose_devices_and_customers_notice_nothing(
    env: Mapping[str, str], tmp_path: Path, database: str | None
) -> None:
    async with running(tmp_path, database=database) as server:
        profile = await server.profile("meters")
        make_list(tmp_path)
        importing = asyncio.create_task(asyncio.to_thread(firstboot, env, *command(tmp_path)))
        provisioned = 0
        while not importing.done():
            answer = await server.post(profile.request(f"by-itself-{provisioned}"))
            assert answer["status"] == "SUCCESS"
            provisioned += 1
        await importing

        given = secrets_in(tmp_path / "out.csv")
        customer = await server.services.customers.create(1, "c", actor="test")
        buyer = await server.services.users.create(
            1, email="b@example.com", authority=Authority.CUSTOMER_USER, customer_id=customer.id, actor="test"
        )
        claimed = await server.services.claiming.claim(buyer, "m-7", Secret(given["m-7"]), FROM_A_PHONE)

    assert provisioned > 0
    assert len(given) == ROWS
    assert claimed.customer_id == customer.id
