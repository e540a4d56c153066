"""Clients that go on while the broker dies under them again and again, and what each of them knows for certain.

Each has one connection per life of the broker and keeps, as a client on a disk of its own would, what it needs to go on
in the next one.
"""

import random
import struct
import threading

from mqtt import PING, Client, acknowledge, application_message, publish, subscribe

KEPT = b"\x11" + struct.pack(">I", 3600)
CLOSED = (ConnectionError, BrokenPipeError)


class Worker:
    """`work` runs in a thread of its own and ends when the broker is gone."""

    def __init__(self, name):
        self.name = name
        self.client = None
        self.error = None
        self.sequence = 0
        self.thread = None

    def start(self, port):
        self.port = port
        self.open()
        self.thread = threading.Thread(target=self.guarded)
        self.thread.start()

    def open(self):
        self.client = Client(self.port, self.name, clean=False, properties=KEPT)

    def guarded(self):
        try:
            self.work()
        except CLOSED:
            pass
        except Exception as error:  # told by join: a thread's exception would be lost
            self.error = error
        finally:
            self.client.close()

    def join(self):
        self.thread.join()
        if self.error:
            raise self.error

    def following(self):
        self.sequence += 1
        return f"{self.name}-{self.sequence:07}"


class Publisher1(Worker):
    """QoS 1 with up to `window` messages under way. What is not acknowledged when the broker dies is not sent again:
    whether it was taken is not known."""

    def __init__(self, name, topics, window=16, payload=b""):
        super().__init__(name)
        self.topics, self.window, self.payload = topics, window, payload
        self.acknowledged, self.refused = [], 0

    def work(self):
        waiting, identifier = {}, 0
        while True:
            batch = []
            while len(waiting) < self.window:
                identifier = identifier % 60_000 + 1
                waiting[identifier] = name = self.following()
                topic = self.topics[self.sequence % len(self.topics)]
                batch.append(publish(topic, name.encode() + self.payload, 1, identifier))
            self.client.send(b"".join(batch))
            found = self.client.next()
            if found is None:
                return
            assert found[0] == 0x40, f"packet {found[0]:x}"
            name = waiting.pop(int.from_bytes(found[1][:2], "big"))
            if found[1][2:3] >= b"\x80":
                self.refused += 1
            else:
                self.acknowledged.append(name)


class Subscriber1(Worker):
    """Takes QoS 1 messages and acknowledges them in bundles, so that some are under way when the broker dies."""

    def __init__(self, name, bundle=8):
        super().__init__(name)
        self.seen, self.bundle = set(), bundle
        self.disorder = 0
        self.last = {}

    def open(self):
        super().open()
        assert self.client.is_session_present, f"the session of {self.name} is lost"

    def work(self):
        owed = []
        while found := self.client.next():
            if found[0] & 0xF0 != 0x30:
                continue
            _, name, identifier = application_message(*found)
            self.note(name)
            owed.append(acknowledge(0x40, identifier))
            if len(owed) == self.bundle:
                self.client.send(b"".join(owed))
                owed = []

    def note(self, name):
        """A message that was not seen before must not come after later ones of its publisher."""
        name = name[: name.rindex("-") + 8]
        if name in self.seen:
            return
        self.seen.add(name)
        publisher, number = name.rsplit("-", 1)
        self.disorder += int(number) < self.last.get(publisher, 0)
        self.last[publisher] = int(number)

    def drain(self, port, expected):
        """Connects, takes what is there until everything expected has come, and goes again."""
        self.port = port
        self.open()
        client = self.client
        try:
            missing = expected - self.seen
            while missing:
                found = client.next(timeout=5)
                assert found is not None, "closed while draining"
                if found[0] & 0xF0 == 0x30:
                    _, name, identifier = application_message(*found)
                    self.note(name)
                    missing.discard(name[: name.rindex("-") + 8])
                    client.send(acknowledge(0x40, identifier))
        except TimeoutError:
            pass  # what has not come by now is counted as lost
        client.close()
        return expected - self.seen


