"""The rows of durability: what was acknowledged is there after every end of the broker, and nothing leaves too early.

Figures of time are milliseconds where nothing else is said.
"""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

import task_load
import trace_check
from call_rows import stats
from calls import Message, properties
from crash_load import KEPT, Publisher1, Publisher2, RetainedWriter, Subscriber1, Subscriber2
from disks import BadDisk, SmallDisk
from mqtt import PING, Client, acknowledge, connect, publish, subscribe
from rows import check

ROOM = "  queuedMessagesMax: 2000000\n  queuedBytesMax: 4GiB\n  sessionsMax: 200000"


class Stage:
    """A broker with a store, which dies and is started again."""

    def __init__(self, start, more="", disk=None, command=()):
        self.folder = tempfile.mkdtemp(prefix="fcbus-store-")
        self.process = {"directory": disk.directory if disk else os.path.join(self.folder, "data")}
        if disk:
            self.process["environment"] = disk.environment
        self.directory = self.process["directory"]
        self.broker = start(ROOM, more=more, command=command, **self.process)

    def subscribe(self, subscriber, filters, qos):
        """Makes the session of a subscriber that is away at first."""
        client = Client(self.broker.port, subscriber.name, clean=False, properties=KEPT)
        client.send(subscribe(filters, qos))
        assert client.expect(0x90)[-1] == qos
        client.close()
        return subscriber

    def life(self, workers, least=0.005, most=0.4):
        """Lets the workers work for a random time, kills the broker under them, and starts it again."""
        for worker in workers:
            worker.start(self.broker.port)
        time.sleep(random.uniform(least, most))
        self.broker.kill()
        for worker in workers:
            worker.join()
        self.again()

    def again(self):
        self.broker.launch(**self.process)

    def end(self):
        self.broker.stop()
        shutil.rmtree(self.folder)


class Load1:
    """QoS 1 to a session that is away, to one that is there, and retained messages that change."""

    def __init__(self, stage, publishers=8):
        self.stage = stage
        self.here = stage.subscribe(Subscriber1("here"), "load/#", 1)
        self.away = stage.subscribe(Subscriber1("away"), "load/#", 1)
        self.publishers = [Publisher1(f"p{number}", [f"load/{number}"]) for number in range(publishers)]
        self.keeper = RetainedWriter("keeper")
        self.workers = [self.here, *self.publishers, self.keeper]

    def acknowledged(self):
        return {name for publisher in self.publishers for name in publisher.acknowledged}

    def verify(self):
        """Fails when something is not there that was acknowledged."""
        port, acknowledged = self.stage.broker.port, self.acknowledged()
        for subscriber in (self.away, self.here):
            lost = subscriber.drain(port, acknowledged)
            check(not lost, f"{len(lost)} of {len(acknowledged)} lost by {subscriber.name}: {sorted(lost)[:5]}")
            check(subscriber.disorder == 0, f"{subscriber.disorder} out of order at {subscriber.name}")
        wrong = self.keeper.wrong(port)
        check(not wrong, f"retained messages of another time: {wrong}")


class Load2:
    """QoS 2 from sessions that last to one that lasts. Some of the clients break their connections, too."""

    def __init__(self, stage):
        self.stage = stage
        self.taker = stage.subscribe(Subscriber2("taker"), "twice/#", 2)
        self.publishers = [Publisher2(f"q{number}", f"twice/{number}") for number in range(3)]
        self.workers = [self.taker, *self.publishers]
        for worker in (self.taker, self.publishers[0]):
            worker.breaks_after = random.randrange(50, 400)

    def finish(self):
        """Lets all exchanges come to their end, and counts."""
        for worker in self.workers:
            worker.breaks_after, worker.is_over = None, True
        for publisher in self.publishers:
            publisher.start(self.stage.broker.port)
            publisher.join()
        completed = {name for publisher in self.publishers for name in publisher.completed}
        self.taker.enough = len(completed)
        self.taker.start(self.stage.broker.port)
        self.taker.join()
        lost = completed - set(self.taker.counts)
        twice = [name for name, count in self.taker.counts.items() if count > 1]
        check(not lost, f"{len(lost)} of {len(completed)} lost: {sorted(lost)[:5]}")
        check(not twice, f"{len(twice)} of {len(completed)} came twice: {sorted(twice)[:5]}")
        return len(completed)


