"""MQTT 5 packets as bytes, and a socket that speaks them: no more than the torture rows need."""

import socket
import struct


def varint(number):
    encoded = bytearray()
    while True:
        number, digit = number >> 7, number & 0x7F
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def connect(client, keep_alive=60, clean=True, properties=b"", will=None, version=5):
    flags = (2 if clean else 0) | (4 if will else 0)
    body = text("MQTT") + bytes([version, flags]) + struct.pack(">H", keep_alive)
    if version == 5:
        body += varint(len(properties)) + properties
    body += text(client)
    if will:
        topic, payload, delay = will
        if version == 5:
            block = b"\x18" + struct.pack(">I", delay) if delay else b""
            body += varint(len(block)) + block
        body += text(topic) + text(payload)
    return packet(0x10, body)


def publish(topic, payload, qos=0, identifier=1, retain=False, properties=b"", repeated=False):
    body = text(topic) + (struct.pack(">H", identifier) if qos else b"")
    first = 0x30 | repeated << 3 | qos << 1 | retain
    return packet(first, body + varint(len(properties)) + properties + payload)


def subscribe(filters, qos=0, identifier=1):
    filters = [filters] if isinstance(filters, str) else filters
    body = struct.pack(">H", identifier) + b"\0" + b"".join(text(name) + bytes([qos]) for name in filters)
    return packet(0x82, body)


def acknowledge(first, identifier):
    return packet(first, struct.pack(">H", identifier))


def application_message(first, body):
    """Topic, payload and packet identifier (0 with QoS 0) of a PUBLISH."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic, identifier = body[2:end].decode(), 0
    if first & 0x06:
        identifier = int.from_bytes(body[end : end + 2], "big")
        end += 2
    length, shift = 0, 0
    while True:
        digit = body[end]
        end += 1
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return topic, body[end + length :].decode(), identifier


PING = b"\xc0\0"
DISCONNECT = b"\xe0\0"


class Client:
    """A connected socket; `packets` are what has arrived, as (first byte, body)."""

    def __init__(self, port, client=None, receive_buffer=None, source=None, **options):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = bytearray()
        if client is not None:
            self.send(connect(client, **options))
            found = self.next()
            if found is None:
                raise ConnectionError("closed before CONNACK")
            first, body = found
            assert first == 0x20 and body[1] == 0, f"CONNACK {first:x} {body.hex()}"
            self.is_session_present = body[0] == 1

    def send(self, data):
        self.socket.sendall(data)

    def parse(self):
        """The next whole packet of the buffer, if there is one."""
        length, shift = 0, 0
        for index in range(1, min(len(self.buffer), 5)):
            length |= (self.buffer[index] & 0x7F) << shift
            shift += 7
            if self.buffer[index] < 0x80:
                end = index + 1 + length
                if len(self.buffer) < end:
                    return None
                found = self.buffer[0], bytes(self.buffer[index + 1 : end])
                del self.buffer[:end]
                return found
        return None

    def next(self, timeout=20):
        """The next packet; `None` when the broker has closed."""
        self.socket.settimeout(timeout)
        while True:
            found = self.parse()
            if found:
                return found
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data

    def expect(self, kind, timeout=20):
        """Skips to the next packet whose type is `kind` and gives its body."""
        while True:
            found = self.next(timeout)
            assert found is not None, f"closed while waiting for {kind:x}"
            if found[0] & 0xF0 == kind:
                return found[1]

    def until_closed(self, timeout=20):
        """Everything that comes until the broker closes."""
        packets = []
        while found := self.next(timeout):
            packets.append(found)
        return packets

    def reset(self):
        """Breaks the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
