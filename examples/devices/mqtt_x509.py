"""Over MQTT: the device makes a key and a certificate, and tells the server the certificate.

    python3 mqtt_x509.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-4 --ca ca.crt --tls-port 8883

Needs `pip install cryptography`. To log in with the certificate the device shows it in a TLS handshake, and
the server compares it with the one that it was told. Without --ca this example ends when the server has it.
"""

from __future__ import annotations

from pathlib import Path

from device_certificate import own_certificate
from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_mqtt import log_in_by_certificate, provision


def main() -> None:
    parser = arguments("Bring a certificate over MQTT.", port=1883)
    parser.add_argument("--key-file", type=Path, default=Path("device-key.pem"))
    parser.add_argument("--certificate-file", type=Path, default=Path("device-certificate.pem"))
    parser.add_argument("--ca", type=Path, help="certificate that vouches for the server, to log in over TLS")
    parser.add_argument("--tls-port", type=int, default=8883)
    given = parser.parse_args()
    host, port = ask_for_server(given, port=1883)

    if stored(given.file) is None:
        request = ask_for_profile(given)
        certificate = own_certificate(request.get("deviceName", "device"), given.key_file, given.certificate_file)
        # The field is called hash, but what it carries is the certificate.
        request |= {"credentialsType": "X509_CERTIFICATE", "hash": certificate}
        store(given.file, accepted(provision(host, port, request)))
        print(f"Provisioned. The private key is kept in {given.key_file}.")

    if given.ca is None:
        print("To log in with the certificate over TLS, give --ca.")
    else:
        log_in_by_certificate(host, given.tls_port, given.ca, given.certificate_file, given.key_file)


if __name__ == "__main__":
    main()
