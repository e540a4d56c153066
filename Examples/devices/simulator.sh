#!/usr/bin/env bash
# A device that publishes its temperature with the stock client: up and down between 20 and 30 degrees.
#   Examples/devices/simulator.sh [URL] [COUNT] [DEVICE] [PAUSE_SECONDS]
set -euo pipefail
url=${1:-mqtt://127.0.0.1:1883}
count=${2:-600}
device=${3:-d1}
pause=${4:-2}

command -v mosquitto_pub >/dev/null || { echo "mosquitto_pub is needed: apt-get install mosquitto-clients" >&2; exit 69; }
# One mosquitto_pub reads line by line, so all goes over one connection. It hangs on a pipe of this shell and ends
# with it, however this shell ends.
exec > >(exec mosquitto_pub -L "$url/devices/$device/temperature" -q 1 -l)
publisher=$!
# Half a sine in twenty steps, in tenths of a degree.
steps=(200 216 231 245 259 271 281 289 295 299 300 299 295 289 281 271 259 245 231 216)
for ((i = 0; i < count; i++)); do
  tenths=${steps[i % ${#steps[@]}]}
  echo "$((tenths / 10)).$((tenths % 10))"
  sleep "$pause"
done
exec >&-
wait "$publisher"
