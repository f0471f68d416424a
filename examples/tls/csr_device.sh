#!/bin/sh
# A device makes its key, gets a certificate of the server's, reports with it, and renews it in time.
#   sh csr_device.sh localhost firstboot-data/tls/ca.crt KEY SECRET meter-4
# Start it again and again: it goes on with what it has in own.pem. Needs openssl, curl and mosquitto_pub.
set -eu
host=$1 ca=$2 key=$3 secret=$4 name=$5
umask 077 # own.pem has the private key

# Sends what comes from standard input; options are for curl.
provision() {
    curl --silent --show-error --fail --cacert "$ca" "$@" --json @- \
        "https://$host:${HTTPS_PORT:-8443}/api/v1/provision"
}

# Prints a request for a certificate, in one line. The key stays here.
certificate_request() {
    # If an answer is lost, the same request is sent once more, and gets the same answer.
    if [ ! -f new.csr ]; then
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key
        openssl req -new -key new.key -subj / -outform DER -out draft.csr
        mv draft.csr new.csr
    fi
    base64 <new.csr | tr -d '\n'
}

# Keeps the certificate of an answer, together with its key.
keep() {
    # printf and not echo: what some shells' echo does with the \n in it is no JSON any more.
    chain=$(printf '%s' "$1" | sed -n 's/.*"credentialsValue":"\([^"]*\)".*/\1/p')
    [ -n "$chain" ] || { echo "Refused: $1" >&2; return 1; }
    { cat new.key && printf '%b' "$chain"; } >new.pem
    # Both in one step: a device that loses power here has the old pair, or the new one.
    mv new.pem own.pem
    rm new.key new.csr
}

if [ ! -f own.pem ]; then
    csr=$(certificate_request)
    keep "$(provision <<END
{"deviceName": "$name", "provisionDeviceKey": "$key", "provisionDeviceSecret": "$secret", "csr": "$csr"}
END
    )"
elif ! openssl x509 -in own.pem -noout -checkend $((${RENEW_DAYS:-60} * 86400)) >/dev/null; then
    # The certificate that it still has proves who asks: no provision secret any more.
    csr=$(certificate_request)
    answer=$(echo "{\"csr\": \"$csr\"}" | provision --cert own.pem)
    keep "$answer" || echo "It goes on with what it has." >&2
fi

mosquitto_pub --cafile "$ca" --cert own.pem --key own.pem -h "$host" -p "${MQTTS_PORT:-8883}" \
    -q 1 -t v1/devices/me/telemetry -m '{"temperature":21.5}'
echo "Reported. The certificate is good until $(openssl x509 -in own.pem -noout -enddate | cut -d= -f2)."
