"""Configuration: each setting from file, environment and command line; every problem in one report (OP-13)."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator

from firstboot.config import (
    CORE_SECTIONS,
    Address,
    Bind,
    Config,
    ConfigSource,
    Count,
    Duration,
    PluginsConfig,
    ProvisioningConfig,
    ServerConfig,
    StorageConfig,
    TlsSite,
    config_file,
    parse_address,
    parse_duration,
    section_problem,
)
from firstboot.core import ExtraPlugin, lay_foundation
from firstboot.errors import ConfigError
from firstboot.hookspecs import hookimpl
from firstboot.secret import Secret

KEY = "0123456789abcdef" * 4


def checked(
    toml: str | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    folder: Path | None = None,
    sections: Mapping[str, type] = CORE_SECTIONS,
) -> Config:
    """Return the checked configuration of these sources."""
    file = None
    if toml is not None:
        assert folder is not None
        file = folder / "firstboot.toml"
        file.write_text(toml, "utf-8")
    return ConfigSource.read(file, environment or {}, overrides).check(sections)


def problems(*arguments: Any, **more: Any) -> list[str]:
    """Return what is refused, a line each."""
    with pytest.raises(ConfigError) as caught:
        checked(*arguments, **more)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return str(caught.value).splitlines()


# -- every option ----------------------------------------------------------------------------------

# Section, key, TOML value, text in the environment, and what becomes of both.
OPTIONS: list[tuple[str, str, str, str, Any]] = [
    ("server", "data_dir", '"/srv/data"', "/srv/data", Path("/srv/data")),
    ("server", "public_host", '"iot.example.com"', "iot.example.com", "iot.example.com"),
    ("server", "ready_file", '"/run/ready"', "/run/ready", Path("/run/ready")),
    ("server", "key", f'"{KEY}"', KEY, Secret(KEY)),
    ("server", "log_format", '"text"', "text", "text"),
    ("server", "log_level", '"DEBUG"', "DEBUG", "DEBUG"),
    ("server", "stop_timeout", '"250ms"', "250ms", timedelta(milliseconds=250)),
    ("plugins", "load", '["a.b", "c:d"]', '["a.b", "c:d"]', ("a.b", "c:d")),
    ("plugins", "disable", '["coap"]', '["coap"]', ("coap",)),
    ("plugins", "optional", '["coap"]', '["coap"]', ("coap",)),
    ("plugins", "timeout", '"5s"', "5s", timedelta(seconds=5)),
    ("plugins", "timeouts", '{a-b = "1m"}', '{a-b = "1m"}', {"a-b": timedelta(minutes=1)}),
    ("storage", "url", '"postgres://u:p@h/d"', "postgres://u:p@h/d", Secret("postgres://u:p@h/d")),
    ("provisioning", "max_in_flight", "7", "7", 7),
    ("provisioning", "failures_per_minute", "7", "7", 7),
    ("provisioning", "failure_delay", '"0s"', "0s", timedelta(0)),
    ("provisioning", "allow_weak_secrets", "true", "true", True),
    ("admin", "email", '"Boss@Example.com"', "Boss@Example.com", "boss@example.com"),
    ("admin", "password", '"123456789012"', "123456789012", Secret("123456789012")),
    ("login", "failures", "7", "7", 7),
    ("login", "failure_window", '"5m"', "5m", timedelta(minutes=5)),
    ("login", "failure_wait", '"5m"', "5m", timedelta(minutes=5)),
    ("login", "failures_per_hour", "7", "7", 7),
    ("login", "access_token_life", '"15m"', "15m", timedelta(minutes=15)),
    ("login", "refresh_token_life", '"1d"', "1d", timedelta(days=1)),
    ("login", "api_token_rate", "7", "7", 7),
    ("login", "password_memory_kib", "8", "8", 8),
    ("login", "password_passes", "1", "1", 1),
    ("claiming", "allow_by_default", "false", "false", False),
    ("claiming", "duration", '"1h"', "1h", timedelta(hours=1)),
    ("claiming", "max_duration", '"2h"', "2h", timedelta(hours=2)),
    ("claiming", "allow_empty_secret", "false", "false", False),
    ("claiming", "empty_secret_duration", '"30s"', "30s", timedelta(seconds=30)),
    ("claiming", "device_attribute", '""', '""', ""),
    ("claiming", "failures", "3", "3", 3),
    ("claiming", "failure_window", '"1m"', "1m", timedelta(minutes=1)),
    ("claiming", "failure_wait", '"1m"', "1m", timedelta(minutes=1)),
    ("claiming", "failures_per_hour", "7", "7", 7),
    ("claiming", "device_failures_per_hour", "7", "7", 7),
    ("claiming", "address_failures_per_hour", "7", "7", 7),
    ("claiming", "guessed_failures_per_hour", "7", "7", 7),
    ("claiming", "sign_up", '["default"]', '["default"]', ("default",)),
    ("tls", "cert", '"a.crt"', "a.crt", Path("a.crt")),
    ("tls", "key", '"a.key"', "a.key", Path("a.key")),
    ("tls", "site", '[{cert="a", key="b"}]', '[{cert="a", key="b"}]', (TlsSite(cert=Path("a"), key=Path("b")),)),
    ("tls", "client_ca", '"ca.crt"', "ca.crt", Path("ca.crt")),
    ("tls", "min_version", '"1.3"', "'1.3'", "1.3"),
    ("tls", "ciphers", '"ECDHE+AESGCM"', "ECDHE+AESGCM", "ECDHE+AESGCM"),
    ("tls", "dtls_ciphers", '"ECDHE+AESGCM"', "ECDHE+AESGCM", "ECDHE+AESGCM"),
]


def value_of(config: Config, section: str, key: str) -> Any:
    return getattr(config.section(CORE_SECTIONS[section]), key)


@pytest.mark.parametrize(("section", "key", "toml", "text", "expected"), OPTIONS)
def test_every_option_comes_from_the_file_and_from_the_environment(
    tmp_path: Path, section: str, key: str, toml: str, text: str, expected: Any
) -> None:
    from_file = checked(f"[{section}]\n{key} = {toml}\n", folder=tmp_path)
    from_environment = checked(None, {f"FIRSTBOOT_{section}__{key}".upper(): text})

    assert value_of(from_file, section, key) == expected
    assert value_of(from_environment, section, key) == expected
    assert value_of(Config({}), section, key) != expected


def test_the_options_above_are_all_there_are() -> None:
    known = {(name, field.name) for name, kind in CORE_SECTIONS.items() for field in dataclasses.fields(kind)}

    assert {(section, key) for section, key, *_ in OPTIONS} == known


def test_every_section_is_frozen_and_has_a_default_for_everything() -> None:
    for name, kind in CORE_SECTIONS.items():
        section = checked().section(kind)
        assert section == kind(), name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, dataclasses.fields(kind)[0].name, None)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    toml = "[provisioning]\nmax_in_flight = 1\nfailures_per_minute = 1\nallow_weak_secrets = true\n"
    environment = {
        "FIRSTBOOT_PROVISIONING__MAX_IN_FLIGHT": "2",
        "FIRSTBOOT_PROVISIONING__FAILURES_PER_MINUTE": "2",
    }
    overrides = {"provisioning": {"max_in_flight": 3}}

    found = checked(toml, environment, overrides, folder=tmp_path).provisioning

    assert found == ProvisioningConfig(max_in_flight=3, failures_per_minute=2, allow_weak_secrets=True)


def test_a_mistake_that_the_command_line_overrides_is_none() -> None:
    config = checked(None, {"FIRSTBOOT_SERVER__LOG_LEVEL": "loud"}, {"server": {"log_level": "INFO"}})

    assert config.server.log_level == "INFO"


def test_a_mistake_of_the_command_line_is_not_blamed_on_the_environment() -> None:
    said = problems(None, {"FIRSTBOOT_SERVER__LOG_LEVEL": "INFO"}, {"server": {"log_level": "loud"}})

    assert said[0].startswith("server.log_level: not usable:")


def test_without_a_url_the_database_is_a_file_in_the_data_directory() -> None:
    config = checked(None, {"FIRSTBOOT_SERVER__DATA_DIR": "/srv/x"})

    assert config.storage_url.reveal() == "sqlite:///srv/x/firstboot.db"
    assert checked(None, {"FIRSTBOOT_STORAGE__URL": "sqlite://a"}).storage_url.reveal() == "sqlite://a"


# -- the environment -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    text: str = ""
    secret: Secret | None = None
    number: Count = 1
    flag: bool = False
    texts: tuple[str, ...] = ()


def text_config(**environment: str) -> TextConfig:
    variables = {f"FIRSTBOOT_ACME__{key.upper()}": text for key, text in environment.items()}
    return checked(None, variables, sections={"acme": TextConfig}).section(TextConfig)


@pytest.mark.parametrize(
    "text",
    ["123456", "1e5", "true", "inf", "nan", "2030-01-31", "07:32:00", "[1, 2]", "{a = 1}", "1_000", "0x10", "-0",
     "", " ", "a b", "a=b", "a#b", "[", '"', "1\nnumber = 2", "x" * 100_000, "[" * 5000],
)  # fmt: skip
def test_a_bare_text_is_a_text_even_if_it_looks_like_something_else(text: str) -> None:
    assert text_config(text=text).text == text
    assert text_config(secret=text).secret == Secret(text)


def test_a_quoted_text_is_read_as_in_toml() -> None:
    assert text_config(text='"a\\tb"').text == "a\tb"
    assert text_config(text="'raw'").text == "raw"
    assert text_config(texts="['a',\n'b']").texts == ("a", "b")
    assert text_config(number="5").number == 5
    assert text_config(flag="true").flag is True


def test_only_the_value_that_looked_like_something_else_is_read_as_text() -> None:
    with pytest.raises(ConfigError) as caught:
        text_config(text="5", number="-5", flag="maybe")

    said = [str(problem) for problem in caught.value.problems]
    assert [line.partition(" ")[0] for line in said] == ["acme.number", "acme.flag"]
    assert "greater than 0" in said[0]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_in_the_environment_is_read_or_refused(text: str) -> None:
    for key in ("text", "number", "flag", "texts"):
        try:
            text_config(**{key: text})
        except ConfigError as error:
            path = error.problems[0].path
        else:
            path = f"acme.{key}"
        assert path.startswith(f"acme.{key}")


def test_other_variables_are_left_alone() -> None:
    others = {
        "FIRSTBOOT_CONFIG": "x", "FIRSTBOOT_PORT": "tcp://10.0.0.1:1883", "FIRSTBOOT_SERVICE_HOST": "10.0.0.1",
        "OTHER__THING": "x", "PATH": "/bin", "MY_FIRSTBOOT_SERVER__KEY": "x",
    }  # fmt: skip

    assert checked(None, others).server == ServerConfig()


def test_a_problem_names_the_variable_that_it_comes_from() -> None:
    variables = {
        "FIRSTBOOT_SERVER__LOG_LEVEL": "loud",
        "FIRSTBOOT_SERVER__LOG_LEVL": "INFO",
        "FIRSTBOOT_SERVR__KEY": "x",
    }

    assert problems(None, variables) == [
        "[servr] (FIRSTBOOT_SERVR__KEY): no such section. Did you mean server?",
        "server.log_level (FIRSTBOOT_SERVER__LOG_LEVEL): not usable: "
        "Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'.",
        "server.log_levl (FIRSTBOOT_SERVER__LOG_LEVL): no such key. Did you mean log_level?",
    ]


# -- durations and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("250ms", timedelta(milliseconds=250)),
        (" 5 s ", timedelta(seconds=5)),
        ("0s", timedelta(0)),
        (timedelta(seconds=3), timedelta(seconds=3)),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text: object, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "5", 5, 5.0, "s", "-5s", "1.5s", "5 weeks", "5S", "5s 3m", "٣s", "999999999999d", None, True, ["5s"]],
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("127.0.0.1:1883", Address("127.0.0.1", 1883), "127.0.0.1:1883"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        ("[::1]:8080", Address("::1", 8080), "[::1]:8080"),
        ("[::]:65535", Address("::", 65535), "[::]:65535"),
        (Address("h", 1), Address("h", 1), "h:1"),
    ],
)
def test_an_address_is_host_and_port(text: object, expected: Address, shown: str) -> None:
    assert parse_address(text) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    "text",
    ["", "1883", ":1883", "127.0.0.1", "h:", "h:65536", "h:-1", "h:٣", "h:" + "9" * 5000, "h:1 ", "[]:1", 1, None],
)
def test_anything_else_is_no_address(text: object) -> None:
    with pytest.raises(ValueError, match="give host and port"):
        parse_address(text)


NO_LEVEL = "Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'."
NO_DURATION = "give a duration such as 90s, 10m, 24h or 7d."
NO_KEY = "give 64 hexadecimal digits, such as `openssl rand -hex 32` prints."
NO_FIRST_PASSWORD = "give 12 to 72 characters; without any, one is made."
NO_SHORT_LIFE = "give 1m to 150m: longer sessions are renewed with the refresh token."
NO_TEXT = "Input should be a valid string."
NOT_WHOLE = "Input should be a valid integer."
NOT_ABOVE_0 = "Input should be greater than 0."
NOT_ABOVE_ZERO = "give a duration above zero."

# -- OP-13: what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[servre]\na = 1", "[servre]: no such section. Did you mean server?"),
        ("[zzz]", "[zzz]: no such section. There are " + ", ".join(sorted(CORE_SECTIONS)) + "."),
        ("[server]\nlog_levle = 'INFO'", "server.log_levle: no such key. Did you mean log_level?"),
        ("[storage]\nzzz = 1", "storage.zzz: no such key. There are url."),
        ("[server]\nlog_level = 'info'", "server.log_level: not usable: " + NO_LEVEL),
        ("[server]\nstop_timeout = 5", "server.stop_timeout: not usable: " + NO_DURATION),
        ("[server]\npublic_host = 5", "server.public_host: not usable: " + NO_TEXT),
        ("[server]\ndata_dir = 5", "server.data_dir: not usable: give a path as a text."),
        ("[server]\nkey = 'abc'", "server.key: not usable: " + NO_KEY),
        ("[server]\nkey = 5", "server.key: not usable: " + NO_TEXT),
        ("[storage]\nurl = 5", "storage.url: not usable: " + NO_TEXT),
        ("[provisioning]\nmax_in_flight = 0", "provisioning.max_in_flight: not usable: " + NOT_ABOVE_0),
        ("[provisioning]\nmax_in_flight = -1", "provisioning.max_in_flight: not usable: " + NOT_ABOVE_0),
        ("[provisioning]\nmax_in_flight = '5'", "provisioning.max_in_flight: not usable: " + NOT_WHOLE),
        ("[provisioning]\nmax_in_flight = 5.0", "provisioning.max_in_flight: not usable: " + NOT_WHOLE),
        ("[provisioning]\nmax_in_flight = true", "provisioning.max_in_flight: not usable: " + NOT_WHOLE),
        ("[plugins]\ntimeout = '0s'", "plugins.timeout: not usable: " + NOT_ABOVE_ZERO),
        ("[plugins]\ntimeouts = {acme = '0s'}", "plugins.timeouts.acme: not usable: " + NOT_ABOVE_ZERO),
        ("[plugins]\ntimeouts = {acme = 3}", "plugins.timeouts.acme: not usable: " + NO_DURATION),
        ("[plugins]\nload = 'acme'", "plugins.load: not usable: Input should be a valid tuple."),
        ("[plugins]\nload = [1]", "plugins.load.0: not usable: " + NO_TEXT),
        ("[admin]\nemail = 'boss'", "admin.email: not usable: Invalid email address format 'boss'!."),
        ("[admin]\nemail = 5", "admin.email: not usable: User email should be specified!."),
        ("[admin]\npassword = 'password123'", "admin.password: not usable: " + NO_FIRST_PASSWORD),
        (f"[admin]\npassword = '{'x' * 73}'", "admin.password: not usable: " + NO_FIRST_PASSWORD),
        ("[login]\naccess_token_life = '151m'", "login.access_token_life: not usable: " + NO_SHORT_LIFE),
        ("[login]\naccess_token_life = '59s'", "login.access_token_life: not usable: " + NO_SHORT_LIFE),
        ("[[tls.site]]\ncert = 'a'\nkey = 'b'\nkeys = 'c'", "tls.site.0.keys: no such key. Did you mean key?"),
        ("log_level = 'INFO'", "log_level: stands outside of any section. Move it below a [section]."),
        ("[[server]]\nlog_level = 'INFO'", "server: stands outside of any section. Move it below a [section]."),
    ],
)  # fmt: skip
def test_op_13_a_mistake_is_refused_with_path_and_remedy(tmp_path: Path, toml: str, said: str) -> None:
    assert problems(toml, folder=tmp_path) == [said]


def test_op_13_all_problems_come_in_one_report(tmp_path: Path) -> None:
    toml = "x = 1\n[server]\nlog_level = 'loud'\nkey = 'short'\n[provisioning]\nzzz = 1\n[mqtt]\n"

    said = problems(toml, {"FIRSTBOOT_STORAGE__URI": "x"}, folder=tmp_path)

    assert sorted(line.partition(":")[0] for line in said) == sorted(
        [
            "x",
            "[mqtt]",
            "provisioning.zzz",
            "server.key",
            "server.log_level",
            "storage.uri (FIRSTBOOT_STORAGE__URI)",
        ]
    )


def test_op_13_mistakes_beside_one_in_the_plugins_section_are_reported_with_it() -> None:
    settings: Any = {"plugins": {"timeout": "never"}, "server": {"log_level": "loud"}, "provisioning": {"zzz": 1}}

    with pytest.raises(ConfigError) as caught:
        lay_foundation(ConfigSource.read(None, {}, settings))

    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"plugins.timeout", "server.log_level", "provisioning.zzz"}


@dataclass(frozen=True)
class _Room:
    size: int


@dataclass(frozen=True)
class _Rooms:
    """A plugin's section, with tables that have names."""

    room: dict[str, _Room]


