#!/bin/sh
# At the maker's: a key and a certificate for one device, by a CA that is made the first time.
#   sh maker.sh meter-3
# Then meter-3.key and meter-3.crt go into the device, and maker-ca.crt to whoever runs the server:
#   firstboot profile create meters --strategy x509-certificate-chain
#   firstboot ca trust meters maker-ca.crt --pattern '(.*)[.]example[.]com' --allow-create
set -eu
name=$1
umask 077

if [ ! -f maker-ca.key ]; then
    # Whoever has this key makes devices. Keep it off the network.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7300 -subj "/CN=Example maker" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout maker-ca.key -out maker-ca.crt
fi

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name.example.com" \
    -keyout "$name.key" -out "$name.csr"
# What a device's certificate must say of itself: that it is for clients, and makes no others.
openssl x509 -req -in "$name.csr" -CA maker-ca.crt -CAkey maker-ca.key -CAcreateserial -days 3650 \
    -extfile /dev/stdin -out "$name.crt" <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END
rm "$name.csr"
echo "$name.key and $name.crt are for the device."
