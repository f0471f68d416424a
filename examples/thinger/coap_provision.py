"""First boot over CoAP: one datagram to the server and one back, with everything in the payload.

    python3 coap_provision.py --host 127.0.0.1 --user default --key pk_... --device meter-7 --credentials SECRET

Needs `pip install aiocoap`. CoAP is not encrypted: see docs/how-to/coap-dtls.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from aiocoap import POST, Context, Message
from aiocoap.error import Error

JSON = 50


def main() -> None:
    parser = argparse.ArgumentParser(description="Make sure over CoAP that a device is known.", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5683)
    parser.add_argument("--user", required=True, help="the account")
    parser.add_argument("--key", required=True, help="a provisioning key, or an access token")
    parser.add_argument("--device", required=True, help="id of the device")
    parser.add_argument("--credentials", required=True, help="what the device logs in with")
    given = parser.parse_args()

    answer = asyncio.run(ensure(given))
    told = json.loads(answer.payload)
    if not answer.code.is_successful():
        sys.exit(f"Refused: {answer.code.dotted}, {told['message']}.")
    print(f"The device {told['device']}: {told['result']}.")


async def ensure(given: argparse.Namespace) -> Message:
    """Send the request, and return the answer."""
    request = {
        "user": given.user,
        "token": given.key,
        "device": given.device,
        "credentials": given.credentials,
        "type": "MQTT",
    }
    message = Message(
        code=POST,
        uri=f"coap://{given.host}:{given.port}/p/ensure",
        payload=json.dumps(request).encode(),
        content_format=JSON,
    )
    context = await Context.create_client_context()
    try:
        answer: Message = await context.request(message).response
    except (Error, OSError) as error:
        sys.exit(f"No server at {given.host}:{given.port}: {error}")
    finally:
        await context.shutdown()
    return answer


if __name__ == "__main__":
    main()