class Tasks:
    """One-way calls, and the instance that runs them, which loses its connection with each death of the broker."""

    def __init__(self, stage):
        self.stage = stage
        self.senders = [task_load.sender(f"t{number}", "demo/job") for number in range(2)]
        self.instance = task_load.Instance("instance", "demo/job")
        self.workers = [self.instance, *self.senders]

    def finish(self):
        """Lets the instance run what is left; every accepted call must have run and ended by then."""
        accepted = {name for sender in self.senders for name in sender.acknowledged}
        port = self.stage.broker.port
        self.instance.start(port)
        limit = time.monotonic() + 60
        while (found := stats(port))["tasks"] and time.monotonic() < limit:
            time.sleep(0.05)
        self.stage.broker.kill()
        self.instance.join()
        lost, repeated = accepted - set(self.instance.runs), self.instance.repeated
        check(not lost, f"{len(lost)} of {len(accepted)} never ran: {sorted(lost)[:5]}")
        check(not found["tasks"], f"{found['tasks']} have not ended")
        check(not found["deadLetters"], f"{found['deadLetters']} were given up")
        check(not repeated, f"{len(repeated)} ran again after their answers were taken: {repeated[:5]}")
        self.stage.again()
        again = sum(count - 1 for count in self.instance.runs.values())
        return f"{len(accepted)} accepted, 0 lost, {again} ran twice that were under way"


def crash(start, rounds, one=True, two=True, tasks=False, **stage):
    stage = Stage(start, **stage)
    loads = ([Load1(stage)] if one else []) + ([Load2(stage)] if two else []) + ([Tasks(stage)] if tasks else [])
    slowest = 0
    for number in range(rounds):
        stage.life([worker for load in loads for worker in load.workers])
        slowest = max(slowest, stage.broker.ready_after)
        if one and (number % 3 == 2 or number == rounds - 1):
            loads[0].verify()
    words = []
    if one:
        count, retained = len(loads[0].acknowledged()), loads[0].keeper.acknowledged
        words.append(f"QoS 1: {count} acknowledged, 0 lost; {retained} retained changes, 0 wrong")
    if two:
        words.append(f"QoS 2: {loads[int(one)].finish()} completed, 0 lost, 0 twice")
    if tasks:
        words.append(f"one-way calls: {loads[-1].finish()}")
    stage.end()
    return f"{rounds} times killed; {'; '.join(words)}; ready after {slowest * 1000:.0f} ms at most"


# ---- tier P: with every change ----


def D01_kill_during_qos1(start):
    """kill -9 while eight clients publish to sessions that are there and away, and retained messages change."""
    return crash(start, 5, two=False)


def D02_kill_during_qos2(start):
    """kill -9 while QoS 2 goes on both legs, with clients that break as well and go on with DUP."""
    return crash(start, 4, one=False)


def D02_cut_short(start):
    """The same on a disk that takes at most 1000 bytes of each write."""
    disk = BadDisk()
    disk.set("cut short")
    words = crash(start, 2, disk=disk)
    disk.remove()
    return words


def traced(start, count, more=""):
    """Acknowledgements of stored work, and those of them that left before it was on disk, as strace saw the broker."""
    file = tempfile.mktemp(prefix="fcbus-trace-")
    stage = Stage(start, more=more, command=trace_check.command(file))
    stage.subscribe(Subscriber1("name-9000001"), "load/name-9000002/#", 1)
    stage.subscribe(Subscriber2("name-9000003"), "load/#", 2)
    clients = [Client(stage.broker.port, f"name-{9000010 + n}", clean=False, properties=KEPT) for n in range(4)]
    number, window = 0, 10
    while number < count:
        for client in clients:
            batch = []
            for identifier in range(1, window + 1):
                number += 1
                # The topics repeat, so that retained messages are replaced as well.
                topic = f"load/name-9000002/{number % 50}"
                payload = b"name-%07d" % number
                batch.append(publish(topic, payload, 1 + number % 2, identifier, retain=number % 5 == 0))
            client.send(b"".join(batch))
        for client in clients:
            over = 0
            while over < window:
                first, body = client.next()
                check(first in (0x40, 0x50, 0x70) and body[2:3] < b"\x80", f"{first:x} {body.hex()}")
                if first == 0x50:
                    client.send(acknowledge(0x62, int.from_bytes(body[:2], "big")))
                else:
                    over += 1
    for client in clients:
        client.close()
    stage.end()
    whole = eventually(lambda: trace_check.is_whole(file, stage.broker.process.pid), seconds=30)
    check(whole is not None, "strace has not written its end")
    checker = trace_check.Checker(re.compile(rb"name-\d{7}"))
    checker.read(file)
    os.unlink(file)
    return checker.acknowledged, checker.violations


