"""A broker under torture: started with limits of the row's own, watched, and ended."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time

from mqtt import Client, publish, subscribe


class Broker:
    """`directory` is that of its store; `command` goes before the program, `environment` on top of the one it inherits."""

    def __init__(self, binary, limits="", more="", listeners=None, **process):
        self.binary = binary
        self.file = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        listeners = listeners or "listeners: [{ port: 0 }]"
        self.file.write(f"{listeners}\n{more}\nlimits:\n  connectionsPerAddressMax: 20000\n{limits}\n")
        self.file.close()
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)
        self.launch(**process)
        Client(self.port, "first").close()
        time.sleep(0.2)
        self.base = self.memory()

    def launch(self, directory=None, command=(), environment=None):
        """Starts the program, or starts it again after its end; waits until it takes connections."""
        store = ["--data-dir", directory] if directory else []
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [*command, self.binary, "broker", "--config", self.file.name, "--log-level", "warning", *store],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        line = self.process.stdout.readline()
        assert line.startswith("ready"), self.words()
        self.ready_after = time.monotonic() - begun
        self.port = int(re.search(r":(\d+)", line[len("ready mqtt:") :]).group(1))

    def words(self):
        """What it has logged."""
        with open(self.log.name) as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def memory(self):
        """Resident MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def growth(self):
        """MiB above what it held when it had started."""
        return self.memory() - self.base

    def system(self, topic):
        """The value of a $SYS topic, as the broker says it next."""
        client = Client(self.port, "system")
        client.send(subscribe(f"$SYS/broker/{topic}"))
        body = client.expect(0x30)
        client.close()
        return body[2 + len(f"$SYS/broker/{topic}") + 1 :].decode()

    def stop(self):
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        os.unlink(self.file.name)
        os.unlink(self.log.name)
        assert alive and code == 0, f"the broker ended with {code}"


class Probe:
    """Somebody else's traffic during a torture: a message there and back a hundred times a second, its time noted."""

    def __init__(self, port, client="probe"):
        self.client = Client(port, client)
        self.topic = f"probe/{client}"
        self.client.send(subscribe(self.topic))
        self.client.expect(0x90)
        self.times = []
        self.error = None
        self.running = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while self.running:
                start = time.perf_counter()
                self.client.send(publish(self.topic, b"x" * 64))
                self.client.expect(0x30)
                self.times.append((time.perf_counter() - start) * 1000)
                time.sleep(0.01)
        except Exception as error:  # told by stop: a thread's exception would be lost
            self.error = error

    def stop(self):
        """Milliseconds: median and 99th percentile."""
        self.running = False
        self.thread.join()
        assert self.error is None, f"the probe failed: {self.error!r}"
        ranked = sorted(self.times)
        return ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]

