#!/usr/bin/env bash
# Have the system's packages that the tests need. On Debian and Ubuntu, as root, what is missing is named and installed:
# at once with CI=true or YES=1, else after asking. Elsewhere it is named, and the tiers that need it are skipped.
#   hack/machine.sh [PACKAGE ...]    just these, missing or not
#   E2E=1 hack/machine.sh            what a Kubernetes node needs as well; CI=true does too
set -euo pipefail

# What is looked for, and the package that has it.
packages=(
  chromium:chromium npm:npm java:openjdk-17-jre-headless mvn:maven redis-server:redis-server
  pg_ctlcluster:postgresql haproxy:haproxy curl:curl openssl:openssl etcd:etcd-server
)
if [[ "${CI:-}" == true || "${E2E:-}" == 1 ]]; then
  packages+=(
    containerd:containerd runc:runc buildah:buildah debootstrap:debootstrap
    promtool:prometheus iptables:iptables conntrack:conntrack ip:iproute2 /usr/lib/cni/bridge:containernetworking-plugins
  )
fi
missing=()
for one in "${packages[@]}"; do
  command -v "${one%%:*}" >/dev/null || missing+=("${one#*:}")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
(($# == 0)) || missing=("$@")
((${#missing[@]})) || exit 0

echo "This machine lacks packages that are needed: ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "Install them as this system does; without them, tests are skipped."
  exit 0
fi
# Another installation may be under way, as on a machine that has just started: it is waited for.
install=(apt-get -q -o DPkg::Lock::Timeout=600)
if ((EUID != 0)); then
  echo "As root: apt-get install --no-install-recommends ${missing[*]}"
  echo "Without them, tests are skipped."
  exit 0
fi
if [[ "${CI:-}" != true && "${YES:-}" != 1 ]]; then
  [[ -t 0 ]] || { echo "They are installed with YES=1; without them, tests are skipped."; exit 0; }
  read -r -p "Install them now? [y/N] " answer
  [[ "$answer" == [yY]* ]] || { echo "Without them, tests are skipped."; exit 0; }
fi
export DEBIAN_FRONTEND=noninteractive
"${install[@]}" update
"${install[@]}" install -y --no-install-recommends "${missing[@]}"
