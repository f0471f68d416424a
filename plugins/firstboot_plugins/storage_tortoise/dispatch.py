"""Which algorithm carries out which write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from firstboot.storage import (
    AppendAudit,
    AppendRows,
    ChangeOwner,
    CloseClaimWindows,
    ConfirmDelivery,
    CreateApiToken,
    CreateCustomer,
    CreateDevice,
    CreateProfile,
    CreateResource,
    CreateTenant,
    CreateUser,
    DeleteApiToken,
    DeleteAttributes,
    DeleteCustomer,
    DeleteDevice,
    DeleteProfile,
    DeleteResource,
    DeleteRows,
    DeleteUser,
    EndCredentials,
    EndUserSession,
    GiveMember,
    HandOut,
    LeaseMember,
    OpenClaimWindow,
    OpenUserSession,
    Outcome,
    RecordLogin,
    RecordTokenUse,
    ReleaseMember,
    RenewUserSession,
    ReopenDevice,
    ReplaceCredentials,
    SaveAttributes,
    SaveTelemetry,
    SignUp,
    Together,
    UpdateApiToken,
    UpdateCustomer,
    UpdateDevice,
    UpdateProfile,
    UpdateResource,
    UpdateUser,
    WriteResult,
)
from firstboot_plugins.storage_tortoise import (
    changing,
    claim_changes,
    creating,
    customer_changes,
    device_data,
    moments,
    pool_changes,
    profile_changes,
    resource_changes,
    token_changes,
    user_changes,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.statements import Algorithm
from firstboot_plugins.storage_tortoise.together import do_together


def _append_audits(writes: Sequence[AppendAudit], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Do nothing: what is done is audited, and that is all there is to do."""
    yield from ()
    return [WriteResult(Outcome.DONE)] * len(writes)


_BULK: dict[type, Callable[[Any, Changes], Algorithm[list[WriteResult]]]] = {
    AppendAudit: _append_audits,
    AppendRows: resource_changes.append_rows,
    ConfirmDelivery: moments.confirm_deliveries,
    CreateDevice: creating.create_devices,
    CreateResource: resource_changes.create_resources,
    RecordLogin: moments.record_logins,
    RecordTokenUse: moments.record_token_uses,
    SaveAttributes: device_data.save_attributes,
    SaveTelemetry: device_data.save_telemetry,
}
_SINGLE: dict[type, Callable[[Any, Changes], Algorithm[WriteResult]]] = {
    ChangeOwner: claim_changes.change_owner,
    CloseClaimWindows: claim_changes.close_windows,
    CreateApiToken: token_changes.create_token,
    CreateCustomer: customer_changes.create_customer,
    CreateProfile: profile_changes.create_profile,
    CreateTenant: customer_changes.create_tenant,
    CreateUser: user_changes.create_user,
    DeleteApiToken: token_changes.delete_token,
    DeleteAttributes: device_data.delete_attributes,
    DeleteCustomer: customer_changes.delete_customer,
    DeleteDevice: changing.delete_device,
    DeleteProfile: profile_changes.delete_profile,
    DeleteResource: resource_changes.delete_resource,
    DeleteRows: resource_changes.delete_rows,
    DeleteUser: user_changes.delete_user,
    EndCredentials: changing.end_credentials,
    EndUserSession: user_changes.end_session,
    HandOut: changing.hand_out,
    GiveMember: pool_changes.give_member,
    LeaseMember: pool_changes.lease_member,
    OpenClaimWindow: claim_changes.open_window,
    OpenUserSession: user_changes.open_session,
    ReleaseMember: pool_changes.release_member,
    RenewUserSession: user_changes.renew_session,
    ReopenDevice: changing.reopen_device,
    ReplaceCredentials: changing.replace_credentials,
    SignUp: claim_changes.sign_up,
    UpdateApiToken: token_changes.update_token,
    UpdateCustomer: customer_changes.update_customer,
    UpdateDevice: changing.update_device,
    UpdateProfile: profile_changes.update_profile,
    UpdateResource: resource_changes.update_resource,
    UpdateUser: user_changes.update_user,
}


def perform(kind: type, writes: Sequence[Any], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Do writes of one kind in order; each succeeds or fails alone."""
    if kind is Together:
        return (yield from do_together(writes, changes, perform))
    if kind in _BULK:
        return (yield from _BULK[kind](writes, changes))
    results = []
    for write in writes:
        results.append((yield from _SINGLE[kind](write, changes)))
    return results
