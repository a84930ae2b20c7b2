#!/usr/bin/env bash
# Prints the section of CHANGELOG.md about one version, which begins with "## 1.2.3" or "## [1.2.3]". Fails if it has none.
set -euo pipefail

version=${1:?usage: release-notes.sh <version>}
notes=$(awk -v version="$version" '
  /^## / { wanted = $2 == version || $2 == "[" version "]"; next }
  wanted
' "$(dirname "$0")/../CHANGELOG.md")
if [ -z "$notes" ]; then
  echo "CHANGELOG.md has no section \"## $version\"" >&2
  exit 1
fi
echo "$notes"
