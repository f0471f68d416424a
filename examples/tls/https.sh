#!/bin/sh
# Over HTTPS, with curl: a device provisions itself on its first start, and reports on each.
#   sh https.sh localhost firstboot-data/tls/ca.crt KEY SECRET meter-2
set -eu
host=$1 ca=$2 key=$3 secret=$4 name=$5
umask 077 # what the device keeps is for nobody else

# Each body comes from standard input: what stands on a command line is seen by every user of the machine.
post() {
    curl --silent --show-error --fail --cacert "$ca" --json @- "https://$host:${HTTPS_PORT:-8443}/api/v1/$1"
}

if [ ! -f token ]; then
    # A refusal has status 200 too: what it is stands in the answer.
    answer=$(post provision <<END
{"deviceName": "$name", "provisionDeviceKey": "$key", "provisionDeviceSecret": "$secret"}
END
    )
    token=$(echo "$answer" | sed -n 's/.*"credentialsValue":"\([^"]*\)".*/\1/p')
    [ -n "$token" ] || { echo "Not provisioned: $answer" >&2; exit 1; }
    echo "$token" >token
fi

echo '{"temperature": 21.5}' | post "$(cat token)/telemetry"
echo "Reported."
