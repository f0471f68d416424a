"""Reading the body of a device's HTTP request."""

from __future__ import annotations

from starlette.requests import Request

from firstboot_plugins.transports.http.bodies import BodyEncoded, BodyTooLarge, read_body


class UnusableBody(Exception):
    """The body is not read any further, for the reason that ``str()`` gives to the device."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def device_body(request: Request, most: int) -> bytes:
    """Return the body, which has at most ``most`` bytes.

    Raises: `UnusableBody`; `starlette.requests.ClientDisconnect`.
    """
    try:
        return await read_body(request, most)
    except BodyTooLarge:
        raise UnusableBody(413, f"The request body has more than {most} bytes!") from None
    except BodyEncoded:
        raise UnusableBody(415, "Compressed request bodies are not supported!") from None
