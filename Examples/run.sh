#!/usr/bin/env bash
# Starts broker, host and the example functions, and a device that publishes temperatures; Ctrl-C ends all of it.
#   Examples/run.sh [FCBUS_BINARY] [PORT]
set -euo pipefail
cd "$(dirname "$0")/.."
fcbus=${1:-.build/release/fcbus}
port=${2:-1883}

device=0
ready=$(mktemp)
"$fcbus" up --functions Examples/functions --port "$port" >"$ready" &
server=$!
stop() {
  trap - EXIT INT TERM
  ((device)) && kill "$device" 2>/dev/null || true
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -f "$ready"
}
trap stop EXIT
trap 'exit 0' INT TERM

until grep -q '^ready' "$ready"; do
  kill -0 "$server" 2>/dev/null || { echo "fcbus did not start; is port $port taken? Try: make run PORT=1884" >&2; exit 1; }
  sleep 0.1
done
cat "$ready"
url=$(sed -n 's/^ready //p' "$ready" | head -n 1)
broker=''
[[ $url == mqtt://127.0.0.1:1883 ]] || broker=" --broker $url"
cat <<EOT

Try next, in another terminal:
  $fcbus call$broker EdgeFC/helloworld 'hi'
  $fcbus subscribe$broker 'rooms/#'
  $fcbus functions$broker

A simulated thermometer publishes on devices/d1/temperature; Ctrl-C ends everything.
EOT
if command -v mosquitto_pub >/dev/null; then
  Examples/devices/simulator.sh "$url" &
  device=$!
else
  echo "(no mosquitto_pub here, so no simulated thermometer: apt-get install mosquitto-clients)" >&2
fi
wait "$server"
