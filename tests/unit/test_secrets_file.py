"""A secrets file has every secret that is in use, is its owner's alone, and takes no other file's place."""

from __future__ import annotations

import asyncio
import csv
import os
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.secret import Secret
from firstboot.secrets_file import GivenSecret, SecretsFile

TENANT = UUID(int=1)


def given_secret(number: int, name: str | None = None) -> GivenSecret:
    return GivenSecret(
        device_id=UUID(int=number), name=name or f"m-{number}", secret=Secret(f"secret-{number}"),
        until_ms=1_896_048_000_000, existed=False,
    )  # fmt: skip


def keep(secrets: SecretsFile, *given: GivenSecret) -> range:
    return asyncio.run(secrets.keep(given))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_it_has_the_secrets_that_were_confirmed_and_no_other(path: Path) -> None:
    secrets = SecretsFile(path, TENANT)
    numbers = keep(secrets, given_secret(1), given_secret(2), given_secret(3))
    secrets.confirm(numbers[0])
    secrets.confirm(numbers[2])

    assert secrets.finish() == 2

    assert table(path) == [
        ["name", "secret", "claim-until"],
        ["m-1", "secret-1", "2030-01-31T00:00:00Z"],
        ["m-3", "secret-3", "2030-01-31T00:00:00Z"],
    ]
    assert list(path.parent.iterdir()) == [path]


def test_only_its_owner_may_read_it_at_any_moment(path: Path) -> None:
    """SE-12."""
    old = os.umask(0)
    try:
        secrets = SecretsFile(path, TENANT)
        (number,) = keep(secrets, given_secret(1))
        assert secrets.unfinished.stat().st_mode & 0o777 == 0o600
        secrets.confirm(number)
        secrets.finish()
    finally:
        os.umask(old)

    assert path.stat().st_mode & 0o777 == 0o600


def test_without_any_secret_there_is_no_file(path: Path) -> None:
    assert SecretsFile(path, TENANT).finish() == 0
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_it_takes_no_other_file_s_place(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")

    with pytest.raises(InvalidValue, match="never overwritten"):
        SecretsFile(path, TENANT)


def test_a_file_that_is_made_meanwhile_stays_and_the_secrets_do_too(path: Path) -> None:
    secrets = SecretsFile(path, TENANT)
    secrets.confirm(keep(secrets, given_secret(1))[0])
    path.write_text("mine")

    with pytest.raises(InvalidValue, match="somebody else"):
        secrets.finish()

    secrets.close()
    assert path.read_text() == "mine"
    assert "secret-1" in secrets.unfinished.read_text()


def test_what_was_cut_off_goes_on(path: Path) -> None:
    cut_off = SecretsFile(path, TENANT)
    keep(cut_off, given_secret(1), given_secret(2))
    cut_off.close()

    secrets = SecretsFile(path, TENANT)
    assert [(number, each.name, each.secret) for number, each in secrets.earlier()] == [
        (0, "m-1", Secret("secret-1")), (1, "m-2", Secret("secret-2")),
    ]  # fmt: skip
    secrets.confirm(1)
    secrets.confirm(keep(secrets, given_secret(3))[0])
    secrets.finish()

    assert [name for name, *_ in table(path)] == ["name", "m-2", "m-3"]


@given(st.data())
def test_a_line_that_was_cut_off_is_forgotten_whereever_that_was(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "out.csv"
    cut_off = SecretsFile(path, TENANT)
    keep(cut_off, given_secret(1))
    whole = cut_off.unfinished.stat().st_size
    keep(cut_off, given_secret(2))
    cut_off.close()
    os.truncate(cut_off.unfinished, data.draw(st.integers(whole, cut_off.unfinished.stat().st_size - 1)))

    secrets = SecretsFile(path, TENANT)
    assert [each.name for _, each in secrets.earlier()] == ["m-1"]
    (number,) = keep(secrets, given_secret(3))
    secrets.confirm(number)
    secrets.finish()

    assert [name for name, *_ in table(path)] == ["name", "m-3"]


def test_two_imports_cannot_write_one_file(path: Path) -> None:
    first = SecretsFile(path, TENANT)

    with pytest.raises(InvalidValue, match="Another import"):
        SecretsFile(path, TENANT)

    first.close()
    SecretsFile(path, TENANT).close()


def test_what_an_import_into_another_tenant_has_left_is_not_thrown_away(path: Path) -> None:
    SecretsFile(path, TENANT).close()

    with pytest.raises(InvalidValue, match="another installation or tenant"):
        SecretsFile(path, UUID(int=2))


def test_a_file_of_something_else_is_not_added_to(path: Path) -> None:
    other = path.with_name("out.csv.unfinished")
    other.touch(0o600)
    other.write_text("my diary\n")

    with pytest.raises(InvalidValue):
        SecretsFile(path, TENANT)

    assert other.read_text() == "my diary\n"


def test_a_file_that_others_may_read_is_not_added_to(path: Path) -> None:
    """Somebody who may write into the folder could have put it there."""
    other = path.with_name("out.csv.unfinished")
    other.touch()
    other.chmod(0o644)

    with pytest.raises(InvalidValue, match="Others may read"):
        SecretsFile(path, TENANT)


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.with_name("out.csv.unfinished").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        SecretsFile(path, TENANT)

    assert not (tmp_path / "elsewhere").exists()


def test_names_cannot_become_formulas(path: Path) -> None:
    """HT-8."""
    secrets = SecretsFile(path, TENANT)
    secrets.confirm(keep(secrets, given_secret(1, "=HYPERLINK(A1)"))[0])
    secrets.finish()

    assert table(path)[1][0] == "'=HYPERLINK(A1)"


def test_a_secret_does_not_show() -> None:
    assert "secret-1" not in repr(given_secret(1))
