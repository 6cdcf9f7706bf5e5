#!/bin/sh
# Makes a clone ready to run: installs the packages named in package-lock.json, Node itself among them.
#   setup.sh            packages only
#   setup.sh --servers  also the real nameservers and tools that the tests use, with apt where that is possible
# Does nothing, quickly, where everything is there already.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null 2>&1; then
  echo "setup: npm is missing; install any version of Node.js with npm (Debian: apt-get install npm), then try again" >&2
  exit 69
fi
if [ ! -x node_modules/node/bin/node ] || [ package-lock.json -nt node_modules/.chorus-setup ]; then
  echo "setup: installing packages (once)" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.chorus-setup
fi
if [ "${1:-}" = --servers ]; then
  sh scripts/servers.sh
fi