class RetainedWriter(Worker):
    """Changes retained messages and sometimes removes them; knows what each topic may hold."""

    def __init__(self, name, count=20):
        super().__init__(name)
        self.topics = [f"state/{name}/{number}" for number in range(count)]
        # All that was sent to a topic, in order, and the place of the last that was acknowledged.
        self.sent = {topic: [""] for topic in self.topics}
        self.known = {topic: 0 for topic in self.topics}
        self.acknowledged = 0

    def work(self):
        waiting, identifier = [], 0
        while True:
            while len(waiting) < 8:
                identifier = identifier % 60_000 + 1
                value = self.following()
                topic = self.topics[self.sequence % len(self.topics)]
                value = "" if random.random() < 0.1 else value
                self.sent[topic].append(value)
                waiting.append((topic, len(self.sent[topic]) - 1))
                self.client.send(publish(topic, value.encode(), 1, identifier, retain=True))
            found = self.client.next()
            if found is None:
                return
            if found[0] == 0x40:
                topic, place = waiting.pop(0)
                self.known[topic] = place
                self.acknowledged += 1

    def wrong(self, port):
        """Topics that hold neither what was acknowledged last nor anything sent after it."""
        client = Client(port, "reader")
        client.send(subscribe(f"state/{self.name}/#") + PING)
        found = {}
        while (arrived := client.next())[0] != 0xD0:
            if arrived[0] & 0xF0 == 0x30:
                topic, value, _ = application_message(*arrived)
                found[topic] = value
        client.close()
        return [t for t in self.topics if found.get(t, "") not in self.sent[t][self.known[t] :]]


class Publisher2(Worker):
    """QoS 2 from a session that lasts: every message is sent again until its exchange is over."""

    def __init__(self, name, topic, window=8):
        super().__init__(name)
        self.topic, self.window = topic, window
        self.unreceived, self.unfinished = {}, set()  # identifiers that wait for PUBREC, and for PUBCOMP
        self.completed = []
        self.names = {}
        self.is_over = False
        self.breaks_after = None

    def open(self):
        super().open()
        begun = bool(self.names)
        assert self.client.is_session_present or not begun, f"the session of {self.name} is lost"
        again = [publish(self.topic, n.encode(), 2, i, repeated=True) for i, n in self.unreceived.items()]
        again += [acknowledge(0x62, identifier) for identifier in self.unfinished]
        self.client.send(b"".join(again))

    def work(self):
        while True:
            self.fill()
            if self.is_over and not self.names:
                return
            if self.breaks_after == 0:
                self.client.reset()
                self.open()
            if self.breaks_after is not None:
                self.breaks_after = random.randrange(50, 400) if self.breaks_after == 0 else self.breaks_after - 1
            found = self.client.next()
            if found is None:
                return
            self.take(*found)

    def fill(self):
        while len(self.names) < self.window and not self.is_over:
            identifier = next(i for i in range(1, self.window + 1) if i not in self.names)
            name = self.following()
            self.names[identifier] = self.unreceived[identifier] = name
            self.client.send(publish(self.topic, name.encode(), 2, identifier))

    def take(self, first, body):
        identifier = int.from_bytes(body[:2], "big")
        if first == 0x50:
            assert body[2:3] < b"\x80", f"PUBREC {body.hex()}"
            self.unreceived.pop(identifier, None)
            self.unfinished.add(identifier)
            self.client.send(acknowledge(0x62, identifier))
        elif first == 0x70 and identifier in self.unfinished:
            # 0x92 is right when the broker had forgotten the exchange because it was over.
            self.unfinished.remove(identifier)
            self.completed.append(self.names.pop(identifier))


class Subscriber2(Worker):
    """QoS 2 with a session that lasts: counts how often each message was handed out."""

    def __init__(self, name):
        super().__init__(name)
        self.counts = {}
        self.held = set()
        self.breaks_after = None
        self.enough = None

    def open(self):
        super().open()
        assert self.client.is_session_present or not self.counts, f"the session of {self.name} is lost"

    def work(self):
        while self.enough is None or len(self.counts) < self.enough:
            if self.breaks_after == 0:
                self.client.reset()
                self.open()
            if self.breaks_after is not None:
                self.breaks_after = random.randrange(50, 400) if self.breaks_after == 0 else self.breaks_after - 1
            try:
                found = self.client.next(timeout=5 if self.enough else 20)
            except TimeoutError:
                return  # what has not come by now is counted as lost
            if found is None:
                return
            self.take(*found)

    def take(self, first, body):
        if first & 0xF0 == 0x30:
            _, name, identifier = application_message(first, body)
            if identifier not in self.held:
                self.counts[name] = self.counts.get(name, 0) + 1
                self.held.add(identifier)
            self.client.send(acknowledge(0x50, identifier))
        elif first == 0x62:
            identifier = int.from_bytes(body[:2], "big")
            self.held.discard(identifier)
            self.client.send(acknowledge(0x70, identifier))
