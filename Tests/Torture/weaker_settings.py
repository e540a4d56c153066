"""What is lost with weaker settings, and with Debian's mosquitto, when the broker is killed: figures for comparison."""

import os
import socket
import subprocess
import tempfile
import time

from crash_load import KEPT, Subscriber1
from durability_rows import Stage
from mqtt import Client, publish, subscribe
from rows import check


class Mosquitto:
    """Debian's mosquitto with its store in a folder of its own, and further lines of configuration."""

    def __init__(self, more=""):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="fcbus-mosquitto-")
        self.file = os.path.join(self.folder, "mosquitto.conf")
        with open(self.file, "w") as file:
            file.write(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\nset_tcp_nodelay true\nlog_type none\n"
                f"persistence true\npersistence_location {self.folder}/\nmax_queued_messages 0\n{more}\n"
            )
        self.launch()

    def launch(self, **_):
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self.file], stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                Client(self.port, "first").close()
                return
            except ConnectionError:
                time.sleep(0.01)
        raise AssertionError("mosquitto does not listen")

    def kill(self):
        self.process.kill()
        self.process.wait()


def lost_at_kill(broker, process, count=2000):
    """Of so many acknowledged messages to a session that is away, how many are gone after kill -9 and a new start, and
    how many messages a second were acknowledged."""
    client = Client(broker.port, "away", clean=False, properties=KEPT)
    client.send(subscribe("load/#", 1))
    client.expect(0x90)
    client.close()
    writer = Client(broker.port, "writer")
    begun = time.monotonic()
    window = 20
    for base in range(0, count, window):
        writer.send(b"".join(publish("load/x", b"w-%07d" % (base + i), 1, 1 + i) for i in range(window)))
        for _ in range(window):
            check(writer.expect(0x40, timeout=60)[2:3] < b"\x80", "refused")
    rate = count / (time.monotonic() - begun)
    broker.kill()
    broker.launch(**process)
    away = Subscriber1("away")
    expected = {f"w-{number:07}" for number in range(count)}
    try:
        missing = len(away.drain(broker.port, expected))
    except AssertionError:
        missing = count  # not even the session is there
    return f"lost {missing} of {count} at {rate:.0f}/s"


def weaker_settings(start):
    """How much of 2 000 acknowledged messages kill -9 takes: with every setting, and with mosquitto."""
    words = []
    for name, more in (("commit", ""), ("memory", "persistence: { durability: memory }")):
        stage = Stage(start, more=more)
        words.append(f"{name}: {lost_at_kill(stage.broker, stage.process)}")
        stage.end()
    broker = start("  queuedMessagesMax: 10000")
    words.append(f"no directory: {lost_at_kill(broker, {})}")
    broker.stop()
    saving = "autosave_on_changes true\nautosave_interval 1"
    for name, more in (("mosquitto", ""), ("mosquitto saving at every change", saving)):
        mosquitto = Mosquitto(more)
        try:
            words.append(f"{name}: {lost_at_kill(mosquitto, {})}")
        finally:
            mosquitto.kill()
    check(words[0].startswith("commit: lost 0 "), "; ".join(words))
    return "; ".join(words)


LONG = [weaker_settings]
