#!/bin/sh
# Over MQTT and TLS: a device provisions itself on its first start, and reports on each.
#   sh mqtt_tls.sh localhost firstboot-data/tls/ca.crt KEY SECRET meter-1
# Needs mosquitto_rr and mosquitto_pub (Debian: mosquitto-clients).
set -eu
host=$1 ca=$2 key=$3 secret=$4 name=$5
umask 077 # what the device keeps is for nobody else

# The device knows the server by its CA and by its name: both are checked.
tls() {
    program=$1
    shift
    "$program" --cafile "$ca" -h "$host" -p "${MQTTS_PORT:-8883}" "$@"
}

if [ ! -f token ]; then
    # The user "provision" may do nothing else, and needs no password.
    answer=$(tls mosquitto_rr -u provision -q 1 -W 20 -t /provision/request -e /provision/response \
        -m "{\"deviceName\":\"$name\",\"provisionDeviceKey\":\"$key\",\"provisionDeviceSecret\":\"$secret\"}")
    token=$(echo "$answer" | sed -n 's/.*"credentialsValue":"\([^"]*\)".*/\1/p')
    [ -n "$token" ] || { echo "Not provisioned: $answer" >&2; exit 1; }
    echo "$token" >token
fi

tls mosquitto_pub -u "$(cat token)" -q 1 -t v1/devices/me/telemetry -m '{"temperature":21.5}'
echo "Reported."
