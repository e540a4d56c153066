"""One-way calls while the broker dies again and again: who sends them, and the instance that runs them."""

from calls import Message, properties
from crash_load import KEPT, Publisher1, Worker
from mqtt import Client, acknowledge, publish, subscribe


def sender(name, function, window=16):
    """Sends one-way calls; those in `acknowledged` are accepted."""
    return Publisher1(name, [f"fc/{function}/async"], window)


class Instance(Worker):
    """Runs what it is sent at once, and knows how often it has run what.

    It has no session that lasts: a call that is under way when the broker dies must come from the broker again.
    """

    def __init__(self, name, function):
        super().__init__(name)
        self.filter = f"$share/fc/fc/{function}/req/#"
        self.runs = {}
        # Ran, and the broker has not acknowledged the answer: all that may run once more.
        self.unsettled = set()
        self.repeated = []

    def open(self):
        self.client = Client(self.port, self.name)
        self.client.send(subscribe(self.filter, 1))
        self.client.expect(0x90)

    def work(self):
        answered, identifier = {}, 0
        while found := self.client.next():
            if found[0] == 0x40:
                assert found[1][2:3] < b"\x80", f"an answer was refused: {found[1].hex()}"
                self.unsettled.discard(answered.pop(int.from_bytes(found[1][:2], "big")))
            if found[0] & 0xF0 != 0x30:
                continue
            call = Message(*found)
            name = call.payload.decode()
            if name in self.runs and name not in self.unsettled:
                self.repeated.append(name)
            self.runs[name] = self.runs.get(name, 0) + 1
            self.unsettled.add(name)
            identifier = identifier % 60_000 + 1
            answered[identifier] = name
            block = properties(correlation=call.correlation, user={"__stat": "200"})
            self.client.send(
                acknowledge(0x40, call.identifier)
                + publish(call.response_topic, b"done", 1, identifier, properties=block)
            )
