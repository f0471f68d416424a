"""The benchmarks count right, and run. How fast anything is, is not a matter of tests."""

import asyncio
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks import coap, frames, report, scripts
from benchmarks.arithmetic import latency_multiple, median_ratio, percentile
from benchmarks.bench import Rate, Row
from benchmarks.client import Load
from benchmarks.databases import COUNTS, make_database
from benchmarks.idle import idle_sessions
from benchmarks.listener import Listener
from benchmarks.rows import MEASUREMENTS
from benchmarks.servers import Missing, find_program, firstboot, own_reference
from benchmarks.targets import TARGETS, Target

from firstboot_plugins.transports.coap.messages import Code, Message, Option, Type, decode, empty

TOP = Path(__file__).parents[2]
LOAD = Load(script="", port=1, seconds=1, prefix="ab12", key="key", secret="secret", devices=7)
ANSWERS = (frames.CONNACK, frames.SUBACK, b"")


def has_mosquitto() -> bool:
    try:
        find_program("mosquitto", "mosquitto")
    except Missing:
        return False
    return True


needs_mosquitto = pytest.mark.skipif(not has_mosquitto(), reason="mosquitto is not installed")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=TOP, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def rate(per_second: float) -> Rate:
    return Rate(
        per_second=per_second, p50_s=0.001, p99_s=0.002, client_cores=0.5, server_cores=1.0, server_us=100.0
    )


# -- arithmetic ------------------------------------------------------------------------------------


def test_the_ratio_is_the_median_over_pairs_and_not_the_ratio_of_medians() -> None:
    # The machine was slow in the second pair and slower in the third; the ratio of medians would be 1.
    assert median_ratio([(50, 100), (20, 50), (40, 10)]) == 0.5


def test_the_median_of_an_even_number_of_pairs_is_the_mean_of_the_middle_two() -> None:
    assert median_ratio([(1, 1), (3, 1), (5, 1), (100, 1)]) == 4


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (99.5, 100), (100, 100), (0, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 99)


def test_a_latency_as_long_as_the_mean_of_the_loop_is_a_multiple_of_one() -> None:
    # 50 clients at 1000 a second: each cycle takes 50 ms.
    assert latency_multiple(0.05, 50, 1000) == pytest.approx(1)
    assert latency_multiple(0.2, 50, 1000) == pytest.approx(4)


@pytest.mark.parametrize(("value", "verdict"), [(0.4, "aim"), (0.3, "aim"), (0.25, "reach"), (0.1, "missed")])
def test_more_is_better_for_rates(value: float, verdict: str) -> None:
    assert Target(what="", reference="", reach=0.2, aim=0.3).judge(value) == verdict


@pytest.mark.parametrize(("value", "verdict"), [(2, "aim"), (3, "aim"), (5, "reach"), (7, "missed")])
def test_less_is_better_for_memory(value: float, verdict: str) -> None:
    assert Target(what="", reference="", reach=6, aim=3, more_is_better=False).judge(value) == verdict


# -- what clients send -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 127, 128, 16_383])
def test_a_frame_is_whole_with_its_last_byte_and_not_before(size: int) -> None:
    frame = frames.frame(0x30, b"x" * size)

    assert frames.is_whole(frame)
    assert not any(frames.is_whole(frame[:end]) for end in range(len(frame)))


def test_a_response_is_whole_with_its_last_byte_and_not_before() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y\r\n\r\nhello, world"

    assert scripts.SCRIPTS["http-echo"].is_complete(response)
    assert not any(scripts.SCRIPTS["http-echo"].is_complete(response[:end]) for end in range(len(response)))


def test_all_requests_of_a_load_have_one_length_and_names_of_their_own() -> None:
    body = scripts.provisioning_request(LOAD)

    assert body(7) == (
        b'{"deviceName": "ab12-00000007", "provisionDeviceKey": "key", "provisionDeviceSecret": "secret"}'
    )
    assert len(body(99_999_999)) == len(body(0))


def test_a_reference_gets_requests_of_the_size_that_firstboot_gets() -> None:
    ours = scripts.SCRIPTS["mqtt-provision"].requests(LOAD)(0)
    reference = scripts.SCRIPTS["mqtt-bare"].requests(LOAD)(0)

    assert len(ours) == len(reference)
    assert all(abs(len(one) - len(other)) < 20 for one, other in zip(ours, reference, strict=True))


