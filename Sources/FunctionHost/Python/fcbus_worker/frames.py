"""Frames between host and worker.

    frame length (4 bytes, big endian) | header length (4, BE) | header: JSON object, UTF-8 | payload: raw bytes

The frame length counts everything behind itself.
"""

import json
import os
import struct
import threading

FRAME_BYTES_MAX = 17 << 20
HEADER_BYTES_MAX = 256 << 10


class FrameTooLong(ValueError):
    """A frame that the host would refuse; nothing of it was sent."""


class FrameReader:
    """Reads frames from a descriptor; one thread only."""

    def __init__(self, fd):
        self._file = os.fdopen(fd, "rb", buffering=1 << 16)

    def abandon(self):
        """In a process that was forked: the host's frames are not for this one."""
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, self._file.fileno())
        os.close(null)

    def read(self):
        """The next (header, payload), or None at the end of the stream."""
        lengths = self._file.read(8)
        if len(lengths) < 8:
            return None
        frame_length, header_length = struct.unpack(">II", lengths)
        body = self._file.read(frame_length - 4)
        if len(body) < frame_length - 4:
            return None
        return json.loads(body[:header_length]), body[header_length:]


class FrameWriter:
    """Writes whole frames to a descriptor; any thread."""

    def __init__(self, fd):
        self._fd = fd
        self._lock = threading.Lock()

    @property
    def lock(self):
        """Held while a frame is written: whoever holds it knows that no thread is in the middle of one."""
        return self._lock

    def abandon(self):
        """In a process that was forked: whatever is written from now on goes nowhere."""
        self._lock = threading.Lock()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._fd)
        os.close(null)

    def write(self, header, payload=b""):
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        frame_length = 4 + len(text) + len(payload)
        if frame_length > FRAME_BYTES_MAX or len(text) > HEADER_BYTES_MAX:
            raise FrameTooLong(
                "%d bytes of payload and %d bytes of header do not fit into a frame of %d bytes"
                % (len(payload), len(text), FRAME_BYTES_MAX)
            )
        rest = memoryview(struct.pack(">II", frame_length, len(text)) + text + payload)
        with self._lock:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
