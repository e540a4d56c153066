"""The rows of the function host: a whole platform, broker and host, under load."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from calls import Caller, Message, properties
from mqtt import Client, publish, subscribe
from rows import check

COUNTER = """service: T
function: counter
runtime: python3
handler: index.handler
workers: { max: 1 }
triggers:
  - topic: devices/#
    raw: true
"""
CODE = """VERSION = 0
runs = {}
def handler(event, context):
    if event == b"version":
        return VERSION
    if event == b"count":
        return {"distinct": len(runs), "runs": sum(runs.values())}
    runs[event] = runs.get(event, 0) + 1
"""


class Platform:
    """`fcbus up` over a folder with the counter."""

    def __init__(self, binary, *options):
        self.folder = tempfile.mkdtemp(prefix="fcbus-up-")
        os.mkdir(f"{self.folder}/counter")
        for name, text in (("function.yaml", COUNTER), ("index.py", CODE)):
            with open(f"{self.folder}/counter/{name}", "w") as file:
                file.write(text)
        self.log = open(f"{self.folder}/log", "w+")
        self.process = subprocess.Popen(
            [binary, "up", "--functions", self.folder, "--port", "0", "--log-level", "warning", *options],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line.startswith("ready"), self.words()
        self.port = int(re.search(r":(\d+)", line[len("ready mqtt:") :]).group(1))
        self.operator = Caller(self.port, "operator")

    def words(self):
        with open(self.log.name) as log:
            return log.read()

    def call(self, function, payload=b""):
        name = self.operator.call(function, payload, milliseconds=30_000)
        answer = self.operator.wait(timeout=40)[name][0]
        check(answer.status == 200, f"{function}: {answer.status} {answer.payload!r}")
        return json.loads(answer.payload)

    def triggers(self):
        """What the host says of its triggers to `_ctl stats`."""
        client = Client(self.port, "stats")
        client.send(subscribe("fc/_reply/stats", 1))
        client.expect(0x90)
        client.send(publish("fc/_ctl/stats/T", b"", properties=properties("fc/_reply/stats", b"1")))
        while (found := client.next())[0] & 0xF0 != 0x30:
            pass
        client.close()
        return json.loads(Message(*found).payload)["triggers"][0]

    def end(self):
        self.operator.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        words = self.words()
        self.log.close()
        shutil.rmtree(self.folder)
        check(code == 0, f"exit code {code}: {words[-2000:]}")
        return words


def send_events(port, count, window=500):
    """Events of QoS 1 as fast as the broker takes them; each has a payload of its own."""
    client = Client(port, "device")
    sent = taken = 0
    while taken < count:
        batch = []
        while sent < min(count, taken + window):
            sent += 1
            batch.append(publish("devices/d1/state", b"event %d" % sent, 1, 1 + sent % 60_000))
        client.send(b"".join(batch))
        found = client.next()
        check(found is not None and found[0] == 0x40 and found[1][2:3] < b"\x80", f"no acknowledgement: {found}")
        taken += 1
    client.close()


def trigger_load(start, count, *options):
    """Events for one Python function, one at a time: each runs once, or is counted as given up."""
    platform = Platform(start.binary, *options)
    begun = time.monotonic()
    send_events(platform.port, count)
    sent_in = time.monotonic() - begun
    limit = begun + 100
    while time.monotonic() < limit:
        told, seen = platform.triggers(), platform.call("T/counter", b"count")
        if told["waiting"] == 0 and seen["distinct"] + told["shed"] == count:
            break
        time.sleep(0.2)
    took = time.monotonic() - begun
    check(seen["distinct"] + told["shed"] == count, f"{count} sent, {seen}, {told}")
    check(seen["runs"] == seen["distinct"], f"some ran twice: {seen}")
    check(told["taken"] == seen["distinct"] and told["refused"] == 0, f"{seen}, {told}")
    words = platform.end()
    if told["shed"]:
        check(f"lost {told['shed']} messages of devices/# in all" in words, words[-2000:])
    return (
        f"{count} events in {sent_in:.1f} s: {seen['distinct']} ran, {told['shed']} given up and counted, "
        f"{seen['distinct'] / took:.0f} runs a second"
    )


def F01_trigger_load(start):
    """Twenty thousand events at the broker's full rate."""
    return trigger_load(start, 20_000)


def F02_durable_trigger_load(start):
    """Ten thousand events, each on disk before it runs and again when it has run."""
    store = tempfile.mkdtemp(prefix="fcbus-store-")
    try:
        return trigger_load(start, 10_000, "--data-dir", store)
    finally:
        shutil.rmtree(store, ignore_errors=True)


def F03_reload_under_load(start):
    """The code of a function changes three times while it is called, eight calls at a time: none fails."""
    platform = Platform(start.binary)
    caller, versions, newest = Caller(platform.port, "busy"), [], 0
    limit = time.monotonic() + 90
    while newest <= 3:
        check(time.monotonic() < limit, f"version {newest} never came: {set(versions)}")
        for _ in range(8):
            caller.call("T/counter", b"version")
        answers = [answer for found in caller.wait().values() for answer in found]
        check(all(answer.status == 200 for answer in answers), {answer.status for answer in answers})
        check(len(answers) == len(caller.sent), f"{len(answers)} answers to {len(caller.sent)} calls")
        versions = [int(answer.payload) for answer in answers]
        if max(versions) == newest:
            newest += 1
            file = f"{platform.folder}/counter/index.py"
            with open(f"{file}.new", "w") as code:
                code.write(CODE.replace("VERSION = 0", f"VERSION = {newest}"))
            os.replace(f"{file}.new", file)
    counts = [versions.count(version) for version in range(4)]
    check(all(counts), f"a version answered no call: {counts}")
    caller.close()
    platform.end()
    return f"{len(versions)} calls, none failed; answered by each version: {counts}"


SHORT = [
    F01_trigger_load,
    F02_durable_trigger_load,
    F03_reload_under_load,
]
