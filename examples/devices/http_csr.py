"""Over HTTP: the device makes a key, and the server issues a certificate for it.

    python3 http_csr.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-9

Needs `pip install cryptography`. The certificate is kept with those that vouch for it, in one file, as TLS
libraries take it: `mqtt_x509.py` logs in with it.
"""

from __future__ import annotations

from pathlib import Path

from device_certificate import own_request
from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_http import provision


def main() -> None:
    parser = arguments("Get a certificate over HTTP.", port=8080)
    parser.add_argument("--key-file", type=Path, default=Path("device-key.pem"))
    parser.add_argument("--certificate-file", type=Path, default=Path("device-certificate.pem"))
    given = parser.parse_args()

    if stored(given.file) is None:
        host, port = ask_for_server(given, port=8080)
        request = ask_for_profile(given)
        request["csr"] = own_request(request.get("deviceName", "device"), given.key_file)
        credentials = accepted(provision(host, port, request))
        store(given.certificate_file, credentials["value"].encode())
        store(given.file, credentials)

    print(f"Provisioned. The private key is kept in {given.key_file}.")
    print("To log in with the certificate over MQTT and TLS: mqtt_x509.py.")


if __name__ == "__main__":
    main()