def test_every_report_is_as_long_as_the_others_and_has_other_values_than_the_one_before() -> None:
    reports = [json.loads(scripts.telemetry(number)) for number in range(200)]

    assert len({len(scripts.telemetry(number)) for number in (0, 9, 699, 99_999, 9_999_999)}) == 1
    assert all(one["temperature"] != other["temperature"] for one, other in pairwise(reports))
    assert [report["count"] - scripts.FIRST_COUNT for report in reports] == list(range(200))


def test_a_request_over_http_has_its_number_wherever_it_belongs_and_is_as_long_as_it_says() -> None:
    (request,) = scripts.SCRIPTS["thinger-ensure"].requests(LOAD)(7)
    head, _, body = request.partition(b"\r\n\r\n")

    assert head.startswith(b"POST /v1/users/default/devices/ab12-00000007/ensure HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert b"Authorization: Bearer secret" in head.split(b"\r\n")


@pytest.mark.parametrize("script", [name for name, each in scripts.SCRIPTS.items() if each.makes])
def test_what_a_script_makes_can_be_counted(script: str) -> None:
    assert set(scripts.SCRIPTS[script].makes) <= set(COUNTS)


def test_clients_that_subscribe_at_the_same_time_are_never_the_same_device() -> None:
    requests = scripts.SCRIPTS["mqtt-subscribe"].requests(LOAD)

    assert len({requests(number)[0] for number in range(LOAD.devices)}) == LOAD.devices


def test_a_request_over_coap_is_one_that_is_understood() -> None:
    message = decode(coap.post(0x1234_5678, b"body"))

    assert (message.type, message.code, message.id) == (Type.CON, Code.POST, 0x5678)
    assert (message.token, message.payload) == (b"\x12\x34\x56\x78", b"body")
    assert message.options == tuple((int(Option.URI_PATH), part) for part in (b"api", b"v1", b"provision"))


# -- what a socket for CoAP takes for an answer ------------------------------------------------------


class _Wire(asyncio.DatagramTransport):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def sendto(self, data: bytes | bytearray | memoryview, addr: object = None) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        pass


@pytest.fixture
async def asked() -> tuple[coap.CoapSocket, _Wire, asyncio.Task[None]]:
    """Return a socket that has sent its request, and waits."""
    socket, wire = coap.CoapSocket(), _Wire()
    socket.connection_made(wire)
    cycle = asyncio.create_task(socket.cycle((coap.post(7, b"body"),), (b"SUCCESS",)))
    await asyncio.sleep(0)
    return socket, wire, cycle


def answer(type_: Type, token: int = 7, payload: bytes = b"SUCCESS") -> bytes:
    return Message(type_, Code.CREATED, 99, token.to_bytes(4, "big"), (), payload).encode()


async def test_an_answer_that_comes_later_is_waited_for_and_acknowledged(
    asked: tuple[coap.CoapSocket, _Wire, asyncio.Task[None]],
) -> None:
    socket, wire, cycle = asked

    socket.datagram_received(empty(Type.ACK, 7), None)
    assert not socket.done.done()
    socket.datagram_received(answer(Type.CON), None)

    await cycle
    assert wire.sent[1:] == [empty(Type.ACK, 99)]


@pytest.mark.parametrize("wrong", [answer(Type.ACK, token=8), answer(Type.ACK, payload=b"FAILURE")])
async def test_another_answer_is_a_failure(
    asked: tuple[coap.CoapSocket, _Wire, asyncio.Task[None]], wrong: bytes
) -> None:
    socket, _, cycle = asked

    socket.datagram_received(wrong, None)

    with pytest.raises(RuntimeError, match="answer"):
        await cycle


# -- what a listener hears ---------------------------------------------------------------------------


async def test_a_listener_counts_messages_that_arrive_in_pieces() -> None:
    listener = Listener()

    for byte in frames.CONNACK + frames.SUBACK + frames.publish(b"t", b"0") + frames.publish(b"t", b"\x30\x01"):
        listener.data_received(bytes([byte]))

    assert listener.subscribed.done()
    assert await listener.has_heard(2)


async def test_a_listener_that_hears_more_than_was_published_says_so() -> None:
    listener = Listener()

    listener.data_received(frames.publish(b"t", b"0") * 3)

    assert not await listener.has_heard(2)


async def test_a_listener_waits_for_what_is_still_on_its_way() -> None:
    listener = Listener()
    heard = asyncio.ensure_future(listener.has_heard(1))
    await asyncio.sleep(0)
    assert not heard.done()

    listener.data_received(frames.publish(b"t", b"0"))

    assert await heard


async def test_a_listener_that_is_refused_fails() -> None:
    listener = Listener()

    listener.connection_lost(None)

    with pytest.raises(RuntimeError, match="refused"):
        await listener.subscribed


# -- what is written down --------------------------------------------------------------------------


def test_every_row_of_the_targets_is_measured_once() -> None:
    measured = [row for rows in MEASUREMENTS.values() for row in rows]

    assert sorted(measured) == sorted(TARGETS)


def test_results_are_kept_beside_those_of_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    run_of = report.describe_run(quick=True)
    report.add_results([Row(id="start", value=0.7), Row(id="connect", value=0.3)], run_of, path)

    report.add_results([Row(id="start", value=0.4)], run_of, path)

    assert {id_: row["value"] for id_, row in report.read_results(path).items()} == {"connect": 0.3, "start": 0.4}


def test_the_table_shows_rates_ratio_and_verdict(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    row = Row(id="connect", value=0.3, detail="7 credentials", ours=[rate(3000)], reference=[rate(10_000)])
    report.add_results([row], report.describe_run(quick=False), path)

    table = report.render(report.read_results(path))

    line = next(line for line in table.splitlines() if line.startswith("| `connect`"))
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "`connect`: device connect (7 credentials)",
        "3,000/s", "mosquitto's connect: 10,000/s", "0.30", "0.2", "0.4", "reach",
    ]  # fmt: skip
    assert "full run" in table


def test_a_row_without_a_target_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    row = Row(id="publish-telemetry", value=0.3, ours=[rate(3000)], reference=[rate(10_000)])
    report.add_results([row], report.describe_run(quick=False), path)

    table = report.render(report.read_results(path))

    line = next(line for line in table.splitlines() if line.startswith("| `publish-telemetry`"))
    assert [cell.strip() for cell in line.strip("|").split("|")][-4:] == ["0.30", "none given", "none given", ""]
    assert "reach none given, aim none given" in report.summary(row)


def test_the_page_shows_what_is_in_the_result_file() -> None:
    page = report.PAGE.read_text()

    assert report.page_with(report.render(report.read_results()), page) == page
    assert len(re.findall(r"^\| `[a-z0-9-]+`: ", page, re.MULTILINE)) == len(TARGETS)


# -- the command -----------------------------------------------------------------------------------


def test_help_names_every_row() -> None:
    shown = run("--help")

    assert shown.returncode == 0, shown.stderr
    assert all(f"\n  {row} " in shown.stdout for row in TARGETS)


def test_a_row_that_does_not_exist_is_refused() -> None:
    refused = run("mqtt-sqlight")

    assert refused.returncode == 2
    assert "no such row: mqtt-sqlight" in refused.stderr


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("http-keep-alive", id="provisions, and counts the devices"),
        pytest.param("thinger-bucket", id="provisions as thinger.io does, and counts devices and buckets"),
        pytest.param("thinger-claim", id="fills a pool, and counts the devices that hardware has"),
        pytest.param("thingstream", id="provisions as Thingstream does, and counts the hardware"),
        pytest.param("publish-bucket", id="publishes into a bucket, and counts its rows"),
        pytest.param("coap-sqlite", id="provisions over CoAP, and counts the devices"),
        pytest.param("dtls-handshake", id="shakes hands over DTLS, and is answered"),
        pytest.param("publish-telemetry", id="reports, and reads the values", marks=needs_mosquitto),
        pytest.param("publish-broker", id="publishes, and counts what is heard", marks=needs_mosquitto),
    ],
)
def test_a_tiny_run_checks_and_compares(row: str) -> None:
    done = run("--quick", "--seconds", "0.2", "--pairs", "1", row)

    assert done.returncode == 0, done.stderr
    assert re.match(rf"{row} +\d+\.\d\d ", done.stdout)


async def test_stock_amqtt_accepts_a_client_and_its_subscription(tmp_path: Path) -> None:
    with own_reference("stock_amqtt", tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for request, answer in zip(scripts.SCRIPTS["mqtt-subscribe"].requests(LOAD)(0), ANSWERS, strict=True):
            writer.write(request)
            assert await reader.read(100) == answer
        writer.close()
        await writer.wait_closed()


def test_an_idle_device_may_have_a_subscription(tmp_path: Path) -> None:
    database = make_database(tmp_path / "data", devices=3)
    with firstboot(database.data_dir, "mqtt") as server, idle_sessions(server, 3, topic_filter=scripts.OWN_TOPIC):
        pass
