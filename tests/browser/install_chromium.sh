#!/usr/bin/env bash
# Prints the path of a Chromium, installing Debian's package first where there is none and this user may install.
# Exit status 3, and what to install on stderr, when there is none in the end.
set -euo pipefail

find_chromium() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name"; then return 0; fi
  done
  return 1
}

if find_chromium; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi
if command -v apt-get >/dev/null && [ "${as_root[0]:-}" != false ]; then
  {
    echo "Installing Chromium with apt-get"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      chromium fonts-dejavu-core
  } >&2 || echo "apt-get could not install Chromium" >&2
fi

if find_chromium; then exit 0; fi
echo "No Chromium found. Install it (Debian: apt-get install chromium) or name one with CHROMIUM=/path/to/it." >&2
exit 3
