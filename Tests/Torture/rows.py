"""The rows of abuse and load: each puts a broker of its own under one of them and returns what it measured.

A row fails by an exception. Figures of memory are MiB, of time milliseconds.
"""

import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from broker import Probe
from mqtt import DISCONNECT, Client, acknowledge, connect, packet, publish, subscribe, text, varint


def check(condition, words):
    if not condition:
        raise AssertionError(words)


# ---- tier P: with every change ----


def R04_slow_consumer(start):
    """A subscriber to # that reads nothing while 200 MB of QoS 0 and 20 000 of QoS 1 pass."""
    broker = start()
    slow = Client(broker.port, "slow", receive_buffer=4096)
    slow.send(subscribe("#", qos=1))
    slow.expect(0x90)
    probe = Probe(broker.port)
    writer = Client(broker.port, "writer")
    chunk = b"".join(publish("flood", b"x" * 4096) for _ in range(64))
    for _ in range(200 * 1024 * 1024 // len(chunk)):
        writer.send(chunk)
    for base in range(0, 20_000, 500):
        writer.send(b"".join(publish("flood", b"y" * 64, 1, 1 + (base + i) % 65_000) for i in range(500)))
        for _ in range(500):
            writer.expect(0x40)
    median, worst = probe.stop()
    growth = broker.growth()
    check(growth <= 24, f"memory grew by {growth:.1f} MiB")
    broker.stop()
    return f"memory +{growth:.1f} MiB, probe p50 {median:.2f} p99 {worst:.2f} ms"


def R06_half_open(start):
    """A client whose process is stopped is noticed at one and a half times its keep alive, and its will is sent."""
    broker = start()
    watcher = Client(broker.port, "watcher")
    watcher.send(subscribe("will/#"))
    watcher.expect(0x90)
    count = 20
    begun = time.monotonic()
    gone = [Client(broker.port, f"g{i}", keep_alive=2, will=(f"will/{i}", b"gone", 0)) for i in range(count)]
    times = []
    for _ in range(count):
        watcher.expect(0x30)
        times.append(time.monotonic() - begun)
    for client in gone:
        client.close()
    check(2.9 <= times[0] and times[-1] <= 4.5, f"wills after {times[0]:.2f} to {times[-1]:.2f} s")
    broker.stop()
    return f"wills after {times[0]:.2f} to {times[-1]:.2f} s with a keep alive of 2 s"


def R07_slow_beginnings(start):
    """Sockets that say nothing, or CONNECT a byte a second, are closed after five seconds; long keep alives are cut."""
    broker = start()
    begun = time.monotonic()
    silent = [Client(broker.port) for _ in range(200)]
    drip = Client(broker.port)
    drip.send(connect("drip")[:3])
    for client in silent + [drip]:
        check(client.next(timeout=10) is None, "a silent socket got an answer")
    took = time.monotonic() - begun
    check(4.5 <= took <= 7, f"closed after {took:.1f} s")
    eager = Client(broker.port)
    eager.send(connect("eager", keep_alive=65_535))
    body = eager.expect(0x20)
    check(b"\x13\x01\x2c" in body, "no Server Keep Alive of 300")
    broker.stop()
    return f"201 sockets closed after {took:.1f} s"


def R08_garbage(start):
    """Connections that send 32 random bytes."""
    broker = start()
    probe = Probe(broker.port)
    generator = random.Random(8)
    begun = time.monotonic()
    count = 3000
    for _ in range(count):
        client = Client(broker.port)
        try:
            client.send(generator.randbytes(32))
        except ConnectionError:
            pass
        client.reset()
    rate = count / (time.monotonic() - begun)
    median, worst = probe.stop()
    growth = broker.growth()
    check(growth <= 8, f"memory grew by {growth:.1f} MiB")
    broker.stop()
    return f"{rate:.0f}/s, memory +{growth:.1f} MiB, probe p50 {median:.2f} p99 {worst:.2f} ms"


def R09_unfinished_qos2(start):
    """QoS 2 messages that are never released are refused at the receive maximum; repeats of one cost nothing."""
    broker = start()
    greedy = Client(broker.port, "greedy")
    greedy.send(b"".join(publish("t", b"x", 2, identifier) for identifier in range(1, 200)))
    last = greedy.until_closed()[-1]
    check(last[0] == 0xE0 and last[1][0] == 0x93, f"ended with {last}")
    steady = Client(broker.port, "steady")
    for _ in range(100):
        steady.send(b"".join(publish("t", b"x", 2, 7) for _ in range(100)))
        for _ in range(100):
            check(steady.expect(0x50)[:2] == b"\0\7", "another identifier")
    growth = broker.growth()
    check(growth <= 6, f"memory grew by {growth:.1f} MiB")
    broker.stop()
    return f"0x93 at the limit, 10 000 repeats: memory +{growth:.1f} MiB"


def R11_huge_announcement(start):
    """A thousand sockets that announce 256 MB and stall."""
    broker = start()
    early = []
    for _ in range(500):
        client = Client(broker.port)
        client.send(b"\x10\xff\xff\xff\x7f")
        early.append(client)
    for client in early:
        client.until_closed()
    late = [Client(broker.port, f"c{i}") for i in range(500)]
    for client in late:
        client.send(b"\x30\xff\xff\xff\x7f" + b"x" * 1000)
    for client in late:
        check(client.until_closed()[-1][1][0] == 0x95, "no 0x95")
    growth = broker.growth()
    check(growth <= 16, f"memory grew by {growth:.1f} MiB")
    broker.stop()
    return f"memory +{growth:.1f} MiB"


def R12_property_bomb(start):
    """CONNECT and PUBLISH with more user properties than anybody needs."""
    broker = start("  firstPacketMax: 1MiB")
    bomb = (b"\x26" + text("a") + text("b")) * 60_000
    before = broker.processor_time()
    client = Client(broker.port)
    client.send(connect("bomb", properties=bomb[: 7 * 60_000]))
    client.expect(0x20)
    spent = (broker.processor_time() - before) * 1000
    client.send(publish("t", b"x", 1, 1, properties=bomb[: 7 * 10_000]))
    check(client.expect(0x40)[2] == 0x97, "no 0x97")
    broker.stop()
    default = start()
    client = Client(default.port)
    client.send(connect("bomb", properties=bomb[: 7 * 60_000]))
    answer = client.until_closed()
    check(not answer or answer[0][1][1] == 0x95, f"{answer}")
    default.stop()
    return f"60 000 properties: {spent:.0f} ms of processor time; by default refused with 0x95"


def R13_topic_bombs(start):
    """Topics and filters with as many levels and wildcards as fit."""
    broker = start("  subscriptionsPerClientMax: 100000\n  topicMax: 65535")
    deep = Client(broker.port, "deep")
    deep.send(publish("/" * 60_000, b"x", 1, 1))
    last = deep.until_closed()[-1]
    check(last[0] == 0xE0 and last[1][0] == 0x90, f"{last}")
    reader = Client(broker.port, "reader")
    filters = ["/".join("a" if mask >> level & 1 else "+" for level in range(12)) for mask in range(4096)]
    for base in range(0, 4096, 256):
        reader.send(subscribe(filters[base : base + 256]))
        reader.expect(0x90)
    writer = Client(broker.port, "writer")
    begun = time.monotonic()
    writer.send(publish("/".join("a" * 12), b"x", 1, 1))
    writer.expect(0x40)
    match = (time.monotonic() - begun) * 1000
    check(reader.expect(0x30) is not None, "nothing came")
    check(match < 500, f"one match took {match:.0f} ms")
    broker.stop()
    return f"4 096 overlapping filters matched in {match:.1f} ms"


def R14_subscription_explosion(start):
    """One client that subscribes without end."""
    broker = start()
    client = Client(broker.port, "greedy")
    begun = time.monotonic()
    codes = []
    total = 20_000
    for base in range(0, total, 500):
        client.send(subscribe([f"s/{base + i}" for i in range(500)]))
        codes += client.expect(0x90)[3:]
    rate = total / (time.monotonic() - begun)
    check(codes.count(0) == 1000 and codes.count(0x97) == total - 1000, "not cut at 1 000")
    broker.stop()
    return f"{rate:.0f} filters/s, 0x97 beyond 1 000"


def R18_topic_alias_abuse(start):
    """Aliases that are zero, too large, unknown, or of an earlier connection."""
    broker = start()

    def ending(alias, topic):
        client = Client(broker.port, "alias")
        if topic is None:
            topic = ""
        client.send(publish(topic, b"x", 0, properties=b"\x23" + alias.to_bytes(2, "big")))
        last = client.until_closed()[-1]
        return last[1][0]

    check(ending(0, "t") == 0x94, "alias 0")
    check(ending(17, "t") == 0x94, "alias 17")
    check(ending(3, None) in (0x82, 0x94), "unknown alias")
    first = Client(broker.port, "alias")
    first.send(publish("t", b"x", 0, properties=b"\x23\0\1"))
    check(ending(1, None) in (0x82, 0x94), "alias of the connection before")
    broker.stop()
    return "all refused"


def R24_stock_latency(start):
    """paho-mqtt at its defaults: QoS 1 there and back, where others make it wait 44 or 88 ms."""
    import paho.mqtt.client as mqtt

    broker = start()
    arrived = threading.Event()
    clients = [mqtt.Client(mqtt.CallbackAPIVersion.VERSION2) for _ in range(2)]
    caller, callee = clients
    callee.on_message = lambda client, user, message: client.publish("reply", message.payload, 1)
    caller.on_message = lambda *arguments: arrived.set()
    ready = threading.Barrier(3)
    for client, topic in ((caller, "reply"), (callee, "request")):
        client.on_subscribe = lambda *arguments: ready.wait(20)
        client.on_connect = lambda client, *arguments, topic=topic: client.subscribe(topic, 1)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
    ready.wait(20)
    times = []
    for _ in range(200):
        arrived.clear()
        begun = time.perf_counter()
        caller.publish("request", b"x" * 64, 1)
        check(arrived.wait(10), "no reply")
        times.append((time.perf_counter() - begun) * 1000)
    for client in clients:
        client.disconnect()
        client.loop_stop()
    median = sorted(times)[len(times) // 2]
    check(median < 20, f"p50 {median:.1f} ms")
    broker.stop()
    return f"p50 {median:.2f} ms, p99 {sorted(times)[int(len(times) * 0.99)]:.2f} ms"


# ---- tier N: long ----


def R01_connection_flood(start):
    """9 000 idle clients, from several addresses, beside others' traffic."""
    broker = start()
    probe = Probe(broker.port)
    begun = time.monotonic()
    clients = [Client(broker.port, f"idle{i}", source=f"127.0.0.{2 + i % 8}") for i in range(9000)]
    rate = len(clients) / (time.monotonic() - begun)
    growth = broker.growth()
    median, worst = probe.stop()
    check(growth * 1024 / len(clients) <= 12, f"{growth * 1024 / len(clients):.1f} KiB each")
    for client in clients:
        client.close()
    time.sleep(2)
    probe = Probe(broker.port, "after")
    time.sleep(0.5)
    probe.stop()
    check(broker.descriptors() < 60, f"{broker.descriptors()} descriptors are left")
    broker.stop()
    return f"{rate:.0f}/s, {growth * 1024 / 9000:.1f} KiB each, probe p50 {median:.2f} p99 {worst:.2f} ms"


def R03_handshake_flood(start):
    """TLS handshakes that are begun and never ended, beside established clients."""
    folder = tempfile.mkdtemp()
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {folder}/key -out {folder}/cert -subj /CN=x -days 1",
        shell=True,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    secure = port.getsockname()[1]
    port.close()
    settings = f"listeners: [{{ port: 0 }}, {{ port: {secure}, tls: {{ certificate: {folder}/cert, key: {folder}/key }} }}]"
    broker = start(listeners=settings)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    probe = Probe(broker.port)
    open_sockets = []
    end = time.monotonic() + 10
    count = 0
    while time.monotonic() < end:
        raw = socket.create_connection(("127.0.0.1", secure))
        open_sockets.append(context.wrap_socket(raw))
        count += 1
        time.sleep(0.004)
    median, worst = probe.stop()
    # Ten seconds for what is in the handshake, five for CONNECT, and what TLS takes to close.
    time.sleep(18)
    check(broker.descriptors() < 60, f"{broker.descriptors()} descriptors are left")
    broker.stop()
    return f"{count / 10:.0f} handshakes/s, probe p50 {median:.2f} p99 {worst:.2f} ms"


def R05_many_slow_consumers(start):
    """Stalled subscribers while much more is offered than they may hold; those that take nothing are given up."""
    broker = start("  stallTimeout: 5s\n  memoryMax: 512MiB", more="systemTopics: 1s")
    slow = []
    for number in range(200):
        client = Client(broker.port, f"slow{number}", receive_buffer=4096)
        client.send(subscribe("flood"))
        client.expect(0x90)
        slow.append(client)
    writer = Client(broker.port, "writer")
    chunk = b"".join(publish("flood", b"x" * 4096) for _ in range(16))
    end = time.monotonic() + 15
    peak = 0
    while time.monotonic() < end:
        writer.send(chunk)
        peak = max(peak, broker.growth())
    check(peak < 540, f"memory grew by {peak:.0f} MiB")
    time.sleep(2)
    connected = int(broker.system("clients/connected"))
    check(connected < 100, f"{connected} clients are still there")
    broker.stop()
    return f"memory +{peak:.0f} MiB at most, {connected} clients left of 201"


def R10_publish_flood(start):
    """One client that publishes as fast as it can, beside fifty who call each other's topics."""
    broker = start()
    stop = threading.Event()
    writer = Client(broker.port, "writer")
    chunk = b"".join(publish("flood", b"x" * 64) for _ in range(500))

    def flood():
        while not stop.is_set():
            writer.send(chunk)

    thread = threading.Thread(target=flood)
    thread.start()
    probes = [Probe(broker.port, f"p{number}") for number in range(10)]
    time.sleep(8)
    results = [(probe.stop(), len(probe.times)) for probe in probes]
    stop.set()
    thread.join()
    counts = [count for _, count in results]
    check(min(counts) * 2 >= sum(counts) / len(counts), f"starved: {counts}")
    worst = max(result[1] for result, _ in results)
    broker.stop()
    return f"slowest probe p99 {worst:.1f} ms, fewest rounds {min(counts)} of {sum(counts) / len(counts):.0f}"


def R15_retained_flood(start):
    """More retained topics than are kept, then clients who ask for all of them."""
    broker = start()
    writer = Client(broker.port, "writer")
    kept = 0
    for base in range(0, 120_000, 1000):
        writer.send(
            b"".join(publish(f"r/{base + i}", b"x" * 100, 1, 1 + i, retain=True) for i in range(1000))
        )
        for _ in range(1000):
            body = writer.expect(0x40)
            kept += len(body) == 2 or body[2] != 0x97
    check(kept == 100_000, f"{kept} kept")
    growth = broker.growth()
    check(growth <= 96, f"memory grew by {growth:.0f} MiB")
    probe = Probe(broker.port)
    readers = []
    for number in range(5):
        reader = Client(broker.port, f"r{number}")
        reader.send(subscribe("r/#"))
        readers.append(reader)
    for reader in readers:
        for _ in range(100_000):
            reader.expect(0x30)
    median, worst = probe.stop()
    broker.stop()
    return f"100 000 kept, memory +{growth:.0f} MiB, probe during replay p50 {median:.2f} p99 {worst:.1f} ms"


def R16_will_storm(start):
    """Thousands of clients break at once: each will comes, once, soon."""
    broker = start()
    watcher = Client(broker.port, "watcher")
    watcher.send(subscribe("will/#"))
    watcher.expect(0x90)
    count = 3000
    clients = [Client(broker.port, f"w{i}", will=(f"will/{i}", b"x", 0)) for i in range(count)]
    begun = time.monotonic()
    for client in clients:
        client.reset()
    seen = [watcher.expect(0x30) for _ in range(count)]
    took = time.monotonic() - begun
    check(len(set(seen)) == count, "a will came twice")
    delayed = [Client(broker.port, f"d{i}", will=(f"will/d{i}", b"x", 2), properties=b"\x11\0\0\0\x3c") for i in range(200)]
    for client in delayed:
        client.reset()
    again = [Client(broker.port, f"d{i}", clean=False, properties=b"\x11\0\0\0\x3c") for i in range(200)]
    try:
        watcher.expect(0x30, timeout=4)
        raise AssertionError("a will came although its client had returned")
    except socket.timeout:
        pass
    for client in again:
        client.close()
    broker.stop()
    return f"{count} wills in {took:.1f} s, none of 200 who returned"


def R17_takeover_race(start):
    """Many threads fight for one client identifier while they publish and subscribe."""
    broker = start()
    end = time.monotonic() + 10
    failures = []

    def fight(number):
        generator = random.Random(number)
        while time.monotonic() < end:
            try:
                client = Client(broker.port, "the one", will=("will", b"x", 0))
                for _ in range(generator.randrange(1, 20)):
                    client.send(subscribe(f"t/{generator.randrange(5)}"))
                    client.send(publish(f"t/{generator.randrange(5)}", b"x", 1, 1))
                client.close()
            except (ConnectionError, AssertionError, socket.timeout, OSError):
                pass
            except Exception as error:  # told below: a thread's exception would be lost
                failures.append(error)

    threads = [threading.Thread(target=fight, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, f"{failures[:3]}")
    time.sleep(0.5)
    probe = Probe(broker.port)
    time.sleep(0.3)
    probe.stop()
    growth = broker.growth()
    check(growth < 32, f"memory grew by {growth:.0f} MiB")
    broker.stop()
    return f"memory +{growth:.1f} MiB"


def S09_brute_force(start):
    """Guessing at full speed from one address, beside others' traffic."""
    folder = tempfile.mkdtemp()
    passwords = os.path.join(folder, "passwords")
    subprocess.run([start.binary, "passwd", passwords, "ana", "--stdin"], input="right\n", text=True, check=True)
    broker = start(more=f"passwordFile: {passwords}\nallowAnonymous: true")
    probe = Probe(broker.port)
    begun = time.monotonic()
    before = broker.processor_time()
    tries = 0
    while time.monotonic() < begun + 8:
        client = Client(broker.port)
        body = text("MQTT") + b"\x05\xc2\0\x3c\0" + text(f"x{tries}") + text("ana") + text(f"guess {tries}")
        client.send(packet(0x10, body))
        client.until_closed()
        tries += 1
    spent = broker.processor_time() - before
    median, worst = probe.stop()
    check(spent < 8, f"{spent:.1f} s of processor time")
    broker.stop()
    return f"{tries / 8:.0f} guesses/s, {spent:.1f} s of processor time in 8 s, probe p50 {median:.2f} p99 {worst:.1f} ms"


def many_filters(start):
    """A million filters of a thousand clients, most with wildcards, and what one message costs beside them."""
    broker = start("  subscriptionsMax: 2000000")
    clients = []
    begun = time.monotonic()
    for number in range(1000):
        client = Client(broker.port, f"c{number}", source=f"127.0.0.{2 + number % 8}")
        client.send(subscribe([f"site/{number}/+/{item}/#" for item in range(1000)]))
        clients.append(client)
    for client in clients:
        check(client.expect(0x90)[3:].count(0) == 1000, "a filter was refused")
    took = time.monotonic() - begun
    growth = broker.growth()
    writer = Client(broker.port, "writer")
    before = broker.processor_time()
    for number in range(1000):
        writer.send(publish(f"site/{number}/x/{number}/y", b"x", 1, 1))
        writer.expect(0x40)
        clients[number].expect(0x30)
    each = (broker.processor_time() - before) * 1000
    broker.stop()
    return f"{took:.0f} s to subscribe, memory +{growth:.0f} MiB, {each:.0f} us of processor time a message"


SHORT = [
    R04_slow_consumer,
    R06_half_open,
    R07_slow_beginnings,
    R08_garbage,
    R09_unfinished_qos2,
    R11_huge_announcement,
    R12_property_bomb,
    R13_topic_bombs,
    R14_subscription_explosion,
    R18_topic_alias_abuse,
    R24_stock_latency,
]
LONG = [
    R01_connection_flood,
    R03_handshake_flood,
    R05_many_slow_consumers,
    R10_publish_flood,
    R15_retained_flood,
    R16_will_storm,
    R17_takeover_race,
    S09_brute_force,
    many_filters,
]
