"""With ThingsBoard's REST client: a customer claims a device, and gives it back.

pip install tb-rest-client        # 4.4
python3 customer.py http://127.0.0.1:8080 ann@example.com PASSWORD claim meter-1 SECRET
python3 customer.py http://127.0.0.1:8080 ann@example.com PASSWORD list
python3 customer.py http://127.0.0.1:8080 ann@example.com PASSWORD release meter-1
"""

from __future__ import annotations

import json
import sys

from tb_rest_client.models import ClaimRequest
from tb_rest_client.rest import ApiException
from tb_rest_client.rest_client import RestClient


def main(url: str, email: str, password: str, what: str, *more: str) -> None:
    client = RestClient(base_url=url)
    client.login(username=email, password=password)
    try:
        if what == "claim":
            name, secret = more
            client.claim_device_by_name(name, ClaimRequest(secret_key=secret))
            print(f"{name} is yours.")
        elif what == "release":
            (name,) = more
            client.re_claim_device(name)
            print(f"{name} is nobody's.")
        else:
            customer = client.get_user().customer_id
            for device in client.get_customer_devices(customer.id, page_size=100, page=0).data:
                print(device.name)
    except ApiException as error:
        sys.exit(f"Refused: {_reason(error)}")


def _reason(error: ApiException) -> str:
    """Return what the server says: FAILURE, CLAIMED, or the message of an error."""
    told = json.loads(error.body or "null")
    return told if isinstance(told, str) else (told or {}).get("message", f"HTTP {error.status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
