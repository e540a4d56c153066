"""An instance of a function as a process of its own, so that it can be killed.

Usage: python3 instance.py PORT NAME FUNCTION MILLISECONDS [CAPACITY]

Answers each request with its payload, MILLISECONDS after it came; with `never` when it ends. Says `ready` when it serves,
then the number of requests it has had, and ends at SIGTERM as an instance should: it takes nothing new, answers what it
has, and goes.
"""

import collections
import signal
import socket
import sys
import time

from calls import Message, properties
from mqtt import DISCONNECT, Client, acknowledge, packet, publish, subscribe, text


class Instance:
    def __init__(self, port, name, function, delay, capacity):
        self.client = Client(port, name)
        self.name = name
        self.filter = f"$share/fc/fc/{function}/req/#"
        self.delay = delay
        self.waiting = collections.deque()
        self.count = 0
        self.identifier = 0
        self.unacknowledged = 0
        self.is_draining = False
        self.has_left = False
        if capacity:
            self.say("online", capacity)
            self.client.expect(0x40)
            self.unacknowledged = 0
        self.client.send(subscribe(self.filter, qos=1))
        self.client.expect(0x90)
        print("ready", flush=True)

    def publish(self, topic, payload, **terms):
        self.identifier = 1 + self.identifier % 60_000
        self.unacknowledged += 1
        self.client.send(publish(topic, payload, 1, self.identifier, **terms))

    def say(self, status, capacity):
        words = f'{{"status":"{status}","capacity":{capacity}}}'.encode()
        self.publish(f"fc/_inst/{self.name}", words, retain=True)

    def drain(self, *_):
        self.is_draining = True

    def run(self):
        left = False
        while not (left and self.is_done()):
            if self.is_draining and not left:
                left = True
                self.delay = self.delay or 0
                self.client.send(packet(0xA2, b"\0\7\0" + text(self.filter)))
            self.answer_due()
            try:
                found = self.client.next(timeout=self.pause())
            except socket.timeout:
                continue
            if found is None:
                return
            kind = found[0] & 0xF0
            if kind == 0x30:
                self.take(Message(*found))
            elif kind == 0x40:
                self.unacknowledged -= 1
            elif kind == 0xB0:
                self.has_left = True
        self.client.send(DISCONNECT)
        self.client.close()

    def is_done(self):
        """Closing with unread acknowledgements resets the connection, and takes the last answers with it."""
        return self.has_left and not self.unacknowledged and not self.waiting

    def pause(self):
        if self.delay is None or not self.waiting:
            return 0.05
        return max(0.0005, self.waiting[0][0] - time.monotonic())

    def take(self, message):
        if message.qos:
            self.client.send(acknowledge(0x40, message.identifier))
        self.count += 1
        print(self.count, flush=True)
        self.waiting.append((time.monotonic() + (self.delay or 0), message))

    def answer_due(self):
        while self.delay is not None and self.waiting and self.waiting[0][0] <= time.monotonic():
            message = self.waiting.popleft()[1]
            block = properties(correlation=message.correlation, user={"__stat": "200"})
            self.publish(message.response_topic, message.payload, properties=block)


def main():
    port, name, function, delay = sys.argv[1:5]
    capacity = int(sys.argv[5]) if len(sys.argv) > 5 else None
    instance = Instance(int(port), name, function, None if delay == "never" else int(delay) / 1000, capacity)
    signal.signal(signal.SIGTERM, instance.drain)
    instance.run()


if __name__ == "__main__":
    main()
