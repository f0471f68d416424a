"""What forged, stolen and broken tokens of people open: nothing (LG-5, LG-6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator, Callable
from operator import methodcaller
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.people.people import HOME, PASSWORD, People, payload
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.access_tokens import MAX_SIZE_BYTES
from firstboot.errors import NotAuthenticated, Unavailable
from firstboot.keyring import Keyring
from firstboot.secret import Secret
from firstboot.signing_keys import KEY_SIZE_BYTES, META_NAME, SigningKeys
from firstboot.testing import MemoryStorage

MALFORMED = ("Invalid username or password", False)
EXPIRED = ("Token has expired", True)


@pytest.fixture
async def people() -> AsyncIterator[People]:
    opened = await People.on(MemoryStorage(), Keyring.generate(), FakeClock())
    await opened.admin()
    yield opened
    await opened.commits.drain()


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def header_of(token: Secret) -> dict[str, Any]:
    part = token.reveal().split(".")[0]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


class Forger:
    """Somebody with a real token, and, for the worst case, the key that signed it."""

    def __init__(self, token: Secret, key: bytes) -> None:
        self.token = token
        self.key = key
        self.header = header_of(token)
        self.claims = payload(token)

    def sign(
        self,
        header: object = None,
        claims: object = None,
        *,
        key: bytes | None = None,
        digest: str = "sha512",
        length: int = 64,
    ) -> Secret:
        """Return a token with any header and claims, signed in any way; what is not given is the real one's."""
        signed = f"{encoded(header or self.header)}.{encoded(claims or self.claims)}"
        signature = hmac.digest(self.key if key is None else key, signed.encode(), digest)[:length]
        return Secret(f"{signed}.{encoded(signature)}")

    def with_(self, **claims: Any) -> Secret:
        return self.sign(claims={**self.claims, **claims})

    def without(self, name: str) -> Secret:
        return self.sign(claims={key: value for key, value in self.claims.items() if key != name})


@pytest.fixture
async def forger(people: People) -> Forger:
    token = (await people.log_in()).token
    keys = SigningKeys(people.storage, people.keyring, people.time.clock)
    return Forger(token, (await keys.current()).secret)


async def refusal(people: People, token: Secret) -> tuple[str, bool]:
    with pytest.raises(NotAuthenticated) as refused:
        await people.authentication.identify(token, HOME)
    assert token.reveal() not in repr(refused.value)
    return str(refused.value), refused.value.expired


async def test_the_forger_of_these_tests_makes_good_tokens_when_it_lies_about_nothing(
    people: People, forger: Forger
) -> None:
    assert forger.sign() != forger.token  # spaces in the JSON
    assert (await people.authentication.identify(forger.sign(), HOME)).actor == "user:ann@example.com"


