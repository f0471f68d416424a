"""The log: one line for each record, nothing forged, nothing long, no secret at any level (SE-5, SE-6, OP-16)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.logs import MAX_VALUE_LENGTH, JsonFormatter, TextFormatter, set_up_logging
from firstboot.secret import Secret
from firstboot.throttle import WINDOW_S, FailureThrottle

TEXT = "s3cr3t-of-the-factory"


def record(message: object = "a message", *arguments: object, **more: Any) -> logging.LogRecord:
    """Return a record as a call of a logger makes it."""
    exc_info = more.pop("exc_info", None)
    logger = logging.Logger("firstboot.test")
    return logger.makeRecord(
        logger.name, logging.WARNING, "file.py", 7, message, arguments, exc_info, "function", more
    )


def as_json(*arguments: Any, **more: Any) -> dict[str, Any]:
    line = JsonFormatter().format(record(*arguments, **more))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    decoded: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    return decoded


def as_text(*arguments: Any, **more: Any) -> str:
    line = TextFormatter().format(record(*arguments, **more))
    assert line.isprintable()
    return line


def raised(error: BaseException) -> Any:
    try:
        raise error
    except BaseException:
        return sys.exc_info()


# -- one line --------------------------------------------------------------------------------------


def test_a_record_is_one_json_object_with_moment_level_logger_and_message() -> None:
    made = record("%s of %d", "seven", 9, device="meter-7", count=3, ratio=0.5, ok=True, nothing=None)
    made.created = 1_700_000_000.5

    decoded = json.loads(JsonFormatter().format(made))

    assert decoded == {
        "time": "2023-11-14T22:13:20.500+00:00",
        "level": "warning",
        "logger": "firstboot.test",
        "message": "seven of 9",
        "device": "meter-7",
        "count": 3,
        "ratio": 0.5,
        "ok": True,
        "nothing": None,
    }


def test_the_same_for_people() -> None:
    line = as_text("device refused", device="meter 7", code="name-taken", said='a "b"', empty="")

    moment, rest = line.split(" ", 1)
    assert datetime.fromisoformat(moment).tzinfo == UTC
    assert rest == 'warning device refused device="meter 7" code=name-taken said="a \\"b\\"" empty=""'


FORGERIES = [
    "a\r\nb", "a\nb", "\t", "\x00", "\x1b[31mred", "\x7f", "\x85",
    "\u2028", "\u2029", "\u202e", "\ufeff", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", FORGERIES, ids=ascii)
def test_se_5_control_characters_make_no_second_line_and_no_colour(text: str) -> None:
    for made in (as_json(f"before {text}", device=text), as_json("before %s", text, device=text)):
        assert made["message"] == f"before {text}"
        assert made["device"] == text

    line = as_text("before %s", text, device=text)
    assert text not in line
    assert "device=" in line


@given(st.text(), st.text())
def test_se_5_whatever_a_device_says_it_is_one_line(message: str, value: str) -> None:
    as_json("%s", message, device=value)
    as_text("%s", message, device=value)


@pytest.mark.parametrize("length", [MAX_VALUE_LENGTH, MAX_VALUE_LENGTH + 1, 1_000_000])
def test_se_5_long_values_are_cut(length: int) -> None:
    made = as_json("x" * length, device="y" * length)

    for text in (made["message"], made["device"]):
        assert len(text) == MAX_VALUE_LENGTH
        assert text.endswith("…") == (length > MAX_VALUE_LENGTH)


def test_a_value_cannot_take_the_place_of_what_the_record_is() -> None:
    extra = {"time": "never", "level": "debug", "logger": "somebody", "error": "none"}

    made = as_json("the message", **extra, exc_info=raised(ValueError()))

    assert made["message"] == "the message"
    assert (made["level"], made["logger"]) == ("warning", "firstboot.test")
    assert (made["level_"], made["logger_"], made["time_"]) == ("debug", "somebody", "never")
    assert made["error"].startswith("ValueError at ")


class Unprintable:
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (10**30, str(10**30)),
        (10**5000, "<int>"),
        (Unprintable(), "<Unprintable>"),
        (logging.INFO, 20),
        ({"a": 1}, "{'a': 1}"),
        (ValueError("of a value"), "of a value"),
    ],
    ids=["nan", "infinity", "large", "huge", "unprintable", "enum", "mapping", "error"],
)
def test_any_value_can_be_logged(value: object, shown: object) -> None:
    assert as_json(value=value)["value"] == shown
    assert "value=" in as_text(value=value)


@pytest.mark.parametrize("arguments", [("too", "many"), (Unprintable(),), ()])
def test_a_message_that_does_not_fit_its_arguments_is_logged_all_the_same(arguments: tuple[object, ...]) -> None:
    assert as_json("message %s", *arguments)["message"].startswith("message ")


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_se_5_a_secret_shows_nowhere(formatter: logging.Formatter) -> None:
    secret = Secret(TEXT)
    made = record("%s %r", secret, [secret], secret=secret, inside={"a": (secret,)})

    line = formatter.format(made)

    assert TEXT not in line
    assert line.count("***") == 4


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_se_5_of_an_error_its_kind_and_place_are_shown_and_not_its_text(formatter: logging.Formatter) -> None:
    line = formatter.format(record("failed", exc_info=raised(ValueError(TEXT))))

    assert TEXT not in line
    assert "ValueError at test_logs.py:" in line


def test_an_error_that_was_never_raised_has_a_kind() -> None:
    error = ValueError(TEXT)

    assert as_json(exc_info=(ValueError, error, None))["error"].startswith("ValueError at")
    assert "error" not in as_json(exc_info=(None, None, None))


# -- set up ----------------------------------------------------------------------------------------


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back the loggers as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


THIRD_PARTY = [
    "tortoise", "tortoise.db_client", "aiosqlite", "asyncpg", "asyncpg.pool", "uvicorn", "uvicorn.error",
    "uvicorn.access", "amqtt.broker", "amqtt.mqtt.protocol.handler", "transitions.core", "websockets.server",
    "coap", "coap-server", "aiocoap", "asyncio", "starlette", "txaio",
]  # fmt: skip


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("name", THIRD_PARTY)
def test_se_5_libraries_say_nothing_below_warning_also_at_debug(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging.getLogger(name), "propagate", True)  # uvicorn switches some of its own off
    set_up_logging("DEBUG", "json")

    logging.getLogger(name).debug("payload %s", TEXT)
    logging.getLogger(name).info("payload %s", TEXT)
    logging.getLogger(name).warning("a warning")
    logging.getLogger("firstboot.anything").debug("ours")
    logging.getLogger("acme.plugin").debug("a plugin's")

    said = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert said == ["a warning", "ours", "a plugin's"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("level", "said"), [("DEBUG", ["debug", "info", "warning"]), ("INFO", ["info", "warning"]), ("ERROR", [])]
)
def test_the_level_is_the_least_that_is_logged(
    monkeypatch: pytest.MonkeyPatch, level: str, said: list[str]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging(level, "json")

    logger = logging.getLogger("firstboot.anything")
    logger.debug("debug")
    logger.info("info")
    logger.warning("warning")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == said


@pytest.mark.usefixtures("restored")
def test_setting_up_twice_logs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging("INFO", "json")
    set_up_logging("INFO", "text")

    logging.getLogger("firstboot.anything").info("once")

    (line,) = stream.getvalue().splitlines()
    assert line.endswith("info    once")


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    flush = write  # type: ignore[assignment]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("state", ["closed", "full"])
def test_op_16_the_service_goes_on_when_nothing_can_be_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    stream = io.StringIO() if state == "closed" else FullDisk()
    if state == "closed":
        stream.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        set_up_logging("INFO", "json")

    logging.getLogger("firstboot.anything").error("nobody hears this")

    assert capsys.readouterr() == ("", "")


# -- floods ----------------------------------------------------------------------------------------


def test_se_6_a_flood_of_failures_is_told_in_sum(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    throttle = FailureThrottle(per_minute=10, max_delay_s=2.0, monotonic=lambda: now[0])

    reported = [throttle.record("address 192.0.2.1").report for _ in range(50)]
    throttle.record("address 192.0.2.2")
    throttle.sweep()
    assert caplog.records == []
    now[0] += WINDOW_S
    throttle.sweep()

    assert reported == [True] * 10 + [False] * 40
    (line,) = caplog.records
    shown = json.loads(JsonFormatter().format(line))
    assert (shown["source"], shown["failures"], shown["not_reported"]) == ("address 192.0.2.1", 50, 40)
    throttle.sweep()
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("restored")
async def test_the_lines_of_one_turn_of_the_loop_are_written_together_and_a_warning_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging("INFO", "json")
    log = logging.getLogger("firstboot.test")

    def said() -> list[str]:
        return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]

    log.info("one")
    log.info("two")
    held = said()
    await asyncio.sleep(0)
    after_the_turn = said()
    log.info("three")
    log.warning("four")

    assert held == []
    assert after_the_turn == ["one", "two"]
    assert said() == ["one", "two", "three", "four"]
