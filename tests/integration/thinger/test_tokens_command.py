"""``firstboot thinger token``: the first token of an account (contract 2.7)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
from tests.harness import environment, firstboot, server_process


def status(port: int, token: str, path: str = "tokens") -> int:
    url = f"http://127.0.0.1:{port}/v1/users/default/{path}"
    return httpx2.get(url, headers={"Authorization": f"Bearer {token}"}).status_code


def test_tg_2_7_an_operator_makes_a_token_that_a_running_server_knows_at_once(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        made = firstboot(server.environment, "thinger", "token", "create", "admin", "--preset", "full", "--json")
        token = json.loads(made.stdout)["access_token"]
        assert status(server.http_port, token) == 200

        sketch = firstboot(server.environment, "thinger", "token", "create", "factory", "--short")
        key = re.search(r"provisioning key +(pk_[A-Za-z0-9]{24})\n", sketch.stdout)
        assert key is not None
        assert status(server.http_port, key[1]) == 403

        firstboot(server.environment, "thinger", "token", "delete", "admin")
        assert server.stop() == 0


def test_tg_2_7_tokens_are_listed_without_what_opens_the_account_and_deleted(tmp_path: Path) -> None:
    env = environment(tmp_path)
    made = json.loads(
        firstboot(env, "thinger", "token", "create", "factory", "--expires", "2090-01-31", "--json").stdout
    )

    listed = firstboot(env, "thinger", "token", "list", "--json").stdout
    as_text = firstboot(env, "thinger", "token", "list").stdout
    own = firstboot(env, "token", "list").stdout

    (token,) = json.loads(listed)
    assert (token["token"], token["enabled"], token["expires"][:10]) == ("factory", True, "2090-01-31")
    assert "factory" in as_text
    assert "factory" in own  # an API token like others, and revoked like them
    assert made["access_token"] not in listed + as_text + own
    assert firstboot(env, "thinger", "token", "delete", "factory").stdout == "token factory deleted\n"
    assert json.loads(firstboot(env, "thinger", "token", "list", "--json").stdout) == []


def test_tg_2_7_what_cannot_be_made_or_found_is_said(tmp_path: Path) -> None:
    env = environment(tmp_path)
    firstboot(env, "thinger", "token", "create", "factory")

    for arguments, said in (
        (("create", "factory"), "already"),
        (("create", "a-b"), "invalid token id"),
        (("create", "b", "--account", "nobody"), "nobody"),
        (("create", "b", "--expires", "2001-01-01"), "past"),
        (("create", "b", "--preset", "king"), "king"),
        (("delete", "none"), "'none'"),
    ):
        done = firstboot(env, "thinger", "token", *arguments, check=False)
        assert done.returncode != 0
        assert said in done.stderr, arguments
        assert "Traceback" not in done.stderr
