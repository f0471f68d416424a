"""One row for each call: what to send, and what those may expect who are not its master (threat TN-1).

A call without a row fails the matrix. What follows from `Access` is not written down again: a row says only what
is particular about its call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.integration.admin.world import House

OK = (200, 201, 204)
MISSING = (404,)
FORBIDDEN = (403,)
BAD = (400,)
TAKEN = (409,)
NOT_PERMITTED = (403, 404)
"""In one tenant ThingsBoard's clients expect 403 for what exists (contract 5.4); ids cannot be guessed."""
PAGE = {"pageSize": "100", "page": "0"}


def nothing(house: House) -> Any:
    return None


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is sent about the things of a house."""

    body: Callable[[House], Any] = nothing
    query: Callable[[House], Mapping[str, str]] = field(default=lambda house: {})
    path: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the path that are no ids."""
    foreign: tuple[int, ...] | None = None
    """For an administrator of another tenant. None: 404 when the path names a thing, else success."""
    neighbour: tuple[int, ...] | None = None
    """For a user of another customer of the same tenant. None: `NOT_PERMITTED` where ``foreign`` is 404."""
    own: tuple[int, ...] = OK
    """For a user of the customer that has the things."""
    public: tuple[int, ...] = OK
    """For everybody, when the call is public."""
    releases: bool = False
    """Whether the customer's user gives the device back with it."""


def _page(house: House) -> Mapping[str, str]:
    return PAGE


def _id(kind: str, public_id: object) -> dict[str, str]:
    return {"entityType": kind, "id": str(public_id)}


def _changed_device(house: House) -> Any:
    return {"id": _id("DEVICE", house.device.public_id), "name": "taken-over", "type": house.profile.name}


def _changed_credentials(house: House) -> Any:
    return {
        "id": {"id": str(house.device.public_id)},
        "deviceId": _id("DEVICE", house.device.public_id),
        "credentialsType": "ACCESS_TOKEN",
        "credentialsId": "taken-over",
    }


def _changed_profile(house: House) -> Any:
    return {
        "id": _id("DEVICE_PROFILE", house.profile.public_id),
        "name": "taken-over",
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        "provisionType": "DISABLED",
        "profileData": {
            "configuration": {"type": "DEFAULT"},
            "transportConfiguration": {"type": "DEFAULT"},
            "provisionConfiguration": {"type": "DISABLED"},
        },
    }


def _changed_customer(house: House) -> Any:
    return {"id": _id("CUSTOMER", house.customer.public_id), "title": "taken-over"}


def _changed_user(house: House) -> Any:
    return {
        "id": _id("USER", house.user.public_id),
        "email": "taken-over@example.com",
        "authority": "CUSTOMER_USER",
        "customerId": _id("CUSTOMER", house.customer.public_id),
    }


def _device_and_credentials(house: House) -> Any:
    credentials = {"credentialsType": "ACCESS_TOKEN", "credentialsId": "taken-over"}
    return {"device": _changed_device(house), "credentials": credentials}


def _import(house: House) -> Any:
    mapping = {
        "columns": [{"type": "NAME"}, {"type": "TYPE"}], "delimiter": ",", "header": False, "update": True,
    }  # fmt: skip
    return {"file": "imported,imported\n", "mapping": mapping}


def _sign_up(house: House) -> Any:
    account = {"email": "spare@example.com", "password": "a-password"}
    return {**account, "tenant": house.tenant.name, "deviceName": house.device.name, "secretKey": "a-guess"}


def _rpc(house: House) -> Any:
    return {"method": "m", "params": {}, "timeout": 10}


def _passwords(current: str, new: str) -> Callable[[House], Any]:
    return lambda house: {current: "not-the-password", new: "another-password"}


SERVER_SCOPE = {"scope": "SERVER_SCOPE"}
_KEYS: Callable[[House], Mapping[str, str]] = lambda house: {"keys": "a,b"}  # noqa: E731
_VALUES: Callable[[House], Any] = lambda house: {"a": 1}  # noqa: E731
_SHARED_BY_TENANT = OK
_OFFLINE = (409, 504, 408)
_TRACKERS = {"profile": "trackers-eu", "token": "any"}
"""Of no house: that one of another tenant is not found is tested with Thingstream's other calls."""
_THING = {"thing": "device:6d1f0b9e-2f6c-4a39-8a0e-3f0c8f1f2b77"}

