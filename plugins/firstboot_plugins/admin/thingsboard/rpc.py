"""ThingsBoard's calls that reach a device (server-side RPC)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import JSONResponse

from firstboot.clock import milliseconds
from firstboot.errors import DeviceOffline, InvalidValue, RpcTimedOut
from firstboot.json_profile import MAX_INTEGER
from firstboot.rpc import MAX_TIMEOUT
from firstboot_plugins.admin.failures import Failure
from firstboot_plugins.admin.operation import Call, Handler, Operation, operation, tenant_people
from firstboot_plugins.admin.thingsboard.device_access import device_of
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.admin.waiting_requests import waiting_requests
from firstboot_plugins.dialects.thingsboard.error_codes import GENERAL

DEFAULT_TIMEOUT_MS = 10_000
_MAX_TIMEOUT_MS = milliseconds(MAX_TIMEOUT)
# Status when no session took the call, and when no answer came in time.
_OLD = (409, 408)
_NEW = (504, 504)


class RpcBody(Shape):
    """What a device is asked."""

    method: Annotated[str, Field(min_length=1, max_length=255)]
    params: Any = None
    timeout: Annotated[int, Field(ge=1, le=_MAX_TIMEOUT_MS)] = DEFAULT_TIMEOUT_MS
    """Milliseconds in which the device must take the call, and answer it."""
    expiration_time: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    """The moment until which it must, in place of the time-out."""
    persistent: bool = False
    """Not supported: a call is not kept for a device that does not listen."""


async def _exchange(call: Call, statuses: tuple[int, int], *, one_way: bool) -> Any:
    device = await device_of(call, call.path["deviceId"])
    body: RpcBody = call.body
    if body.persistent:
        raise InvalidValue("Persistent RPC is not supported!")
    timeout = _timeout(body, call.services.clock.now_ms())
    try:
        with waiting_requests(call.services.sessions).counted(call.identity.owner):
            call.free_slot()
            answer = await call.services.rpc.call(
                device.ref, body.method, body.params, timeout=timeout, one_way=one_way, actor=call.actor
            )
    except DeviceOffline as error:
        raise Failure(statuses[0], str(error), code=error.code, error_code=GENERAL) from None
    except RpcTimedOut as error:
        raise Failure(statuses[1], str(error), code=error.code, error_code=GENERAL) from None
    return answer.value


def _timeout(body: RpcBody, now_ms: int) -> timedelta:
    left_ms = body.timeout if body.expiration_time is None else body.expiration_time - now_ms
    if left_ms <= 0:
        raise InvalidValue("The expirationTime is over!")
    return timedelta(milliseconds=min(left_ms, _MAX_TIMEOUT_MS))


def _one_way(path: str, statuses: tuple[int, int]) -> Operation:
    async def run(call: Call) -> object:
        """Tell a device something; the answer is empty once a session of the device has taken it."""
        await _exchange(call, statuses, one_way=True)
        return None

    return _operation(path, run)


def _two_way(path: str, statuses: tuple[int, int]) -> Operation:
    async def run(call: Call) -> object:
        """Ask a device something, and return its answer, whatever JSON that is."""
        return JSONResponse(await _exchange(call, statuses, one_way=False))

    return _operation(path, run, answers=Any)


def _operation(path: str, run: Handler, **more: Any) -> Operation:
    access = tenant_people("rpc")
    return operation("POST", path, dialect=THINGSBOARD, tag="RPC", access=access, body=RpcBody, **more)(run)


OPERATIONS = (
    _one_way("/api/rpc/oneway/{deviceId:uuid}", _NEW),
    _two_way("/api/rpc/twoway/{deviceId:uuid}", _NEW),
    _one_way("/api/plugins/rpc/oneway/{deviceId:uuid}", _OLD),
    _two_way("/api/plugins/rpc/twoway/{deviceId:uuid}", _OLD),
)
