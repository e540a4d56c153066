"""Function calls as a stock MQTT 5 client makes them, with what came back to each and when."""

import struct
import threading
import time

from mqtt import Client, acknowledge, publish, subscribe, text

EXPIRY, RESPONSE_TOPIC, CORRELATION, USER = 0x02, 0x08, 0x09, 0x26
SIZES = {0x01: 1, EXPIRY: 4, 0x0B: 1, 0x23: 2}


def properties(response_topic=None, correlation=None, expiry=None, user=()):
    block = b""
    if expiry is not None:
        block += bytes([EXPIRY]) + struct.pack(">I", expiry)
    if response_topic is not None:
        block += bytes([RESPONSE_TOPIC]) + text(response_topic)
    if correlation is not None:
        block += bytes([CORRELATION]) + text(correlation)
    for name, value in dict(user).items():
        block += bytes([USER]) + text(name) + text(value)
    return block


def take_varint(data, at):
    number, shift = 0, 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def take_text(data, at):
    end = at + 2 + struct.unpack_from(">H", data, at)[0]
    return bytes(data[at + 2 : end]), end


class Message:
    """A received PUBLISH."""

    def __init__(self, first, body):
        self.qos = first >> 1 & 3
        topic, at = take_text(body, 0)
        self.topic = topic.decode()
        self.identifier = 0
        if self.qos:
            self.identifier = struct.unpack_from(">H", body, at)[0]
            at += 2
        length, at = take_varint(body, at)
        self.payload = body[at + length :]
        self.response_topic = self.correlation = None
        self.user = {}
        self.take_properties(body[at : at + length])

    def take_properties(self, block):
        at = 0
        while at < len(block):
            kind, at = block[at], at + 1
            if kind in SIZES:
                at += SIZES[kind]
            elif kind == USER:
                name, at = take_text(block, at)
                value, at = take_text(block, at)
                self.user[name.decode()] = value.decode()
            else:
                value, at = take_text(block, at)
                if kind == RESPONSE_TOPIC:
                    self.response_topic = value.decode()
                elif kind == CORRELATION:
                    self.correlation = value


class Answer:
    def __init__(self, message):
        self.at = time.monotonic()
        self.status = int(message.user.get("__stat", "200"))
        self.executed = message.user.get("fc-exec", "yes")
        self.payload = message.payload


class Caller:
    """A connected caller; a thread of its own notes every answer."""

    def __init__(self, port, name):
        self.name = name
        self.client = Client(port, name)
        self.client.send(subscribe(f"fc/_reply/{name}/#", qos=1))
        self.client.expect(0x90)
        self.sent = {}
        self.answers = {}
        self.codes = []
        self.lock = threading.Lock()
        self.error = None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while (found := self.client.next(timeout=60)) is not None:
                if found[0] & 0xF0 == 0x30:
                    message = Message(*found)
                    if message.qos:
                        self.client.send(acknowledge(0x40, message.identifier))
                    with self.lock:
                        self.answers.setdefault(message.correlation, []).append(Answer(message))
                elif found[0] == 0x40:
                    with self.lock:
                        self.codes.append(found[1][2] if len(found[1]) > 2 else 0)
        except OSError:
            pass  # closed by ourselves
        except Exception as error:  # told by `wait`: a thread's exception would be lost
            self.error = error

    def call(self, function, payload=b"", milliseconds=10_000, user=()):
        """Sends a request and returns its correlation data."""
        correlation = f"{self.name}-{len(self.sent)}".encode()
        block = properties(
            f"fc/_reply/{self.name}",
            correlation,
            expiry=max(1, -(-milliseconds // 1000)),
            user={"fc-ttl-ms": str(milliseconds), **dict(user)},
        )
        self.sent[correlation] = time.monotonic()
        identifier = 1 + len(self.sent) % 60_000
        self.client.send(publish(f"fc/{function}/req", payload, 1, identifier, properties=block))
        return correlation

    def wait(self, count=None, timeout=20):
        """Until that many calls are answered, or all; returns the answers by correlation data."""
        wanted = len(self.sent) if count is None else count
        limit = time.monotonic() + timeout
        while time.monotonic() < limit and self.error is None:
            with self.lock:
                if len(self.answers) >= wanted:
                    return dict(self.answers)
            time.sleep(0.002)
        raise AssertionError(f"{len(self.answers)} of {wanted} calls were answered; {self.error!r}")

    def took(self):
        """Milliseconds from each request to its first answer, in order of size."""
        with self.lock:
            return sorted((self.answers[name][0].at - self.sent[name]) * 1000 for name in self.answers)

    def close(self):
        self.client.close()


def percentile(ranked, share):
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]
