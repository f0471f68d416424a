"""Everything that Firstboot raises on purpose.

::

    FirstbootError
    ├── StartRefused                     the server cannot start as it is configured
    │   ├── ConfigError                  one or more settings are wrong
    │   ├── PluginError                  a plugin cannot be used
    │   └── StorageRefused               the database cannot be used
    ├── Refused                          a request is answered with a refusal
    │   ├── ProfileNotProven             no such profile, or not its secret: the device learns no more
    │   ├── ProvisioningRefused          the profile is proven, but this device is not provisioned
    │   ├── ClaimRefused                 a customer does not get a device, or cannot give it back
    │   ├── LoginRefused                 these credentials open nothing
    │   └── NotAuthenticated             nobody knows who asks over REST
    ├── NotAllowed                       known who asks, but it is more than he may do
    ├── TooManyRequests                  more than this asker may do in this time
    ├── VersionConflict                  somebody else has changed it since it was read
    ├── NotFound                         an operator named something that does not exist
    ├── AlreadyExists                    an operator named something that exists already
    ├── InvalidValue                     a value that an operator or a plugin gave breaks a rule
    │   └── LimitReached                 there are as many as there may be
    ├── DeviceOffline                    a device was called and did not listen
    ├── RpcTimedOut                      a device was called, and gave no answer in time
    ├── RpcUnanswered                    a device has called, and no plugin answers
    └── Unavailable                      not now: the storage is down, or the server has too much to do

A `Refused` has two audiences. ``code`` is for the operator: it stands in the log, the audit log and the
console. What the device is told is the dialect's matter, and never more than the dialect allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FirstbootError(Exception):
    """Base of all errors that Firstboot raises on purpose."""

    code = "error"


# -- start -----------------------------------------------------------------------------------------


class StartRefused(FirstbootError):
    """The server cannot start as it is configured; ``str()`` says what to do. Exit code 2."""

    code = "start-refused"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration."""

    path: str
    """Where: ``section.key``, an environment variable, or a file."""
    what: str
    """What is wrong with it."""
    remedy: str
    """What to write instead."""

    def __str__(self) -> str:
        return f"{self.path}: {self.what} {self.remedy}"


class ConfigError(StartRefused):
    """One or more settings are wrong. All that were found are in ``problems``."""

    code = "bad-configuration"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: Sequence[Problem] = problems

    @classmethod
    def single(cls, path: str, what: str, remedy: str) -> ConfigError:
        """Make an error of one problem."""
        return cls(Problem(path, what, remedy))


class PluginError(StartRefused):
    """A plugin cannot be used: which one, why, and what to do."""

    code = "plugin-error"

    def __init__(self, plugin: str, what: str, remedy: str) -> None:
        super().__init__(f"plugin {plugin!r}: {what} {remedy}")
        self.plugin = plugin
        self.what = what


class StorageRefused(StartRefused):
    """The database cannot be opened, is newer than this program, or has lost its key."""

    code = "storage-refused"


# -- requests --------------------------------------------------------------------------------------