FORGED: dict[str, tuple[Callable[[Forger], Secret], tuple[str, bool]]] = {
    "no algorithm": (lambda f: Secret(f"{encoded({**f.header, 'alg': 'none'})}.{encoded(f.claims)}."), EXPIRED),
    "no algorithm in capitals": (lambda f: f.sign({**f.header, "alg": "NONE"}), EXPIRED),
    "a weaker algorithm with the right key": (
        lambda f: f.sign({**f.header, "alg": "HS256"}, digest="sha256"),
        EXPIRED,
    ),
    "an asymmetric algorithm": (lambda f: f.sign({**f.header, "alg": "RS512"}), EXPIRED),
    "algorithm of a wrong type": (lambda f: f.sign({**f.header, "alg": ["HS512"]}), EXPIRED),
    "no algorithm at all": (lambda f: f.sign({"kid": f.header["kid"], "typ": "JWT"}), EXPIRED),
    "another key": (lambda f: f.sign(key=b"k" * KEY_SIZE_BYTES), EXPIRED),
    "an empty key": (lambda f: f.sign(key=b""), EXPIRED),
    "ThingsBoard's old default key": (lambda f: f.sign(key=b"thingsboardDefaultSigningKey"), EXPIRED),
    "no signature": (lambda f: Secret(f.token.reveal().rpartition(".")[0] + "."), EXPIRED),
    "half a signature": (lambda f: f.sign(length=32), EXPIRED),
    "changed claims under the old signature": (
        lambda f: Secret(
            ".".join(
                [
                    f.token.reveal().split(".")[0],
                    encoded({**f.claims, "scopes": ["SYS_ADMIN"]}),
                    f.token.reveal().split(".")[2],
                ]
            )
        ),
        EXPIRED,
    ),
    "another key's name": (lambda f: f.sign({**f.header, "kid": "other"}), EXPIRED),
    "a path as the key's name": (lambda f: f.sign({**f.header, "kid": "../../dev/null"}, key=b""), EXPIRED),
    "no key's name": (lambda f: f.sign({"alg": "HS512", "typ": "JWT"}), EXPIRED),
    "key's name of a wrong type": (lambda f: f.sign({**f.header, "kid": 1}), MALFORMED),
    "a key of its own in the header": (
        lambda f: f.sign({**f.header, "jwk": {"kty": "oct", "k": encoded(b"k" * 64)}}, key=b"k" * 64),
        EXPIRED,
    ),
    "an extension that must be understood": (lambda f: f.sign({**f.header, "crit": ["x"], "x": 1}), MALFORMED),
    "a payload that is not encoded": (lambda f: f.sign({**f.header, "crit": ["b64"], "b64": False}), MALFORMED),
    "a list as the header": (lambda f: f.sign(["HS512"]), MALFORMED),
    "a list as the claims": (lambda f: f.sign(claims=["sub"]), MALFORMED),
    "a text as the claims": (lambda f: f.sign(claims="sub"), MALFORMED),
    "claims that are no JSON": (lambda f: f.sign(claims=b"\xff\xfe"), MALFORMED),
    "a header nested without end": (lambda f: f.sign(b"[" * 1000), MALFORMED),
    **{
        f"no {name}": (methodcaller("without", name), MALFORMED)
        for name in ("iss", "aud", "sub", "iat", "exp", "jti", "scopes", "sessionId", "userId")
    },
    "another issuer": (lambda f: f.with_(iss="thingsboard.io"), MALFORMED),
    "another audience": (lambda f: f.with_(aud="firstboot-refresh"), MALFORMED),
    "several audiences": (lambda f: f.with_(aud=["firstboot-access", "firstboot-refresh"]), MALFORMED),
    "an end far away": (lambda f: f.with_(exp=f.claims["exp"] + 1), MALFORMED),
    "an end far away, and a beginning to match": (
        lambda f: f.with_(exp=f.claims["exp"] + 86_400, iat=f.claims["iat"] + 86_400),
        MALFORMED,
    ),
    "an end as a text": (lambda f: f.with_(exp=str(f.claims["exp"])), MALFORMED),
    "an end as a fraction": (lambda f: f.with_(exp=f.claims["exp"] + 0.5), MALFORMED),
    "an end as a truth": (lambda f: f.with_(exp=True), MALFORMED),
    "no end": (lambda f: f.with_(exp=None), MALFORMED),
    "an end beyond all numbers": (lambda f: f.with_(exp=10**300), MALFORMED),
    "an end in the past": (
        lambda f: f.with_(exp=f.claims["iat"] - 60, iat=f.claims["iat"] - 9000),
        EXPIRED,
    ),
    "another session": (lambda f: f.with_(sessionId=str(uuid4())), EXPIRED),
    "another user": (lambda f: f.with_(userId=str(uuid4())), EXPIRED),
    "a session that is no id": (lambda f: f.with_(sessionId="1 OR 1=1"), MALFORMED),
    "a session of a wrong type": (lambda f: f.with_(sessionId={"id": 1}), MALFORMED),
    "no scope": (lambda f: f.with_(scopes=[]), MALFORMED),
    "a scope that does not exist": (lambda f: f.with_(scopes=["ROOT"]), MALFORMED),
    "two scopes": (lambda f: f.with_(scopes=["TENANT_ADMIN", "SYS_ADMIN"]), MALFORMED),
    "scopes as a text": (lambda f: f.with_(scopes="TENANT_ADMIN"), MALFORMED),
    "the scope of a refresh token": (lambda f: f.with_(scopes=["REFRESH_TOKEN"]), MALFORMED),
    "a token above 4 KiB": (lambda f: f.with_(firstName="x" * 4096), MALFORMED),
    "an encrypted token": (lambda f: Secret(".".join([encoded({"alg": "dir", "enc": "A256GCM"})] * 5)), MALFORMED),
}


@pytest.mark.parametrize("kind", FORGED)
async def test_lg_6_a_forged_token_is_refused(people: People, forger: Forger, kind: str) -> None:
    forge, told = FORGED[kind]

    assert await refusal(people, forge(forger)) == told


async def test_lg_6_rights_in_a_token_are_not_believed(people: People, forger: Forger) -> None:
    """LG-7: even whoever has the key cannot make himself more than the database says."""
    token = forger.with_(scopes=["SYS_ADMIN"], tenantId=str(uuid4()), enabled=True)

    who = await people.authentication.identify(token, HOME)

    assert (who.authority.value, who.tenant_id) == ("TENANT_ADMIN", people.tenant.id)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "x" * 100_000, "\ud800.\ud800.\ud800", "\0", "é.é.é"])
async def test_lg_6_any_other_text_is_refused_as_malformed(people: People, text: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        await people.authentication.identify(Secret(text), HOME)
    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(Secret(text))

    assert (str(refused.value), refused.value.expired) == MALFORMED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header=st.text(max_size=50), claims=st.binary(max_size=50), signature=st.binary(max_size=70))
