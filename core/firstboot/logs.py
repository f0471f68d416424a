"""Structured logs: one line per record, control characters escaped, long values cut (threat SE-5)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import sys
import traceback
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, TextIO

MAX_VALUE_LENGTH = 256

_STANDARD_COUNT = len(logging.makeLogRecord({}).__dict__)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# They print payloads or passwords below this level.
_HELD_AT_WARNING = (
    "aiocoap", "aiosqlite", "amqtt", "asyncio", "asyncpg", "coap", "coap-server", "httptools", "httpx",
    "starlette", "tortoise", "transitions", "txaio", "uvicorn", "websockets",
)  # fmt: skip


_encode = json.JSONEncoder(ensure_ascii=True).encode


class _Formatter(logging.Formatter):
    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        # What a caller gave as `extra` comes after the attributes that every record has.
        for key, value in islice(record.__dict__.items(), _STANDARD_COUNT, None):
            if key not in _STANDARD:
                fields[f"{key}_" if key in fields else key] = _shown(value)
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = where(record.exc_info[1])
        return fields


class JsonFormatter(_Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        return _encode(self.fields(record))


class TextFormatter(_Formatter):
    """One line for people: time, level, message, the rest as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self.fields(record)
        line = f"{fields.pop('time')} {fields.pop('level'):7} {fields.pop('message')}"
        fields.pop("logger")
        line += "".join(f" {key}={_quoted(value)}" for key, value in fields.items())
        if line.isprintable():  # as nearly all are: character by character takes as long as all the rest of a line
            return line
        return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


class _QuietHandler(logging.StreamHandler[TextIO]):
    """Writes all lines of one turn of the event loop at once; warnings, and lines of other threads, at once.

    A write for each line would give up the interpreter lock each time, and under load wait long to get it back.
    Goes on when the stream is closed or its disk is full (fault OP-16).
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            loop = asyncio._get_running_loop() if record.levelno < logging.WARNING else None
            if loop is None:
                self.flush()
            elif len(self._lines) == 1:
                loop.call_soon(self.flush)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
            try:
                if lines:
                    self.stream.write("\n".join(lines) + "\n")
                self.stream.flush()
            except (OSError, ValueError):  # ValueError: closed
                pass

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def set_up_logging(level: str, log_format: str) -> None:
    """Send the log to standard error. The application calls this once; libraries and plugins never."""
    handler = _QuietHandler(_unbuffered(sys.stderr))
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _HELD_AT_WARNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    # No line shows them (see "Optimization" in the documentation of `logging`).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _unbuffered(stream: TextIO) -> TextIO:
    """Return a stream that keeps nothing back: what cannot be written now must not fail again at the end."""
    try:
        raw = io.FileIO(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError):  # it is no file, or closed
        return stream
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _message(record: logging.LogRecord) -> str:
    try:
        return _cut(record.getMessage())
    except Exception:  # arguments that do not fit, or cannot be shown; the record matters more
        return _cut(str(record.msg))


def _shown(value: object) -> bool | int | float | str | None:
    """Return what JSON can say, and no more of it than fits."""
    if type(value) is str:
        return _cut(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    try:
        return _cut(str(value))
    except Exception:
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 1] + "…"


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or " " in text or '"' in text else text


def where(error: BaseException) -> str:
    """Return kind and place of an error, without its text."""
    # The error's own text is left out: it may repeat what a device sent.
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