class Refused(FirstbootError):
    """A request that is answered with a refusal."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.delay_s = 0.0
        """Seconds to hold the answer back (threat PV-2): the dialect waits, the server does not."""


class ProfileNotProven(Refused):
    """The provision key is unknown or the secret is wrong. The device cannot tell which."""

    code = "wrong-secret"


class ProvisioningRefused(Refused):
    """The profile is proven, but this device is not provisioned."""

    code = "provisioning-refused"


class ClaimRefused(Refused):
    """A customer does not get a device, or cannot give it back. `CLAIM_REFUSAL_CODES` are our codes."""

    code = "claim-refused"

    def __init__(self, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
        """Seconds to wait after too many failures; None: no need to."""


class LoginRefused(Refused):
    """The presented credentials open nothing."""

    code = "bad-credentials"


class NotAuthenticated(Refused):
    """Whoever asks has not proven who he is. The message may be told to him; the code is for operators."""

    code = "not-authenticated"

    def __init__(
        self, code: str, message: str, *, expired: bool = False, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.expired = expired
        """Whether a new access token, or a new login, is all that is needed."""
        self.retry_after_s = retry_after_s
        """Seconds to wait after too many failures; None: no need to."""


# -- operators -------------------------------------------------------------------------------------


class NotAllowed(FirstbootError):
    """More than whoever asks may do."""

    code = "not-allowed"


class TooManyRequests(FirstbootError):
    """More than this asker may do in this time: try again after ``retry_after_s`` seconds."""

    code = "too-many-requests"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VersionConflict(FirstbootError):
    """What was to be replaced is not the version that was read."""

    code = "version-conflict"


class NotFound(FirstbootError):
    """No such thing in this tenant."""

    code = "not-found"


class AlreadyExists(FirstbootError):
    """A name, key or credential that must be unique is in use."""

    code = "already-exists"


class InvalidValue(FirstbootError):
    """A value breaks a rule; the message says which and what is allowed."""

    code = "invalid-value"


class DeviceOffline(FirstbootError):
    """A device was called, and nobody took the call in time: it has no session that listens."""

    code = "device-offline"


class RpcTimedOut(FirstbootError):
    """A device took a call, and gave no answer in time."""

    code = "rpc-timed-out"


class RpcUnanswered(FirstbootError):
    """A device has called the server, and no plugin answers, or the one that does has failed."""

    code = "rpc-unanswered"


class LimitReached(InvalidValue):
    """There are as many of something as there may be."""

    code = "limit-reached"


class Unavailable(FirstbootError):
    """Not now: try again after ``retry_after_s`` seconds."""

    code = "unavailable"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


REFUSAL_CODES: dict[str, str] = {
    "unknown-key": "no device profile has this provision key",
    "wrong-secret": "the provision secret is not the profile's",
    "strategy-disabled": "the profile does not provision devices",
    "certificate-needed": "the profile provisions devices by their certificates, not by key and secret",
    "certificate-not-trusted": "the client certificate does not lead to the profile's authority, or not now",
    "certificate-name": "the profile's pattern finds no device name in the client certificate",
    "device-disabled": "an administrator has switched the device off",
    "too-early": "the device's certificate is good for longer than the time in which it may be renewed",
    "invalid-name": "the device name is blank, too long or has characters that names may not have",
    "profile-disabled": "the profile was switched off",
    "profile-expired": "the profile's time to provision devices is over",
    "network-not-allowed": "the request came from an address outside the profile's networks",
    "name-not-allowed": "the device name does not match the profile's name pattern",
    "device-limit": "the profile has as many devices as it may have",
    "rate-limit": "the profile makes devices, or the device asks for credentials, faster than it may",
    "name-taken": "a device of this name exists already",
    "not-pre-provisioned": "no device of this name was created beforehand in this profile",
    "already-provisioned": "the device was provisioned before",
    "not-the-same-device": "nothing proves that the asker is the device that has this name",
    "no-hardware-id": "the profile gives devices to hardware, and this one has not said which it is",
    "hardware-not-allowed": "the profile does not know the hardware that asks",
    "pool-empty": "no member of the profile's pool is ready",
    "try-again": "something that belongs to the request was changed while it was on its way",
    "token-in-use": "other credentials have the same token, user name or certificate",
    "credentials-mismatch": "the device exists already, with other credentials than the offered ones",
    "bad-credentials-request": "the wanted credentials are incomplete or have characters that they may not have",
    "cannot-rotate": "credentials of this type cannot be replaced by the server",
    "cannot-be-told": "the device has a password of which only a digest is kept",
    "profile-gone": "the profile was deleted while the request was on its way",
    "device-gone": "the device was deleted while the request was on its way",
    "vetoed": "a plugin refused",
    "plugin-error": "a plugin that has to agree failed or took too long",
    "bad-request": "the request could not be read",
    "unavailable": "the database is not there, or the server has too much to do",
}
"""Every code with which provisioning can be refused, and what it means to an operator."""

CLAIM_REFUSAL_CODES: dict[str, str] = {
    "wrong-secret": "the device may be claimed now, with another secret",
    "expired": "the secret is right, and the time to claim the device is over",
    "not-open": "nobody has opened the device for claiming",
    "already-claimed": "the device belongs to another customer",
    "already-yours": "the device belongs to the customer who claims it",
    "locked": "too many claims have failed; until some time has passed no secret is looked at",
    "unknown-device": "the tenant has no device of this name",
    "sign-up-closed": "people cannot make an account by themselves",
    "empty-secret": "a claim window without a secret is not allowed",
    "claiming-not-allowed": "the device may not open claim windows: it has no attribute claimingAllowed",
    "vetoed": "a plugin refused",
    "plugin-error": "a plugin that has to agree failed or took too long",
}
"""Every code with which claiming can be refused, and what it means to an operator."""
