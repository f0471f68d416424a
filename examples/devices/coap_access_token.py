"""Over CoAP: the server makes an access token, and the device reports with it.

    python3 coap_access_token.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-10

Needs `pip install aiocoap`. CoAP is not encrypted: see docs/how-to/coap-dtls.md.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiocoap import POST, Context, Message
from aiocoap.error import Error
from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored


def main() -> None:
    given = arguments("Get an access token over CoAP, and report.", port=5683).parse_args()
    host, port = ask_for_server(given, port=5683)

    credentials = stored(given.file)
    if credentials is None:
        # A refusal has code 4.00 and the same kind of answer: "status" in it tells.
        answer = asyncio.run(post(host, port, "provision", ask_for_profile(given)))
        credentials = accepted(json.loads(answer.payload or '{"status":"FAILURE"}'))
        store(given.file, credentials)

    reported = asyncio.run(post(host, port, f"{credentials['value']}/telemetry", {"energy": 17.5}))
    if not reported.code.is_successful():
        sys.exit(f"Not reported: {reported.code}")
    print("Reported.")


async def post(host: str, port: int, path: str, content: dict[str, Any]) -> Message:
    """Send something to the server, and return its answer."""
    request = Message(code=POST, uri=f"coap://{host}:{port}/api/v1/{path}", payload=json.dumps(content).encode())
    context = await Context.create_client_context()
    try:
        answer: Message = await context.request(request).response
    except (Error, OSError) as error:
        sys.exit(f"No server at {host}:{port}: {error}")
    finally:
        await context.shutdown()
    return answer


if __name__ == "__main__":
    main()
