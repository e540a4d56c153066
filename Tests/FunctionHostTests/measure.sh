#!/usr/bin/env bash
# Prints what the function host costs on this machine: a warm call beside a bare pipe, a cold start beside that of the
# interpreter and its imports, a trigger.
#   Tests/FunctionHostTests/measure.sh [release|debug]
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-release}
flags=()
[[ $mode == release ]] && flags=(-Xswiftc -enable-testing)
FCBUS_MEASURE=1 swift test -c "$mode" "${flags[@]}" --filter FunctionHostTests.Measurements 2>&1 |
    grep -E '^(pipe echo|warm call|overhead|interpreter|with imports|cold start|trigger|first look|further looks)|error:|failed'
