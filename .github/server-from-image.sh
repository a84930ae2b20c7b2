#!/usr/bin/env bash
# Takes a Redis or Valkey server out of its Debian-based container image, so that tests can run it as a process of theirs:
#
#   .github/server-from-image.sh redis:8 /tmp/server/redis-server
#
# writes a wrapper that takes the server's arguments, and unpacks the image beside it.
set -euo pipefail

if [ $# != 2 ]; then
  echo "usage: server-from-image.sh <image> <wrapper, named after the server>" >&2
  exit 2
fi
image=$1
name=$(basename "$2")
mkdir -p "$(dirname "$2")"
folder=$(cd "$(dirname "$2")" && pwd)
wrapper=$folder/$name
root=$folder/$name.image

container=$(docker create "$image")
trap 'docker rm "$container" >/dev/null' EXIT
mkdir "$root"
# Device files can be made only by root.
docker export "$container" | tar -x -C "$root" --exclude='dev/*'

server=$root/usr/local/bin/$name
# The file itself: /lib64 has an absolute link, which would lead to the loader of this machine and its other libc.
loader=$(find "$root/usr/lib" -path '*-linux-gnu/ld-linux-*.so.*' -print -quit)
if [ ! -x "$server" ] || [ ! -x "$loader" ]; then
  echo "server-from-image.sh: $image has no /usr/local/bin/$name, or no glibc" >&2
  exit 1
fi

# `exec` keeps the process id: signals, SIGKILL among them, reach the server itself.
cat >"$wrapper" <<END
#!/bin/sh
exec '$loader' --library-path '$(dirname "$loader"):$root/usr/local/lib' '$server' "\$@"
END
chmod +x "$wrapper"
"$wrapper" --version
