#!/bin/sh
# Starts the server of $FOLDER/public on $PORT and waits until it says where it listens.
set -eu
cd "$FOLDER"
rm -f pid address log

# Until it serves, it is nobody's: a failed or cancelled start leaves a tainted resource, and of those Terraform runs no
# destroy provisioner.
give_up() {
  if [ -s pid ]; then kill "$(cat pid)" 2>/dev/null || true; fi
  rm -f pid address
}
trap give_up EXIT
trap 'exit 130' HUP INT TERM

setsid env -i PATH="$PATH" python3 -u -m http.server "$PORT" --bind 127.0.0.1 --directory public >log 2>&1 </dev/null &
echo $! >pid
tries=0
until grep -q 'Serving HTTP' log; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ] || ! kill -0 "$(cat pid)"; then
    cat log
    exit 1
  fi
  sleep 0.1
done
sed -n 's/.*(\(http:[^)]*\)).*/\1/p' log >address
trap - EXIT
echo "Serving $FOLDER/public at $(cat address)"
