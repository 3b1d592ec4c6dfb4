#!/usr/bin/env bash
# Make a Chromium available to the browser tests, unless there is one: $FLOWNB_BROWSER, or one on the PATH.
set -euo pipefail

if [ -n "${FLOWNB_BROWSER:-}" ]; then
  command -v "$FLOWNB_BROWSER" >/dev/null && exit 0
  echo "FLOWNB_BROWSER=$FLOWNB_BROWSER cannot be run. Set it to a Chromium or Chrome, or unset it." >&2
  exit 1
fi
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "The browser tests need Chromium, which is not on the PATH, and it cannot be installed from here" >&2
  echo "(that takes apt-get, as root or with sudo that asks no password)." >&2
  echo "Install chromium or google-chrome, or set FLOWNB_BROWSER to one." >&2
  exit 1
fi
echo "installing Chromium for the browser tests" >&2
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core
