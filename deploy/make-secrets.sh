#!/bin/sh
# Makes what compose.yaml needs and no repository may hold: keys, tokens, passwords. Never overwrites.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ] || [ -e nats/passwords ]; then
  echo "make-secrets: deploy/secrets or deploy/nats/passwords is there already" >&2
  exit 1
fi
umask 077
mkdir secrets nats/passwords
secret() { openssl rand -hex 24; }

database=$(secret)
printf '%s' "$database" > secrets/database-password
master=$(openssl rand -base64 32)
for role in admin-api proxy health-probe; do
  password=$(secret)
  echo "password: \"$password\"" > nats/passwords/default-$role.conf
  {
    echo "SIGNALBOX_NATS_URL=nats://default-$role:$password@nats-1:4222,nats://nats-2:4222,nats://nats-3:4222"
    echo "SIGNALBOX_MASTER_KEY=$master"
  } > secrets/$role.env
done
secret > secrets/admin-token
{
  echo "SIGNALBOX_DATABASE_URL=postgresql://signalbox:$database@postgres:5432/signalbox"
  echo "SIGNALBOX_ADMIN_TOKEN=$(cat secrets/admin-token)"
} >> secrets/admin-api.env
route=$(secret)
echo "password: \"$route\"" > nats/passwords/route.conf
sed "s/PASSWORD@/$route@/" nats/routes.conf.example > nats/routes.conf
echo "made deploy/secrets (the admin token is in admin-token) and deploy/nats/passwords"