def test_op_13_a_mistyped_key_of_a_table_with_a_name_is_refused() -> None:
    source = ConfigSource.read(None, {}, {"rooms": {"room": {"hall": {"size": 1, "sice": 2}}}})

    with pytest.raises(ConfigError) as caught:
        source.check({"rooms": _Rooms})

    assert [str(problem) for problem in caught.value.problems] == ["rooms.room.hall.sice: no such key. Remove it."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[server\n", "is not TOML:"),
        (b"[server]\nlog_level = INFO\n", "is not TOML:"),
        (b"[server]\nkey = 'a'\nkey = 'b'\n", "is not TOML:"),
        (b"\xff\xfe", "is not TOML:"),
        (b"x = " + b"[" * 100_000, "is nested too deeply."),
    ],
)
def test_op_13_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "firstboot.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        ConfigSource.read(file, {})

    assert str(caught.value).startswith(f"{file}: {said}")


def test_op_13_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing.toml: cannot be read \(No such file or directory\)"):
        ConfigSource.read(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        ConfigSource.read(tmp_path, {})


def test_op_13_a_file_without_permission_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> str:  # by hand, because nothing is unreadable for root
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_text", deny)

    with pytest.raises(
        ConfigError, match=r"firstboot.toml: cannot be read \(Permission denied\). Check the path."
    ):
        ConfigSource.read(Path("firstboot.toml"), {})


def test_which_file_is_read() -> None:
    environment = {"FIRSTBOOT_CONFIG": "/etc/firstboot.toml"}

    assert config_file(Path("given.toml"), environment) == Path("given.toml")
    assert config_file(None, environment) == Path("/etc/firstboot.toml")
    assert config_file(None, {"FIRSTBOOT_CONFIG": ""}) is None
    assert config_file(None, {}) is None


# -- secrets ---------------------------------------------------------------------------------------


def test_se_5_neither_a_report_nor_a_section_shows_a_secret(tmp_path: Path) -> None:
    password = "hunter2hunter2"
    toml = f"""
        [server]
        key = "{password}"
        log_level = "loud"
        [storage]
        url = ["postgres://u:{password}@h/d"]
        urll = "postgres://u:{password}@h/d"
    """
    variables = {"FIRSTBOOT_SERVER__KEY": KEY[:-1]}

    said = problems(toml, folder=tmp_path)
    said_of_variables = problems(toml, variables, folder=tmp_path)

    assert len(said) == 4
    assert not any(password in line for line in said)
    assert not any(KEY[:10] in line for line in said_of_variables)


def test_se_5_a_section_does_not_show_its_secrets() -> None:
    config = checked(None, {"FIRSTBOOT_STORAGE__URL": "postgres://u:hunter2@h/d", "FIRSTBOOT_SERVER__KEY": KEY})

    shown = f"{config.server!r} {config.section(StorageConfig)!r} {config.storage_url}"

    assert "hunter2" not in shown
    assert KEY not in shown
    assert config.server.key is not None
    assert config.server.key.reveal() == KEY


# -- sections of plugins ---------------------------------------------------------------------------


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("give an even number")
    return number


@dataclass(frozen=True, kw_only=True)
class AcmeConfig:
    """The section of a plugin."""

    bind: Bind = Address("127.0.0.1", 7)
    wait: Duration = timedelta(seconds=1)
    even: Annotated[int, AfterValidator(_even)] = 2
    low: int = 0
    high: int = 9

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError.single("acme.low", f"is {self.low}, above acme.high.", "Swap the two.")


@dataclass(frozen=True, kw_only=True)
class NeedyConfig:
    colour: str


@dataclass(frozen=True, kw_only=True)
class FailingConfig:
    divisor: int = 1

    def __post_init__(self) -> None:
        _ = 1 / self.divisor


def acme(**sections: type) -> ExtraPlugin:
    @hookimpl
    def firstboot_config_sections() -> Mapping[str, type]:
        return sections

    return ExtraPlugin(
        "acme", SimpleNamespace(FIRSTBOOT_API=1, firstboot_config_sections=firstboot_config_sections)
    )


def test_a_plugin_finds_its_checked_section_by_its_class(tmp_path: Path) -> None:
    file = tmp_path / "firstboot.toml"
    file.write_text("[acme]\nbind = '0.0.0.0:9'\neven = 4\n")
    source = ConfigSource.read(file, {"FIRSTBOOT_ACME__WAIT": "3m"})

    config = lay_foundation(source, [acme(acme=AcmeConfig)]).config

    assert config.section(AcmeConfig) == AcmeConfig(bind=Address("0.0.0.0", 9), wait=timedelta(minutes=3), even=4)


def test_the_mistakes_in_sections_of_plugins_and_of_the_core_come_in_one_report() -> None:
    settings: Any = {
        "acme": {"even": 3, "bind": "nowhere", "colour": "red"},
        "checks": {"low": 5, "high": 1},
        "failing": {"divisor": 0},
        "server": {"log_level": "loud"},
    }
    plugin = acme(acme=AcmeConfig, checks=AcmeConfig, needy=NeedyConfig, failing=FailingConfig)

    with pytest.raises(ConfigError) as caught:
        lay_foundation(ConfigSource.read(None, {}, settings), [plugin])

    said = [str(problem) for problem in caught.value.problems]
    assert sorted(said) == sorted(
        [
            "acme.even: not usable: give an even number.",
            "acme.bind: not usable: give host and port, such as 127.0.0.1:1883.",
            "acme.colour: no such key. There are bind, even, high, low, wait.",
            "acme.low: is 5, above acme.high. Swap the two.",
            "needy.colour: is missing. It has no default.",
            "[failing]: cannot be checked (ZeroDivisionError). Mend its plugin.",
            "server.log_level: not usable: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'.",
        ]
    )


def test_only_what_can_be_checked_can_be_a_section() -> None:
    @dataclass
    class Uncheckable:
        thing: SimpleNamespace

    @dataclass
    class Unresolved:
        thing: NoSuchName  # type: ignore[name-defined]  # noqa: F821

    assert section_problem(AcmeConfig) is None
    assert section_problem(dict) == "dict is no dataclass"
    assert section_problem(AcmeConfig()) == "AcmeConfig is no dataclass"
    assert section_problem(7) == "int is no dataclass"
    for kind in (Uncheckable, Unresolved):
        assert "cannot be checked" in (section_problem(kind) or "")


def test_a_section_that_was_not_checked_has_its_defaults() -> None:
    assert Config({}).section(PluginsConfig) == PluginsConfig()
