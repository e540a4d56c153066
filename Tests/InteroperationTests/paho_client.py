"""Conversations of paho-mqtt 2 with a broker: `python3 paho_client.py PORT`. Prints one line for each that went well."""

import queue
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
WAIT = 10


class Client:
    """A connected client whose messages arrive in a queue."""

    def __init__(self, name, version, will=None, clean=True, expiry=None):
        options = {"clean_session": clean} if version != mqtt.MQTTv5 else {}
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **options)
        self.messages = queue.Queue()
        connected, self.subscribed = threading.Event(), threading.Event()
        self.paho.on_connect = lambda *_: connected.set()
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.paho.will_set(*will)
        arguments = {}
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            if expiry:
                properties.SessionExpiryInterval = expiry
            arguments = {"clean_start": clean, "properties": properties}
        self.paho.connect("127.0.0.1", PORT, 60, **arguments)
        self.paho.loop_start()
        assert connected.wait(WAIT), "no CONNACK"

    def subscribe(self, topic, qos):
        self.subscribed.clear()
        self.paho.subscribe(topic, qos)
        assert self.subscribed.wait(WAIT), "no SUBACK"

    def publish(self, topic, payload, qos, retain=False, properties=None):
        self.paho.publish(topic, payload, qos, retain, properties).wait_for_publish(WAIT)

    def next(self):
        return self.messages.get(timeout=WAIT)

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()


def exchange(version, qos):
    subscriber, publisher = Client(f"s{version}{qos}", version), Client(f"p{version}{qos}", version)
    topic = f"paho/{version}/{qos}"
    subscriber.subscribe(topic, qos)
    for number in range(200):
        publisher.publish(topic, str(number), qos)
    received = [subscriber.next() for _ in range(200)]
    assert [m.payload.decode() for m in received] == [str(n) for n in range(200)], "order"
    assert {m.qos for m in received} == {qos}
    subscriber.close()
    publisher.close()


def retained(version):
    publisher = Client("", version)
    publisher.publish(f"paho/state/{version}", b"on", 1, retain=True)
    subscriber = Client("", version)
    subscriber.subscribe("paho/state/+", 1)
    message = subscriber.next()
    assert message.retain and message.payload == b"on"
    publisher.publish(f"paho/state/{version}", b"", 1, retain=True)
    subscriber.close()
    publisher.close()


def will(version):
    watcher = Client("watcher", version)
    watcher.subscribe("paho/gone", 1)
    victim = Client("victim", version, will=("paho/gone", "bye", 1, False))
    victim.paho.loop_stop()
    victim.paho.socket().close()
    assert watcher.next().payload == b"bye"
    watcher.close()


def resumed(version):
    client = Client("durable", version, clean=False, expiry=300)
    client.subscribe("paho/durable", 2)
    client.close()
    publisher = Client("", version)
    publisher.publish("paho/durable", "kept", 2)
    client = Client("durable", version, clean=False, expiry=300)
    assert client.next().payload == b"kept"
    client.close()
    publisher.close()


def properties():
    subscriber, publisher = Client("", mqtt.MQTTv5), Client("", mqtt.MQTTv5)
    subscriber.subscribe("paho/properties", 1)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType = "application/json"
    sent.CorrelationData = b"\x00\x01"
    sent.ResponseTopic = "paho/answer"
    sent.UserProperty = [("a", "1"), ("b", "2"), ("a", "3")]
    publisher.publish("paho/properties", "{}", 1, properties=sent)
    got = subscriber.next().properties
    assert got.ContentType == "application/json" and got.CorrelationData == b"\x00\x01"
    assert got.ResponseTopic == "paho/answer" and got.UserProperty == [("a", "1"), ("b", "2"), ("a", "3")]
    subscriber.close()
    publisher.close()


for name, version in (("3.1.1", mqtt.MQTTv311), ("5.0", mqtt.MQTTv5)):
    for qos in (0, 1, 2):
        exchange(version, qos)
        print(f"ok exchange {name} qos {qos}", flush=True)
    for conversation in (retained, will, resumed):
        conversation(version)
        print(f"ok {conversation.__name__} {name}", flush=True)
properties()
print("ok properties 5.0", flush=True)
