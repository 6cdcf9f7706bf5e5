#!/bin/sh
# Installs the real servers and clients that tests and benchmarks use, with apt, where this user may.
# Otherwise names what is missing: the tests that need it say so and are skipped.
set -eu
missing=
while read -r command package; do
  case "$command" in '#'*|'') continue ;; esac
  PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
done <<'LIST'
unbound unbound
named bind9
pdns_recursor pdns-recursor
kresd knot-resolver
dnsdist dnsdist
dnsperf dnsperf
dig bind9-dnsutils
kdig knot-dnsutils
drill ldnsutils
etcd etcd-server
etcdctl etcd-client
bird bird2
vtysh frr
exabgp exabgp
gobgpd gobgpd
tshark tshark
ip iproute2
nft nftables
ipvsadm ipvsadm
cc gcc libc6-dev
LIST
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "setup: not installed, and not ours to install (needs apt and root):$missing" >&2
  echo "setup: tests that need them are skipped and say so" >&2
  exit 0
fi
echo "setup: installing with apt:$missing" >&2
# A package's server must not be started by its installation: the tests start their own.
guard=/usr/sbin/policy-rc.d
made=
if [ ! -e "$guard" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$guard" && chmod 755 "$guard" && made=1
fi
trap '[ -z "$made" ] || rm -f "$guard"' EXIT
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# Lists may be absent or old: refresh them, and go on with what there is if that fails.
apt-get update >"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
  echo "setup: apt could not install:$missing (last lines follow); tests that need them are skipped" >&2
  tail -n 5 "$log" >&2
fi
rm -f "$log"
