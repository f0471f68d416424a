"""A device that claims with ThingsBoard's REST client, which the tests run with each version of it.

Arguments: URL, e-mail address and password of anybody (it calls nothing before a login), access token of the
device. Prints the status of each claim as JSON: without a body, with one, of an unknown device.
"""

from __future__ import annotations

import json
import sys
from typing import Any

try:  # 3.5 to 4.3
    from tb_rest_client.rest_client_ce import RestClientCE as RestClient
except ImportError:  # since 4.4
    from tb_rest_client.rest_client import RestClient

from tb_rest_client.rest import ApiException


def status(call: Any) -> int:
    try:
        call()
    except ApiException as error:
        return int(error.status)
    return 200


def main(url: str, email: str, password: str, token: str) -> None:
    client = RestClient(base_url=url)
    client.login(username=email, password=password)
    body = {"secretKey": "from the client", "durationMs": 60000}
    outcomes = [
        status(lambda: client.claim_device(token)),
        status(lambda: client.claim_device(token, body=body)),
        status(lambda: client.claim_device("nobodys-token")),
    ]
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