def D03_kill_during_tasks(start):
    """kill -9 while one-way calls are accepted and run; the instance loses its connection each time."""
    return crash(start, 4, one=False, two=False, tasks=True)


def D05_acknowledged_after_sync(start):
    """No CONNACK, SUBACK, PUBACK or PUBREC leaves before the sync that covers it; with `memory` the checker sees that."""
    if not trace_check.is_possible():
        return "left out: nobody may trace a program here"
    acknowledged, violations = traced(start, 2000)
    check(acknowledged >= 2000, f"the trace shows {acknowledged} acknowledgements")
    check(not violations, f"{len(violations)} of {acknowledged} too early: {violations[:5]}")
    others, early = traced(start, 200, more="persistence: { durability: memory }")
    check(len(early) >= 200, f"the checker finds {len(early)} of {others} without a store")
    return f"{acknowledged} acknowledgements, 0 before their sync; without waiting {len(early)} of {others}"


class Echo:
    """An instance that answers calls, and its caller; each is a step of one conversation."""

    def __init__(self, port):
        self.instance, self.caller = Client(port, "echo"), Client(port, "caller")
        self.instance.send(subscribe("$share/fc/fc/demo/echo/req/#"))
        self.instance.expect(0x90)
        self.caller.send(subscribe("fc/_reply/caller/#"))
        self.caller.expect(0x90)

    def call(self):
        self.caller.send(publish("fc/demo/echo/req", b"hello", properties=properties("fc/_reply/caller", b"1")))
        call = Message(0x30, self.instance.expect(0x30))
        self.instance.send(publish(call.response_topic, call.payload, properties=properties(None, call.correlation)))
        answer = Message(0x30, self.caller.expect(0x30))
        check(answer.payload == b"hello", f"the reply was {answer.payload}")


