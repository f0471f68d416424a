"""Over HTTP: the device makes a key and a certificate, and tells the server the certificate.

    python3 http_x509.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-8

Needs `pip install cryptography`. To log in with the certificate the device shows it in a TLS handshake over
MQTT, and the server compares it with the one that it was told: `mqtt_x509.py` does so with --ca.
"""

from __future__ import annotations

from pathlib import Path

from device_certificate import own_certificate
from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_http import provision


def main() -> None:
    parser = arguments("Bring a certificate over HTTP.", port=8080)
    parser.add_argument("--key-file", type=Path, default=Path("device-key.pem"))
    parser.add_argument("--certificate-file", type=Path, default=Path("device-certificate.pem"))
    given = parser.parse_args()

    if stored(given.file) is None:
        host, port = ask_for_server(given, port=8080)
        request = ask_for_profile(given)
        certificate = own_certificate(request.get("deviceName", "device"), given.key_file, given.certificate_file)
        # The field is called hash, but what it carries is the certificate.
        request |= {"credentialsType": "X509_CERTIFICATE", "hash": certificate}
        store(given.file, accepted(provision(host, port, request)))

    print(f"Provisioned. The private key is kept in {given.key_file}.")
    print("To log in with the certificate over MQTT and TLS: mqtt_x509.py.")


if __name__ == "__main__":
    main()
