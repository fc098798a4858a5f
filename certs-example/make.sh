#!/bin/sh
# Makes the example set anew. Its keys are published with the source: never use it in production.
set -eu
cd "$(dirname "$0")"
tongbao=${TONGBAO:-tongbao}
case $tongbao in
    */*) tongbao=$(cd .. && realpath "$tongbao") ;;
esac

rm -rf ca.pem ca.key crl.pem issued.json issuer.key issuer.key.pub gateway samr amr-330000 gacc mofcom ndrc
"$tongbao" certs init --dir . --trust-domain tongbao.example --crl-days 3650 >/dev/null
"$tongbao" certs issue --dir . gateway/main --server localhost --server 127.0.0.1 --server ::1 --days 3650 >/dev/null
for system in samr/publisher amr-330000/publisher gacc/risk-control mofcom/lists ndrc/supply; do
    "$tongbao" certs issue --dir . "$system" --days 3650 >/dev/null
done
"$tongbao" token key issuer.key >/dev/null
"$tongbao" certs show ca.pem gateway/main.pem crl.pem
