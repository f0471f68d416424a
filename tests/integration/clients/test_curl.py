"""curl, unmodified, with the habits of HTTP that it can be told to have."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.integration.clients.live import WAIT_S, LiveServer
from tests.services import require_tool


def curl(*arguments: str, body: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require_tool("curl"), "--silent", "--show-error", "--max-time", "20", *arguments],
        input=body, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "habit",
    [
        ("--http1.1",),
        ("--http1.0",),
        ("--http2",),
        ("--header", "Transfer-Encoding: chunked"),
        ("--header", "Content-Type: application/json"),
        ("--header", "Content-Type:"),
        ("--header", "Accept: text/plain"),
        ("--header", "Accept-Encoding: gzip, br"),
        ("--header", "User-Agent:"),
        ("--header", "Connection: close"),
    ],
    ids=lambda habit: habit[-1].removeprefix("--"),
)
async def test_ph_1_it_provisions_whatever_its_habits_are(
    live: LiveServer, name: str, habit: tuple[str, ...]
) -> None:
    done = curl(*habit, "--data-binary", "@-", live.url, body=json.dumps(live.request(name)))

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "SUCCESS"
    assert await live.login(username=answer["credentialsValue"]) == 0


def test_it_keeps_one_connection_for_two_devices(live: LiveServer, name: str) -> None:
    first, second = (json.dumps(live.request(f"{name} {number}")) for number in (1, 2))
    counted = ("--write-out", "\n%{num_connects}\n", live.url)

    done = curl("--data-binary", first, *counted, "--next", "--data-binary", second, *counted)

    answers = done.stdout.splitlines()
    assert [json.loads(answers[0])["status"], json.loads(answers[2])["status"]] == ["SUCCESS", "SUCCESS"]
    assert [answers[1], answers[3]] == ["1", "0"]


def test_http_1_0_closes_after_the_answer_and_needs_no_length(live: LiveServer, name: str) -> None:
    done = curl("--http1.0", "--verbose", "--data-binary", "@-", live.url, body=json.dumps(live.request(name)))

    assert json.loads(done.stdout)["status"] == "SUCCESS"
    assert "Transfer-Encoding" not in done.stderr.title()
    assert "left intact" not in done.stderr


def test_it_waits_for_100_continue_and_gets_it(live: LiveServer, name: str) -> None:
    # A wait longer than the whole request may take: without the 100 this ends in a time-out.
    patience = ("--expect100-timeout", "60", "--header", "Expect: 100-continue")

    done = curl(*patience, "--verbose", "--data-binary", "@-", live.url, body=json.dumps(live.request(name)))

    assert "< HTTP/1.1 100 Continue" in done.stderr
    assert json.loads(done.stdout)["status"] == "SUCCESS"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_ph_3_any_other_method_is_refused_with_405(live: LiveServer, method: str) -> None:
    done = curl("--request", method, "--write-out", "%{http_code}", "--output", "/dev/null", live.url)

    assert done.stdout == "405"


def test_ph_3_head_is_refused_with_405(live: LiveServer) -> None:
    done = curl("--head", "--write-out", "%{http_code}", "--output", "/dev/null", live.url)

    assert done.stdout == "405"


def test_an_unknown_path_is_404(live: LiveServer) -> None:
    done = curl("--write-out", "%{http_code}", "--output", "/dev/null", "--data", "{}", f"{live.url}/nothing")

    assert done.stdout == "404"


def test_ph_1_a_wrong_secret_is_answered_with_200_and_not_found(live: LiveServer, name: str) -> None:
    body = json.dumps({**live.request(name), "provisionDeviceSecret": "wrong"})

    done = curl("--write-out", "\n%{http_code}", "--data-binary", "@-", live.url, body=body)

    text, status = done.stdout.rsplit("\n", 1)
    assert status == "200"
    assert json.loads(text) == {"errorMsg": "Provision data was not found!", "status": "NOT_FOUND"}


def test_2_7_an_empty_body_is_refused_with_400(live: LiveServer) -> None:
    done = curl("--write-out", "\n%{http_code}", "--data", "", live.url)

    assert done.stdout.rsplit("\n", 1)[1] == "400"