def eventually(what, seconds=10):
    """Waits for something that takes a moment; how long it took in seconds, `None` when it did not happen."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if what():
            return time.monotonic() - begun
        time.sleep(0.02)
    return None


def publish_each(client, names, topic="load/x"):
    """Publishes one after the other with QoS 1; the reason codes."""
    codes = []
    for name in names:
        client.send(publish(topic, name.encode(), 1, 1))
        body = client.expect(0x40)
        codes.append(body[2] if len(body) > 2 else 0)
    return codes


def fill_up(start, disk):
    stage = Stage(start, disk=disk)
    away = stage.subscribe(Subscriber1("away"), "load/#", 1)
    queued = stage.subscribe(Subscriber1("queued"), "load/#", 1)
    broker = stage.broker
    first, second, echo = Client(broker.port, "first"), Client(broker.port, "second"), Echo(broker.port)
    before = [f"before-{number:07}" for number in range(200)]
    check(set(publish_each(first, before)) == {0}, "refused with room")
    disk.fill()
    # The log has some room of its own, so it takes a while until more is needed.
    sent = []
    while "full" not in broker.words():
        check(len(sent) < 1000, "nobody noticed that the disk is full")
        sent.append(f"held-{len(sent):07}")
        first.send(publish("load/x", sent[-1].encode() + b"x" * 16_000, 1, len(sent)))
        time.sleep(0.01)
    codes = publish_each(second, [f"refused-{number:07}" for number in range(20)])
    check(set(codes) == {0x97}, f"reason codes {set(codes)} with the disk full")
    second.send(subscribe("other/#", 0) + publish("other/x", b"QoS 0 goes on"))
    second.expect(0x30)
    echo.call()
    drained = queued.drain(broker.port, set(before))
    check(not drained, f"{len(drained)} messages could not be had from the full disk")
    first.send(PING)
    early = 0
    while first.next()[0] != 0xD0:
        early += 1
    check(early < len(sent), "everything was acknowledged with the disk full")
    disk.mend()
    begun = time.monotonic()
    for name in list(sent[early:]):
        if first.expect(0x40, timeout=5)[2:3] >= b"\x80":
            sent.remove(name)
    held = time.monotonic() - begun
    again = eventually(lambda: publish_each(second, ["again-0000001"]) == [0], seconds=5 - held)
    check(again is not None, "refused five seconds after there was room")
    stage.broker.kill()
    stage.again()
    lost = away.drain(stage.broker.port, {*before, *sent, "again-0000001"})
    check(not lost, f"lost: {sorted(lost)[:5]}")
    check(not any(name.startswith("refused") for name in away.seen), "a refused message was delivered")
    stage.end()
    return f"20 of 20 refused with 0x97, {len(sent) - early} held; ready {(held + again) * 1000:.0f} ms after room; 0 lost"


def D08_full_disk(start):
    """A full disk, with torn writes: refusal with 0x97, everything else goes on, and it ends by itself."""
    disk = BadDisk()
    try:
        return fill_up(start, disk)
    finally:
        disk.remove()


def D09_sync_fails(start):
    """After a sync that failed nothing is acknowledged any more, though the disk works again."""
    disk = BadDisk()
    stage = Stage(start, disk=disk)
    away = stage.subscribe(Subscriber1("away"), "load/#", 1)
    broker = stage.broker
    client, echo = Client(broker.port, "client"), Echo(broker.port)
    before = [f"before-{number:07}" for number in range(100)]
    check(set(publish_each(client, before)) == {0}, "refused with a sound disk")
    disk.set("sync fails")
    client.send(publish("load/x", b"unsure-0000001", 1, 7))
    check(eventually(lambda: "nothing more is stored" in broker.words()), "nobody noticed the sync that failed")
    disk.mend()
    for identifier in range(8, 58):
        client.send(publish("load/x", b"unsure-%07d" % identifier, 1, identifier))
    client.send(PING)
    while (found := client.next())[0] != 0xD0:
        check(found[0] == 0x40 and found[1][2:3] >= b"\x80", f"acknowledged after a failed sync: {found}")
    echo.call()
    stage.broker.kill()
    stage.again()
    lost = away.drain(stage.broker.port, set(before))
    check(not lost, f"lost: {sorted(lost)[:5]}")
    check(publish_each(Client(stage.broker.port, "client"), ["after-0000001"]) == [0], "refused after the restart")
    stage.end()
    disk.remove()
    return "0 of 51 acknowledged after the failure, QoS 0 and calls went on; 0 lost after the restart"


def D11_sigterm(start):
    """SIGTERM under load: 0x8B to every client, exit code 0 within six seconds though one does not go, nothing lost."""
    stage = Stage(start)
    load = Load1(stage)
    stubborn = Client(stage.broker.port, "stubborn")
    for worker in load.workers:
        worker.start(stage.broker.port)
    time.sleep(0.3)
    begun = time.monotonic()
    stage.broker.process.terminate()
    code = stage.broker.process.wait(timeout=20)
    took = time.monotonic() - begun
    check(code == 0 and took <= 6, f"exit code {code} after {took:.1f} s")
    last = stubborn.until_closed()[-1]
    check(last[0] == 0xE0 and last[1][0] == 0x8B, f"the last packet was {last}")
    for worker in load.publishers + [load.keeper, load.here]:
        worker.thread.join()
    stage.again()
    load.verify()
    stage.end()
    return f"exit code 0 after {took * 1000:.0f} ms; {len(load.acknowledged())} acknowledged, 0 lost"


def D12_other_version(start):
    """A store of a later version is refused with what to do and left as it is; one of each earlier version is read."""
    stage = Stage(start)
    away = stage.subscribe(Subscriber1("away"), "load/#", 1)
    names = [f"before-{number:07}" for number in range(50)]
    publish_each(Client(stage.broker.port, "client"), names)
    stage.broker.process.terminate()
    stage.broker.process.wait(timeout=20)
    file = os.path.join(stage.directory, "store.db")
    version = set_version(file, 99)
    with open(file, "rb") as content:
        before = content.read()
    command = [start.binary, "broker", "--port", "0", "--data-dir", stage.directory]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20)
    with open(file, "rb") as content:
        check(content.read() == before, "the store was changed")
    check(refused.returncode == 78, f"exit code {refused.returncode}")
    check("version 99" in refused.stderr and "use the program that wrote it" in refused.stderr, refused.stderr)
    set_version(file, version)
    stage.again()
    lost = away.drain(stage.broker.port, set(names))
    check(not lost, f"lost: {sorted(lost)[:5]}")
    stage.end()
    return f"version {version} read, 99 refused with exit code {refused.returncode}"


def set_version(file, version):
    """The version that the database had."""
    database = sqlite3.connect(file)
    before = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return before


# ---- tier N: long ----


def D01_D02_D03_mixed(start):
    """Two hundred lives of one store under all kinds of load at once."""
    return crash(start, 200, tasks=True)


def D04_kill_during_calls(start):
    """Calls in flight when the broker dies: each of twenty callers hears one end, within its deadline."""
    counts = {"answered": 0, "lost": 0}
    for number in range(10):
        stage = Stage(start)
        instance = Client(stage.broker.port, "instance")
        instance.send(subscribe("$share/fc/fc/demo/slow/req/#", qos=1))
        instance.expect(0x90)
        url = f"mqtt://127.0.0.1:{stage.broker.port}"
        command = [start.binary, "call", "demo/slow", "hello", "--timeout", "5s", "--json", "--broker", url]
        begun = time.monotonic()
        callers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(20)]
        for index in range(20):
            while (found := instance.next())[0] & 0xF0 != 0x30:
                pass  # acknowledgements of the replies
            call = Message(*found)
            if index % 2 == 0:
                instance.send(publish(call.response_topic, b"done", 1, 1, properties=properties(None, call.correlation)))
        stage.broker.kill()
        for caller in callers:
            output, errors = caller.communicate(timeout=30)
            lines = output.decode().splitlines()
            check(len(lines) == 1, f"{len(lines)} ends: {lines}, {errors.decode()}")
            check(caller.returncode in (0, 69, 70, 124), f"exit code {caller.returncode}: {lines}")
            counts["answered" if caller.returncode == 0 else "lost"] += 1
        took = time.monotonic() - begun
        check(took < 15, f"the last caller ended after {took:.1f} s")
        stage.again()
        stage.end()
    check(counts["lost"] >= 100, "no call was in flight")
    return f"10 times killed: {counts['answered']} answered, {counts['lost']} told that it may have run, 0 hang"


def D08_small_file_system(start):
    """D08 on a real file system of eight megabytes."""
    disk = SmallDisk()
    try:
        return fill_up(start, disk) if disk.is_mounted else "left out: nobody may mount a file system here"
    finally:
        disk.remove()


def D10_restart_with_much(start):
    """Starts with a million stored messages of 256 bytes in a hundred thousand sessions, after a stop and after a kill."""
    stage = Stage(start)
    sessions, each = 100_000, 10
    begun = time.monotonic()
    for base in range(0, sessions, 200):
        clients = []
        for number in range(base, base + 200):
            clients.append(Client(stage.broker.port, source=f"127.0.0.{2 + number % 8}"))
            hello = connect(f"d{number}", clean=False, properties=KEPT)
            clients[-1].send(hello + subscribe(f"d/{number}", 1))
        for client in clients:
            check(client.expect(0x90)[-1] == 1, "a subscription was refused")
            client.close()
    writer = Client(stage.broker.port, "writer")
    payload = b"x" * 256
    for _ in range(each):
        for base in range(0, sessions, 500):
            writer.send(b"".join(publish(f"d/{base + i}", payload, 1, 1 + i) for i in range(500)))
            for _ in range(500):
                check(writer.expect(0x40)[2:3] < b"\x80", "a message was refused")
    filled = time.monotonic() - begun
    results = []
    for end in ("terminate", "kill"):
        getattr(stage.broker.process, end)()
        stage.broker.process.wait(timeout=60)
        stage.again()
        results.append((stage.broker.ready_after, stage.broker.processor_time(), stage.broker.memory()))
    client = Client(stage.broker.port, "d4711", clean=False, properties=KEPT)
    for _ in range(each):
        client.expect(0x30)
    bytes_stored = sum(entry.stat().st_size for entry in os.scandir(stage.directory))
    stage.end()
    words = f"{sessions * each} messages, {bytes_stored / 1e6:.0f} MB, stored in {filled:.0f} s"
    for end, (took, processor, memory) in zip(("stop", "kill"), results):
        words += f"; after a {end} ready in {took:.1f} s, {processor:.1f} s of processor time, {memory:.0f} MiB"
    # Processor time, since the start is one thread's work and says the same on a machine that does other things too.
    check(all(processor <= 5 and memory <= 600 for _, processor, memory in results), words)
    return words


SHORT = [
    D01_kill_during_qos1,
    D02_kill_during_qos2,
    D02_cut_short,
    D03_kill_during_tasks,
    D05_acknowledged_after_sync,
    D08_full_disk,
    D09_sync_fails,
    D11_sigterm,
    D12_other_version,
]
LONG = [
    D01_D02_D03_mixed,
    D04_kill_during_calls,
    D08_small_file_system,
    D10_restart_with_much,
]
