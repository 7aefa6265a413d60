#!/usr/bin/env bash
# Installs the real programs that the conformance tests talk to, and what the
# tests themselves need. It does nothing where all is there. It works as root
# on Debian; elsewhere it says what to install, which is an error only in CI
# (CI=true), because there the tests skip by name what they miss.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

missing=()
need() { # program package...
  command -v "$1" >/dev/null || missing+=("${@:2}")
}
need make make
need gcc gcc libc6-dev # the race detector links with it
need curl curl
need wrk wrk
need h2load nghttp2-client
need nginx nginx-light
need haproxy haproxy
need chromium chromium
need tftp tftp-hpa
need in.tftpd tftpd-hpa
need atftp atftp
need busybox busybox
need dnsmasq dnsmasq-base
need ip iproute2
need redis-server redis-server
need node nodejs
need npm npm
/usr/bin/python3 -c 'import websockets' 2>/dev/null || missing+=(python3-websockets)
need qemu-system-x86_64 qemu-system-x86 ipxe-qemu seabios
[ -e /usr/share/ovmf/OVMF.fd ] || missing+=(ovmf) # UEFI firmware for it

# npm's packages, in a folder that git ignores. They are code from elsewhere: their
# versions are fixed, and none of their scripts runs.
npm_packages=(ws@8.23.0)
npm_folder=$(cd "$(dirname "$0")/../.." && pwd)/.peers/npm
install_npm() {
  local package
  command -v npm >/dev/null || return 0
  for package in "${npm_packages[@]}"; do
    grep -qs "\"version\": \"${package##*@}\"" "$npm_folder/node_modules/${package%@*}/package.json" && continue
    mkdir -p "$npm_folder"
    npm install --prefix "$npm_folder" --no-audit --no-fund --ignore-scripts --save-exact "${npm_packages[@]}"
    return
  done
}

# Servers whose packages exclude one that is installed: unpacked beside it.
beside=/opt/burrow-peers
unpack=()
[ -x "$beside/usr/sbin/atftpd" ] || unpack+=(atftpd)
if [ $((${#missing[@]} + ${#unpack[@]})) -eq 0 ]; then
  install_npm
  exit 0
fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "peers: not installed here: ${missing[*]} ${unpack[*]} (on Debian, as root: apt-get install ${missing[*]} ${unpack[*]})" >&2
  [ "${CI:-}" != true ] || exit 1
  install_npm
  exit 0
fi

# invoke-rc.d asks this file whether a package may start its daemon: no, the
# tests start their own.
policy=/usr/sbin/policy-rc.d
restore() {
  rm -f "$policy"
  [ ! -e "$policy.before-burrow" ] || mv "$policy.before-burrow" "$policy"
}
# A run that was killed has left its own file, and the right one beside it.
[ ! -e "$policy" ] || [ -e "$policy.before-burrow" ] || mv "$policy" "$policy.before-burrow"
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
[ "${#missing[@]}" -eq 0 ] || "${apt[@]}" install -y --no-install-recommends "${missing[@]}"

if [ "${#unpack[@]}" -gt 0 ]; then
  mkdir -p "$beside"
  packages=$(mktemp -d)
  (cd "$packages" && chmod 755 . && "${apt[@]}" download "${unpack[@]}" && for p in *.deb; do dpkg -x "$p" "$beside"; done)
  rm -rf "$packages"
fi
install_npm
