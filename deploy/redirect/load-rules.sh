#!/bin/sh
# Loads redirect.nft in the network namespace of a pod, for every user except that of the sidecar.
#
# SIDECAR_USER     user ID of the sidecar; no other container may run as this user
# LISTENER_PORT    port of the transparent listener
# DIRECT_NETWORKS  networks that the containers reach without the sidecar, on all ports, separated by spaces,
#                  for example "10.0.0.0/8 fd00::/8"
# POD_IP, HOST_IP  the addresses of the pod and of its node: with "hostNetwork: true" they are the same, and the rules would
#                  apply to the node, so they are not loaded
# RESOLV_CONF      the file that lists the name servers, which the containers reach as well
set -eu

if [ -n "${POD_IP:-}" ] && [ "$POD_IP" = "${HOST_IP:-}" ]; then
  echo "Cannot load the redirect rules: the pod has the network of its node (hostNetwork)" >&2
  exit 1
fi

user=${SIDECAR_USER:-64532}
port=${LISTENER_PORT:-15001}
rules=$(dirname "$0")/redirect.nft
# The highest user ID of Linux.
users="{ 0-$((user - 1)), $((user + 1))-4294967294 }"

add() {
  case $2 in
    *:*) echo "add element inet token_sidecar ${1}6 { $2 }" ;;
    *) echo "add element inet token_sidecar ${1}4 { $2 }" ;;
  esac
}

# One transaction: if a line is invalid, nothing is loaded, and the init container fails.
{
  echo "include \"$rules\""
  for network in ${DIRECT_NETWORKS:-}; do add direct "$network"; done
  # Without the zone of a link-local address.
  sed -n 's/^nameserver[[:space:]]*\([^[:space:]%]*\).*/\1/p' "${RESOLV_CONF:-/etc/resolv.conf}" |
    while read -r server; do add resolvers "$server"; done
} | nft --define users="$users" --define listener_port="$port" --file -

nft list table inet token_sidecar
