#!/bin/sh
# From a delivery list to labels. Runs where the server has its data, with the server or without it.
#   sh import_and_labels.sh delivery.csv heaters https://iot.example.com
set -eu
list=$1 profile=$2 url=$3

# Rows that are wrong are named, and the others are done: the status is 1 then.
firstboot import "$list" --profile "$profile" --generate-secrets --secrets secrets.csv
firstboot labels secrets.csv --url "$url" --output labels.pdf
echo "Print labels.pdf, and remove secrets.csv when the labels are in the boxes."
