"""Logging in over REST, and knowing on each request who asks (contract 5.1, threats LG-2 to LG-9)."""

from __future__ import annotations

from firstboot.access_tokens import AccessTokens, Lives, TokenPair
from firstboot.api_tokens import PREFIX, ApiTokenService
from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.config import LoginConfig
from firstboot.emails import clean_email
from firstboot.errors import InvalidValue, NotAuthenticated, TooManyRequests
from firstboot.identities import Identity, identity_of_token, identity_of_user
from firstboot.keyring import Keyring
from firstboot.login_reports import LoginReports
from firstboot.login_throttle import Account, LoginThrottle
from firstboot.model import User
from firstboot.names import MAX_NAME_LENGTH
from firstboot.passwords import Passwords, check_password
from firstboot.secret import Secret
from firstboot.signing_keys import SigningKeys
from firstboot.storage import Storage, Write, WriteResult
from firstboot.throttle import FailureThrottle, TokenBucket
from firstboot.user_sessions import UserSessions
from firstboot.users import UserService

MAX_RATES = 10_000


class Authentication:
    """Gives tokens to people who prove themselves, and tells from a token who it is."""

    def __init__(
        self,
        *,
        config: LoginConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        passwords: Passwords,
        users: UserService,
        api_tokens: ApiTokenService,
        throttle: FailureThrottle,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._users = users
        self._api_tokens = api_tokens
        self._api_token_rate = config.api_token_rate
        self._clock = clock
        self._throttle = LoginThrottle(config, clock.monotonic)
        self._reports = LoginReports(commits, throttle, clock)
        lives = Lives(config.access_token_life, config.refresh_token_life)
        self._sessions = UserSessions(
            config=config,
            storage=storage,
            commits=commits,
            keyring=keyring,
            tokens=AccessTokens(SigningKeys(storage, keyring, clock), lives, clock),
            reports=self._reports,
            clock=clock,
        )
        self._rates: dict[int, TokenBucket] = {}

    async def log_in(self, email: str, password: Secret, address: str) -> TokenPair:
        """Open a session for whoever knows the password.

        Raises: `NotAuthenticated`, which does not tell whether there is such a user; `Unavailable`.
        """
        try:
            email = clean_email(email)
        except InvalidValue:  # nobody's; but the answer takes as long as any other (LG-3)
            user = None
        else:
            user = await self._storage.user_by_email(email)
        await self._prove(user, email, password, address)
        assert user is not None  # for the type checker: nobody's password is never right
        return await self.open_session(user, address)

    async def open_session(self, user: User, address: str, *, how: str = "password") -> TokenPair:
        """Open a session for a user who was proven in some other way, which ``how`` names for the audit log.

        Raises: `NotAuthenticated` when the user may not log in, `Unavailable`.
        """
        try:
            return await self._sessions.open(user, address, how=how)
        except NotAuthenticated as refusal:
            await self._reports.refused(refusal, user, address)
            raise

    async def refresh(self, refresh_token: Secret, address: str = "") -> TokenPair:
        """Exchange a refresh token, once, for a new pair. One that comes twice ends the session (LG-6).

        Raises: `NotAuthenticated`, `Unavailable`.
        """
        return await self._sessions.renew(refresh_token, address)

    async def identify(self, bearer: Secret, address: str) -> Identity:
        """Return who asks, with the rights that he has now: nothing is remembered from earlier requests (LG-7).

        Raises: `NotAuthenticated`, `TooManyRequests`, `Unavailable`.
        """
        if bearer.reveal().startswith(PREFIX):
            return await self._identify_program(bearer)
        session, user = await self._sessions.find(bearer)
        return identity_of_user(user, session)

    async def log_out(self, identity: Identity, address: str = "") -> None:
        """End the session of a person; an API token goes on.

        Raises: `Unavailable`.
        """
        if identity.user is not None and identity.session is not None:
            await self._sessions.end(identity.user, identity.session.public_id, address)

    async def change_password(self, identity: Identity, old: Secret, new: Secret, address: str) -> TokenPair:
        """Give a person another password: all his sessions end, and a new one begins.

        Raises: `InvalidValue` when the old one is wrong or the new one breaks a rule, `NotAuthenticated`
        after too many wrong ones, `Unavailable`.
        """
        user = identity.user
        if user is None:
            raise InvalidValue("An API token has no password.")
        check_password(new)
        if new == old:
            raise InvalidValue("New password should be different from existing!")
        try:
            await self._prove(user, user.email, old, address)
        except NotAuthenticated as refusal:
            if refusal.retry_after_s is not None:
                raise
            raise InvalidValue("Current password doesn't match!") from None
        changed = await self._users.set_password(user, new, actor=identity.actor)
        return await self.open_session(changed, address)

    async def _prove(self, user: User | None, email: str, password: Secret, address: str) -> None:
        """Check a password, counting the wrong ones; the same steps whether or not there is such a user (LG-3)."""
        account = Account(email[:MAX_NAME_LENGTH], user.version if user is not None else 0)
        try:
            async with self._throttle.attempt(account, address) as attempt:
                stored = user.password_hash if user is not None else None
                right = await self._passwords.verify(stored, password)
                attempt.judge(right)
                if not right:
                    raise NotAuthenticated("wrong-password", "Invalid username or password")
        except NotAuthenticated as refusal:
            await self._reports.refused(refusal, user, address)
            raise

    async def _identify_program(self, bearer: Secret) -> Identity:
        token = await self._api_tokens.find(bearer)
        if token is None:
            raise NotAuthenticated("unknown-api-token", "Authentication failed")
        if token.id not in self._rates and len(self._rates) >= MAX_RATES:
            self._rates.clear()
        rate = self._rates.setdefault(token.id, TokenBucket(self._api_token_rate, self._clock.monotonic))
        if not rate.take():
            raise TooManyRequests(f"Too many requests with the API token {token.name!r}.")
        return identity_of_token(token)
