"""First boot of a standard firmware, the same in all units: it subscribes, and is given a prepared device.

    python3 pool_device.py --host 127.0.0.1 --user default --key pk_... --pool meters --hardware-id AABBCC

Needs `pip install 'paho-mqtt>=2'`. The key may claim from the pool, and do nothing else. A unit whose first answer
was lost subscribes again, and gets the same device with a fresh credential.
"""

from __future__ import annotations

import sys

from over_mqtt import arguments, asked, logged_in


def main() -> None:
    parser = arguments("Be given a device from a pool.")
    parser.add_argument("--pool", required=True, help="id of the pool")
    parser.add_argument("--hardware-id", required=True, help="what tells this unit from all others")
    given = parser.parse_args()

    # The subscription is the claim. Where the pool lets devices wait, the answer may take its time.
    answer = asked(given, f"provision/pool/{given.pool}/{given.hardware_id}")
    if answer["status"] != 200:
        sys.exit(f"Refused: {answer['status']}, {answer['message']}.")
    print(f"This is {answer['device']} now.")
    # A real device would keep its credential, and never ask again.
    logged_in(given, answer["device"], answer["credentials"])


if __name__ == "__main__":
    main()
