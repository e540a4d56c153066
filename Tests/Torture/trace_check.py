"""Reads what strace wrote of a broker, and finds acknowledgements that left before what they acknowledge was on disk.

The trace has every read and write of sockets and of the store's files with its bytes, in the order in which the kernel
began and ended them. Something counts as on disk when a write to the log that contained it had ended before a sync of
the log began, and the sync has ended.
"""

import os
import re
import subprocess

CALL = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
RESULT = re.compile(r"= (-?\d+)(?: \w+ \(.*\))?$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
READS = {"read", "readv", "recvfrom", "recvmsg"}
WRITES = {"write", "writev", "sendto", "sendmsg", "pwrite64"}
STRACE = ["strace", "-D", "-f", "-y", "-xx", "-s", "300000"]
TRACED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync"


def is_possible():
    """Some containers let nobody trace."""
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def command(file):
    return [*STRACE, "-o", file, "-e", f"trace={TRACED}"]


def is_whole(file, process):
    """Whether strace has written all that the process did."""
    with open(file, "rb") as trace:
        trace.seek(max(0, os.path.getsize(file) - 4096))
        return re.search(rb"^%d +\+\+\+ exited" % process, trace.read(), re.MULTILINE) is not None


def binary(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Stream:
    """One direction of a connection."""

    def __init__(self):
        self.buffer = bytearray()

    def packets(self, data):
        self.buffer += data
        found = []
        while True:
            length, end = 0, 1
            while end < len(self.buffer) and self.buffer[end] & 0x80:
                length |= (self.buffer[end] & 0x7F) << 7 * (end - 1)
                end += 1
            if end >= len(self.buffer):
                return found
            length |= self.buffer[end] << 7 * (end - 1)
            end += 1
            if len(self.buffer) < end + length:
                return found
            found.append((self.buffer[0], bytes(self.buffer[end : end + length])))
            del self.buffer[: end + length]


class Disk:
    """What was written to the log and what of it is on the disk for certain."""

    def __init__(self):
        self.written = []
        self.synced = set()
        self.syncing = {}

    def wrote(self, names):
        self.written += names

    def sync_began(self, thread):
        self.syncing[thread] = len(self.written)

    def sync_ended(self, thread, worked):
        count = self.syncing.pop(thread)
        if worked:
            self.synced.update(self.written[:count])
            for other in self.syncing:
                self.syncing[other] -= count
            del self.written[:count]


class Checker:
    """`name` finds, in bytes, the names that rows give to what is to be stored."""

    def __init__(self, name):
        self.name = name
        self.disk = Disk()
        self.inbound, self.outbound = {}, {}
        self.waiting = {}  # by connection and packet identifier: the names that an acknowledgement rests on
        self.acknowledged, self.violations = 0, []
        self.begun = {}
        self.leaving = {}  # by thread: how much it writes, and what of the stream was no whole packet before

    def read(self, file):
        with open(file) as lines:
            for line in lines:
                self.line(line.rstrip("\n"))

    def line(self, line):
        if match := CALL.match(line):
            thread, call, path, rest = match.groups()
            path = binary(path).decode(errors="replace")
            self.began(thread, call, path, rest)
            if not rest.endswith("<unfinished ...>"):
                self.ended(thread, call, path, rest, rest)
            else:
                self.begun[thread] = call, path, rest
        elif (match := RESUMED.match(line)) and match[1] in self.begun:
            call, path, rest = self.begun.pop(match[1])
            self.ended(match[1], call, path, rest, match[3])

    def began(self, thread, call, path, rest):
        if call in ("fdatasync", "fsync") and path.endswith("-wal"):
            self.disk.sync_began(thread)
        elif call in WRITES and path.startswith("socket:"):
            # From its beginning on the client may have it.
            data = b"".join(map(binary, STRING.findall(rest)))
            self.leaving[thread] = len(data), bytes(self.outbound.setdefault(path, Stream()).buffer)
            self.leaves(path, data)

    def ended(self, thread, call, path, arguments, end):
        result = RESULT.search(end)
        count = int(result[1]) if result else -1
        if call in ("fdatasync", "fsync") and path.endswith("-wal"):
            self.disk.sync_ended(thread, count == 0)
        elif call == "pwrite64" and path.endswith("-wal") and count > 0:
            self.disk.wrote(self.name.findall(b"".join(map(binary, STRING.findall(arguments)))[:count]))
        elif call in WRITES and path.startswith("socket:"):
            length, before = self.leaving.pop(thread)
            if count < length:
                # The rest is written again. What is looked at twice counts once.
                data = b"".join(map(binary, STRING.findall(arguments)))[: max(0, count)]
                self.outbound[path].buffer = bytearray(before)
                self.outbound[path].packets(data)
        elif call in READS and path.startswith("socket:") and count > 0:
            strings = STRING.findall(end) or STRING.findall(arguments)
            self.arrives(path, b"".join(map(binary, strings))[:count])

    def arrives(self, connection, data):
        for first, body in self.inbound.setdefault(connection, Stream()).packets(data):
            kind = first & 0xF0
            if kind == 0x30 and first & 0x06:
                end = 2 + int.from_bytes(body[:2], "big")
                self.waiting[connection, 0x30, body[end : end + 2]] = self.name.findall(body)
            elif kind == 0x80:
                self.waiting[connection, 0x80, body[:2]] = self.name.findall(body)
            elif kind == 0x10:
                self.waiting[connection, 0x10, b""] = self.name.findall(body)

    def leaves(self, connection, data):
        for first, body in self.outbound.setdefault(connection, Stream()).packets(data):
            kind = first & 0xF0
            if kind in (0x40, 0x50):
                names = self.waiting.pop((connection, 0x30, body[:2]), [])
            elif kind == 0x90:
                names = self.waiting.pop((connection, 0x80, body[:2]), [])
            elif kind == 0x20:
                names = self.waiting.pop((connection, 0x10, b""), [])
            else:
                continue
            self.acknowledged += bool(names)
            early = [name.decode() for name in names if name not in self.disk.synced]
            if early:
                self.violations.append(f"{first:x} {' '.join(early)}")
