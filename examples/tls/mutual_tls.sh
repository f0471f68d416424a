#!/bin/sh
# A device with a certificate of its maker's: nobody has told the server of it, and it needs no secret.
#   sh mutual_tls.sh localhost firstboot-data/tls/ca.crt meter-3
# The files are made, and the maker is made known to the server, as maker.sh says.
set -eu
host=$1 ca=$2 name=$3

# Its login makes the device. The common name without .example.com is its name.
mosquitto_pub --cafile "$ca" --cert "$name.crt" --key "$name.key" -h "$host" -p "${MQTTS_PORT:-8883}" \
    -q 1 -t v1/devices/me/telemetry -m '{"temperature":21.5}'
echo "Reported over MQTT."

# The same over HTTPS: a request that says nothing is answered with what the device has now.
curl --silent --show-error --fail --cacert "$ca" --cert "$name.crt" --key "$name.key" --json '{}' \
    "https://$host:${HTTPS_PORT:-8443}/api/v1/provision"
echo