async def test_lg_6_no_three_parts_are_more_than_refused(
    people: People, header: str, claims: bytes, signature: bytes
) -> None:
    token = ".".join([encoded(header.encode("utf-8", "surrogatepass")), encoded(claims), encoded(signature)])

    with pytest.raises(NotAuthenticated):
        await people.authentication.identify(Secret(token), HOME)


async def test_lg_6_a_token_of_ours_is_never_too_large(people: People) -> None:
    long = "\U0001f600" * 255
    await people.admin("x" * 200 + "@example.com", first_name=long, last_name=long)

    tokens = await people.log_in("x" * 200 + "@example.com")

    assert max(len(tokens.token), len(tokens.refresh_token)) < MAX_SIZE_BYTES
    assert await people.authentication.identify(tokens.token, HOME)


async def test_lg_6_a_token_of_a_time_to_come_is_refused_and_a_minute_is_forgiven(
    people: People, forger: Forger
) -> None:
    """OP-9: clocks differ a little."""
    people.time.advance(-60)
    assert await people.authentication.identify(forger.token, HOME)

    people.time.advance(-2)
    assert await refusal(people, forger.token) == MALFORMED


# -- the key (LG-5) --------------------------------------------------------------------------------


async def test_lg_5_each_installation_has_a_random_key_that_the_database_alone_does_not_show(
    people: People, forger: Forger
) -> None:
    other = await People.on(MemoryStorage(), Keyring.generate(), FakeClock())
    other_key = await SigningKeys(other.storage, other.keyring, other.time.clock).current()
    stored = await people.storage.read_meta(META_NAME)

    assert len(forger.key) == KEY_SIZE_BYTES >= 32
    assert forger.key != other_key.secret
    assert stored is not None
    assert forger.key not in stored
    assert forger.key.hex().encode() not in stored
    assert forger.key.hex() not in repr(other_key)
    assert "secret" not in repr(other_key)


async def test_lg_5_servers_that_start_at_the_same_time_have_one_key(people: People) -> None:
    servers = [SigningKeys(people.storage, people.keyring, people.time.clock) for _ in range(3)]

    keys = {(await server.current()).id for server in servers}

    assert len(keys) == 1


async def test_lg_5_after_a_rotation_old_tokens_are_good_for_the_overlap(people: People, forger: Forger) -> None:
    old = await people.log_in()
    await SigningKeys(people.storage, people.keyring, people.time.clock).rotate(overlap_ms=600_000)
    server = await People.on(people.storage, people.keyring, people.time)

    new = await server.log_in()
    assert header_of(new.token)["kid"] != header_of(old.token)["kid"]
    people.time.advance(599)
    assert await server.authentication.identify(old.token, HOME)
    people.time.advance(1)

    assert await refusal(server, old.token) == EXPIRED
    assert await server.authentication.identify(new.token, HOME)
    with pytest.raises(NotAuthenticated):
        await server.authentication.refresh(old.refresh_token)


async def test_lg_5_a_rotation_without_overlap_ends_every_login_and_every_older_key(people: People) -> None:
    first = await people.log_in()
    keys = SigningKeys(people.storage, people.keyring, people.time.clock)
    await keys.rotate(overlap_ms=10**9)
    await keys.rotate(overlap_ms=0)
    server = await People.on(people.storage, people.keyring, people.time)

    assert await refusal(server, first.token) == EXPIRED
    assert await server.log_in(password=PASSWORD)


async def test_lg_5_a_running_server_notices_a_rotation_within_a_second(people: People) -> None:
    now_s = 0.0
    running = SigningKeys(people.storage, people.keyring, people.time.clock, lambda: now_s)
    old = await running.current()

    await SigningKeys(people.storage, people.keyring, people.time.clock).rotate(overlap_ms=0)

    now_s = 1.01
    assert await running.find(old.id) is None
    assert (await running.current()).id != old.id


async def test_lg_5_of_two_rotations_at_the_same_time_one_has_to_be_repeated(people: People) -> None:
    keys = SigningKeys(people.storage, people.keyring, people.time.clock)
    await keys.current()
    read_meta = people.storage.read_meta

    async def read_late(name: str) -> bytes | None:
        stored = await read_meta(name)
        people.storage.read_meta = read_meta  # type: ignore[method-assign]
        await SigningKeys(people.storage, people.keyring, people.time.clock).rotate(overlap_ms=0)
        return stored

    people.storage.read_meta = read_late  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        await keys.rotate(overlap_ms=0)


async def test_tokens_are_made_and_read_without_a_warning(people: People) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokens = await people.log_in()
        await people.authentication.identify(tokens.token, HOME)


def test_the_signature_is_hmac_sha_512() -> None:
    """RFC 7518, 3.2: what the forger of these tests relies on."""
    assert hmac.digest(b"k", b"x", "sha512") == hmac.new(b"k", b"x", hashlib.sha512).digest()
