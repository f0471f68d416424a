#!/bin/sh
# Over HTTP, with curl: a device opens itself for claiming, and waits for its owner.
#   sh device_claim.sh http://127.0.0.1:8080 TOKEN SECRET
set -eu
url=$1 token=$2 secret=$3

# The answer says only that the message came. For ten minutes:
curl --silent --show-error --fail "$url/api/v1/$token/claim" --json "{\"secretKey\":\"$secret\",\"durationMs\":600000}"
echo "May be claimed."

# Each request waits for news, ten seconds at most.
until curl --silent --fail "$url/api/v1/$token/attributes?sharedKeys=claimed" | grep --quiet '"claimed":true'; do
    curl --silent --output /dev/null "$url/api/v1/$token/attributes/updates?timeout=10000"
done
echo "Somebody owns me."
