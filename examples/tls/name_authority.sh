#!/bin/sh
# Where tenants share a server, an administrator of one names the maker's CA, and proves to have its key.
#   TOKEN=... sh name_authority.sh localhost firstboot-data/tls/ca.crt PROFILE maker-ca.crt maker-ca.key
# TOKEN is an API token with the scopes profiles:read and profiles:write; PROFILE is the id of a device profile, as
# GET /api/firstboot/profiles tells it. Needs curl and openssl. The key stays here.
set -eu
host=$1 ca=$2 profile=$3 maker=$4 key=$5

# The token comes from standard input: what stands on a command line is seen by every user of the machine.
call() {
    printf 'Authorization: Bearer %s\n' "$TOKEN" | curl --silent --show-error --fail-with-body --cacert "$ca" \
        --header @- "$@" "https://$host:${HTTPS_PORT:-8443}/api/firstboot/profiles/$profile/certificates"
}

challenge=$(call | sed -n 's/.*"challenge":"\([^"]*\)".*/\1/p')
proof=$(printf %s "$challenge" | openssl dgst -sha256 -sign "$key" | base64 | tr -d '\n')
certificate=$(awk '{ printf "%s\\n", $0 }' "$maker")
call --request PATCH --header 'Content-Type: application/json' \
    --data "{\"authority\": \"$certificate\", \"proof\": \"$proof\", \"allowCreate\": true}"
echo