ROWS: Mapping[str, Row] = {
    # -- ours --------------------------------------------------------------------------------------
    "get-health": Row(),
    "get-health-ready": Row(),
    "get-api-firstboot-health": Row(),
    "get-api-firstboot-server": Row(),
    "get-api-firstboot-openapi.json": Row(),
    "get-api-firstboot-me": Row(),
    "post-api-firstboot-me-password": Row(body=_passwords("currentPassword", "newPassword"), foreign=BAD, own=BAD),
    "get-api-firstboot-profiles": Row(),
    "get-api-firstboot-profiles-by-profileId": Row(),
    "get-api-firstboot-ca.pem": Row(),
    "get-api-firstboot-ca.crl": Row(),
    "get-api-firstboot-devices-by-deviceId-certificates": Row(),
    "delete-api-firstboot-devices-by-deviceId-credentials": Row(),
    "get-api-firstboot-profiles-by-profileId-certificates": Row(),
    "patch-api-firstboot-profiles-by-profileId-certificates": Row(body=lambda house: {"allowCreate": True}),
    "patch-api-firstboot-profiles-by-profileId": Row(body=lambda house: {"enabled": False}),
    "post-api-firstboot-profiles-by-profileId-rotate-secret": Row(),
    "get-api-firstboot-profiles-by-profileId-pool": Row(),
    "patch-api-firstboot-profiles-by-profileId-pool": Row(body=lambda house: {"order": "lowest"}),
    "get-api-firstboot-profiles-by-profileId-pool-members": Row(),
    "post-api-firstboot-profiles-by-profileId-pool-members": Row(
        body=lambda house: {"devices": [{"name": "spare"}]}
    ),
    "post-api-firstboot-devices-by-deviceId-return-to-pool": Row(),
    "get-api-firstboot-devices": Row(),
    "post-api-firstboot-devices-by-deviceId-reopen": Row(),
    "post-api-firstboot-devices-by-deviceId-enable": Row(),
    "post-api-firstboot-devices-by-deviceId-disable": Row(),
    "get-api-firstboot-devices-by-deviceId-claim-windows": Row(),
    "put-api-firstboot-devices-by-deviceId-claim-windows": Row(),
    "delete-api-firstboot-devices-by-deviceId-claim-windows": Row(),
    "get-api-firstboot-devices-by-deviceId-owners": Row(),
    "post-api-firstboot-devices-by-deviceId-owner": Row(body=lambda house: {"customerId": None}),
    "post-api-firstboot-claims": Row(
        body=lambda house: {"deviceName": house.device.name, "secretKey": "a-guess"}, neighbour=TAKEN, own=TAKEN
    ),
    "post-api-firstboot-sign-up": Row(body=_sign_up, public=FORBIDDEN),
    "get-api-firstboot-my-devices": Row(neighbour=OK),
    "patch-api-firstboot-my-devices-by-deviceId": Row(body=lambda house: {"label": "Cellar"}),
    "post-api-firstboot-my-devices-by-deviceId-release": Row(releases=True),
    "post-api-firstboot-my-devices-by-deviceId-offer": Row(),
    "delete-api-firstboot-my-devices-by-deviceId-offer": Row(),
    "get-api-firstboot-refusals": Row(),
    "get-api-firstboot-audit": Row(),
    "get-api-firstboot-events": Row(),
    "get-api-firstboot-tokens": Row(),
    "post-api-firstboot-tokens": Row(body=lambda house: {"name": "spare", "scopes": ["devices:read"]}),
    "delete-api-firstboot-tokens-by-tokenId": Row(),
    "get-api-firstboot-tenants": Row(),
    "post-api-firstboot-tenants": Row(body=lambda house: {"name": "spare"}),
    "get-api-firstboot-tenants-by-tenantId-users": Row(),
    "post-api-firstboot-tenants-by-tenantId-users": Row(body=lambda house: {"email": "spare@example.com"}),
    "delete-api-firstboot-tenants-by-tenantId-users-by-userId": Row(),
    # -- people ------------------------------------------------------------------------------------
    "post-api-auth-login": Row(
        body=lambda house: {"username": "nobody@example.com", "password": "nothing"}, public=(401,)
    ),
    "post-api-auth-token": Row(body=lambda house: {"refreshToken": "nothing"}, public=(401,)),
    "get-api-auth-user": Row(),
    "post-api-auth-logout": Row(),
    "post-api-auth-changePassword": Row(body=_passwords("currentPassword", "newPassword"), foreign=BAD, own=BAD),
    "get-api-user-by-userId-token": Row(),
    "get-api-user-by-userId-activationLink": Row(),
    "get-api-user-by-userId-activationLinkInfo": Row(),
    "get-api-noauth-activate": Row(),
    "post-api-noauth-activate": Row(
        body=lambda house: {"activateToken": "nothing", "password": "a-password"}, public=BAD
    ),
    "post-api-customer": Row(body=_changed_customer, foreign=MISSING),
    "get-api-customer-by-customerId": Row(),
    "get-api-customer-by-customerId-shortInfo": Row(),
    "delete-api-customer-by-customerId": Row(),
    "get-api-customers": Row(query=_page),
    "get-api-tenant-customers": Row(query=lambda house: {"customerTitle": house.customer.title}, foreign=MISSING),
    "post-api-user": Row(body=_changed_user, query=lambda house: {"sendActivationMail": "false"}, foreign=MISSING),
    "get-api-user-by-userId": Row(),
    "delete-api-user-by-userId": Row(),
    "post-api-user-by-userId-userCredentialsEnabled": Row(query=lambda house: {"userCredentialsEnabled": "false"}),
    "get-api-users": Row(query=_page),
    "get-api-customer-by-customerId-users": Row(query=_page),
    "get-api-tenant-by-tenantId": Row(neighbour=_SHARED_BY_TENANT),
    # -- profiles ----------------------------------------------------------------------------------
    "post-api-deviceProfile": Row(body=_changed_profile, foreign=MISSING),
    "get-api-deviceProfile-by-deviceProfileId": Row(),
    "delete-api-deviceProfile-by-deviceProfileId": Row(),
    "post-api-deviceProfile-by-deviceProfileId-default": Row(),
    "get-api-deviceProfiles": Row(query=_page),
    "get-api-deviceProfileInfos": Row(query=_page, neighbour=_SHARED_BY_TENANT),
    "get-api-deviceProfileInfo-default": Row(neighbour=_SHARED_BY_TENANT),
    "get-api-deviceProfileInfo-by-deviceProfileId": Row(neighbour=_SHARED_BY_TENANT),
    "get-api-deviceProfile-names": Row(neighbour=_SHARED_BY_TENANT),
    # -- devices -----------------------------------------------------------------------------------
    "post-api-device": Row(body=_changed_device, foreign=MISSING),
    "post-api-device-with-credentials": Row(body=_device_and_credentials, foreign=BAD),
    "get-api-device-by-deviceId": Row(),
    "get-api-device-info-by-deviceId": Row(),
    "delete-api-device-by-deviceId": Row(),
    "get-api-tenant-device": Row(query=lambda house: {"deviceName": house.device.name}, foreign=MISSING),
    "post-api-customer-by-customerId-device-by-deviceId": Row(),
    "delete-api-customer-device-by-deviceId": Row(),
    "post-api-owner-CUSTOMER-by-customerId-DEVICE-by-deviceId": Row(),
    "post-api-owner-TENANT-by-tenantId-DEVICE-by-deviceId": Row(),
    "get-api-tenant-devices": Row(query=_page),
    "get-api-deviceInfos-all": Row(query=_page),
    "get-api-tenant-deviceInfos": Row(query=_page),
    "get-api-customer-by-customerId-devices": Row(query=_page),
    "get-api-customer-by-customerId-deviceInfos": Row(query=_page),
    "get-api-device-by-deviceId-credentials": Row(),
    "post-api-customer-device-by-deviceName-claim": Row(neighbour=BAD, own=BAD),
    "delete-api-customer-device-by-deviceName-claim": Row(foreign=MISSING, releases=True),
    "post-api-device-credentials": Row(body=_changed_credentials, foreign=MISSING),
    "post-api-device-bulk_import": Row(body=_import),
    # -- attributes, telemetry, calls --------------------------------------------------------------
    "post-api-plugins-telemetry-by-deviceId-by-scope": Row(body=_VALUES, path=SERVER_SCOPE),
    "post-api-plugins-telemetry-DEVICE-by-deviceId-by-scope": Row(body=_VALUES, path=SERVER_SCOPE),
    "post-api-plugins-telemetry-DEVICE-by-deviceId-attributes-by-scope": Row(body=_VALUES, path=SERVER_SCOPE),
    "delete-api-plugins-telemetry-by-deviceId-by-scope": Row(query=_KEYS, path=SERVER_SCOPE),
    "delete-api-plugins-telemetry-DEVICE-by-deviceId-by-scope": Row(query=_KEYS, path=SERVER_SCOPE),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-values-attributes": Row(),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-values-attributes-by-scope": Row(path=SERVER_SCOPE),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-keys-attributes": Row(),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-keys-attributes-by-scope": Row(path=SERVER_SCOPE),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-values-timeseries": Row(),
    "get-api-plugins-telemetry-DEVICE-by-deviceId-keys-timeseries": Row(),
    "post-api-rpc-oneway-by-deviceId": Row(body=_rpc, own=_OFFLINE),
    "post-api-rpc-twoway-by-deviceId": Row(body=_rpc, own=_OFFLINE),
    "post-api-plugins-rpc-oneway-by-deviceId": Row(body=_rpc, own=_OFFLINE),
    "post-api-plugins-rpc-twoway-by-deviceId": Row(body=_rpc, own=_OFFLINE),
    # -- Thingstream -------------------------------------------------------------------------------
    "get-thingstream-v1-profiles": Row(),
    "post-thingstream-v1-profiles": Row(body=lambda house: {"profile": "trackers"}),
    "get-thingstream-v1-profiles-by-profile": Row(path=_TRACKERS, foreign=MISSING),
    "put-thingstream-v1-profiles-by-profile": Row(
        body=lambda house: {"autoActivate": True}, path=_TRACKERS, foreign=MISSING
    ),
    "put-thingstream-v1-profiles-by-profile-hardware-codes": Row(
        body=lambda house: {"hardwareCodes": None}, path=_TRACKERS, foreign=MISSING
    ),
    "delete-thingstream-v1-profiles-by-profile": Row(path=_TRACKERS, foreign=MISSING),
    "post-thingstream-v1-profiles-by-profile-tokens-rotate": Row(path=_TRACKERS, foreign=MISSING),
    "put-thingstream-v1-profiles-by-profile-tokens-by-token": Row(
        body=lambda house: {"state": "active"}, path=_TRACKERS, foreign=MISSING
    ),
    "delete-thingstream-v1-profiles-by-profile-tokens-by-token": Row(path=_TRACKERS, foreign=MISSING),
    "get-thingstream-v1-things": Row(),
    "get-thingstream-v1-things-by-thing": Row(path=_THING, foreign=MISSING),
    "post-thingstream-v1-things-by-thing-activate": Row(path=_THING, foreign=MISSING),
    "post-thingstream-v1-things-by-thing-deactivate": Row(path=_THING, foreign=MISSING),
    "post-thingstream-v1-things-by-thing-compromised": Row(path=_THING, foreign=MISSING),
    "delete-thingstream-v1-things-by-thing": Row(path=_THING, foreign=MISSING),
    "get-thingstream-v1-plans-by-plan-keys": Row(path={"plan": "pp-eu"}),
    "post-thingstream-v1-things-activate": Row(body=lambda house: {"profile": "trackers-eu"}, foreign=MISSING),
    "post-thingstream-v1-things-deactivate-superseded": Row(
        body=lambda house: {"profile": "trackers-eu"}, foreign=MISSING
    ),
}
