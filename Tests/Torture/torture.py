"""Puts a broker under abuse, load and crashes, row by row, and prints what it measured.

Usage: python3 torture.py BINARY [short|long] [ROW...]

One line a row: `ok R04_slow_consumer memory +3.1 MiB, ...`, or `failed ...`; exit code 1 when one has failed.
"""

import resource
import sys
import time
import traceback

import call_rows
import durability_rows
import function_rows
import rows
import weaker_settings
from broker import Broker


TIERS = {
    "short": rows.SHORT + call_rows.SHORT + durability_rows.SHORT + function_rows.SHORT,
    "long": rows.LONG + call_rows.LONG + durability_rows.LONG + weaker_settings.LONG,
}


class Start:
    """Starts brokers for a row and ends those that it leaves behind."""

    def __init__(self, binary):
        self.binary = binary
        self.brokers = []

    def __call__(self, limits="", more="", listeners=None, **process):
        broker = Broker(self.binary, limits, more, listeners, **process)
        self.brokers.append(broker)
        return broker

    def clean(self):
        for broker in self.brokers:
            if broker.process.poll() is None:
                broker.process.kill()
                broker.process.wait()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    binary = sys.argv[1]
    tier = sys.argv[2] if sys.argv[2:3] and sys.argv[2] in TIERS else None
    chosen = TIERS[tier] if tier else TIERS["short"] + TIERS["long"]
    names = sys.argv[3:] if tier else sys.argv[2:]
    failures = 0
    for row in chosen:
        if names and not any(row.__name__.startswith(name) for name in names):
            continue
        start = Start(binary)
        begun = time.monotonic()
        try:
            words = row(start)
            print(f"ok {row.__name__} {words} ({time.monotonic() - begun:.0f} s)", flush=True)
        except Exception:
            failures += 1
            print(f"failed {row.__name__}\n{traceback.format_exc()}", flush=True)
        finally:
            start.clean()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
