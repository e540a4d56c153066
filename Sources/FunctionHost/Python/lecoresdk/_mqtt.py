"""Carries calls and messages over MQTT 5, for programs that do not run inside the function host."""

import json
import math
import os
import secrets
import ssl
import threading
import time
import urllib.parse

from . import _transport

DEFAULT_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
NO_MATCHING_SUBSCRIBERS = 0x10
# What a refused or lost message is called, by the broker's reason code; the rest is a 500.
_REFUSALS = {
    0x10: (404, "NO_FUNCTION", "no function of that name is served here"),
    0x83: (400, "INVALID_REQUEST", "the broker refused the message"),
    0x87: (403, "NOT_AUTHORIZED", "the broker does not allow this"),
    0x90: (400, "INVALID_REQUEST", "the broker refused the topic"),
    0x95: (413, "REQUEST_TOO_LARGE", "the message is larger than the broker takes"),
    0x97: (429, "OVERLOADED", "the broker's quota is exceeded"),
}


class MQTTTransport:
    """One connection, made with the first use; paho's own thread keeps it and reconnects."""

    def __init__(self, client, name):
        self._client = client
        self._name = name
        self._lock = threading.Lock()
        self._waiting = {}
        self._acknowledgements = {}
        self._is_fcbus = False
        self._ready = threading.Event()
        self._refusal = None

    @classmethod
    def connect(cls):
        """Connects to FCBUS_BROKER (mqtt:// or mqtts://, user and password in the URL)."""
        try:
            from paho.mqtt import client as paho
        except ImportError:
            raise RuntimeError(
                "Outside the function host lecoresdk speaks MQTT and needs paho-mqtt: pip install 'paho-mqtt>=2'"
            ) from None
        address = os.environ.get("FCBUS_BROKER", "mqtt://127.0.0.1:1883")
        url = urllib.parse.urlsplit(address)
        if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
            raise ValueError("FCBUS_BROKER must be mqtt://host:port or mqtts://host:port (got %r)" % address)
        name = "lecoresdk-" + secrets.token_hex(8)
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5)
        if url.username:
            password = urllib.parse.unquote(url.password) if url.password else None
            client.username_pw_set(urllib.parse.unquote(url.username), password)
        if url.scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        transport = cls(client, name)
        transport._open(url.hostname, url.port or (8883 if url.scheme == "mqtts" else 1883))
        return transport

    def _open(self, host, port):
        place = "%s:%d" % (host, port)
        client = self._client
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        try:
            client.connect(host, port, keepalive=30)
        except OSError as error:
            raise ConnectionError("no broker at %s: %s" % (place, error)) from error
        client.loop_start()
        if not self._ready.wait(CONNECT_TIMEOUT_S):
            client.loop_stop()
            raise ConnectionError("the broker at %s did not answer in time" % place)
        if self._refusal is not None:
            client.loop_stop()
            raise ConnectionError("the broker at %s refused: %s" % (place, self._refusal))

    def invoke(self, request):
        timeout_s = request.timeout_s or DEFAULT_TIMEOUT_S
        deadline = time.monotonic() + timeout_s
        is_async = request.invocation_type == "Async"
        user = [("fc-ttl-ms", str(max(1, int(timeout_s * 1000))))]
        if is_async:
            # Its expiry is the age up to which the broker may keep trying: the broker's own default holds.
            user = []
        if request.context is not None:
            user.append(("fc-context", request.context))
        properties = _publish_properties(user)
        topic = "fc/%s/%s/%s" % (request.service, request.function, "async" if is_async else "req")
        if is_async:
            status = self._publish(topic, request.payload, 1, False, properties, deadline)
            return _acknowledged(status, 202)
        correlation = secrets.token_bytes(16)
        properties.ResponseTopic = "fc/_reply/" + self._name
        properties.CorrelationData = correlation
        properties.MessageExpiryInterval = max(1, math.ceil(timeout_s))
        waiter = _Waiter()
        with self._lock:
            self._waiting[correlation] = waiter
        try:
            reason = self._publish(topic, request.payload, 1, False, properties, deadline)
            # On our broker the reply says it better, and it always comes; elsewhere this is the only sign.
            if reason is not None and reason >= 0x80:
                return _acknowledged(reason, 200)
            if reason == NO_MATCHING_SUBSCRIBERS and not self._is_fcbus:
                return _acknowledged(reason, 200)
            if waiter.event.wait(max(0.0, deadline - time.monotonic())):
                return waiter.outcome
            return _failure(408, "LOCAL_TIMEOUT", "no reply came within %g s" % timeout_s, "maybe")
        finally:
            with self._lock:
                self._waiting.pop(correlation, None)

    def publish(self, topic, payload, qos, retain):
        deadline = time.monotonic() + DEFAULT_TIMEOUT_S
        return _acknowledged(self._publish(topic, payload, qos, retain, None, deadline), 204)

    def _publish(self, topic, payload, qos, retain, properties, deadline):
        """The broker's reason code, 0 at QoS 0, None when no acknowledgement came in time."""
        acknowledgement = _Waiter()
        with self._lock:
            info = self._client.publish(topic, payload, qos, retain, properties)
            if qos == 0 or info.rc != 0:
                return 0 if info.rc == 0 else None
            self._acknowledgements[info.mid] = acknowledgement
        if not acknowledgement.event.wait(max(0.0, deadline - time.monotonic())):
            with self._lock:
                self._acknowledgements.pop(info.mid, None)
            return None
        return acknowledgement.outcome

    def _on_connect(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            self._refusal = str(reason)
            self._ready.set()
            return
        self._is_fcbus = ("fc", "1") in (getattr(properties, "UserProperty", None) or [])
        client.subscribe("fc/_reply/%s/#" % self._name, qos=1)

    def _on_subscribe(self, client, userdata, mid, reasons, properties):
        if reasons and reasons[0].is_failure:
            self._refusal = "replies cannot be subscribed: %s" % reasons[0]
        self._ready.set()

    def _on_publish(self, client, userdata, mid, reason, properties):
        with self._lock:
            waiter = self._acknowledgements.pop(mid, None)
        if waiter is not None:
            waiter.resolve(reason.value)

    def _on_message(self, client, userdata, message):
        correlation = getattr(message.properties, "CorrelationData", None)
        properties = dict(getattr(message.properties, "UserProperty", None) or [])
        # An interim reply; the final one follows.
        if properties.get("fc-more") == "1":
            return
        with self._lock:
            waiter = self._waiting.pop(correlation, None)
        if waiter is None:
            return
        # A stock client that serves by hand sends no status: its answer is a success.
        text = properties.get("__stat", "200")
        status = int(text) if text.isascii() and text.isdigit() else 500
        code = properties.get("fc-code", "")
        waiter.resolve(
            _transport.Outcome(
                status,
                message.payload,
                code=code,
                executed=properties.get("fc-exec", "maybe"),
                is_handled=code == "HANDLER_ERROR",
            )
        )


class _Waiter:
    __slots__ = ("event", "outcome")

    def __init__(self):
        self.event = threading.Event()
        self.outcome = None

    def resolve(self, outcome):
        self.outcome = outcome
        self.event.set()


def _publish_properties(user):
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)
    if user:
        properties.UserProperty = user
    return properties


def _acknowledged(reason, status):
    if reason is None:
        return _failure(408, "LOCAL_TIMEOUT", "the broker did not acknowledge the message in time", "maybe")
    # "No matching subscribers" is no failure of a publish or an async call that the broker keeps.
    if reason == 0 or (reason == NO_MATCHING_SUBSCRIBERS and status != 200):
        return _transport.Outcome(status)
    refusal = _REFUSALS.get(reason, (500, "INTERNAL", "the broker answered with reason code 0x%02x" % reason))
    return _failure(*refusal, executed="none")


def _failure(status, code, message, executed):
    body = {"status": status, "code": code, "Message": message, "StackTrace": [], "executed": executed}
    return _transport.Outcome(status, json.dumps(body).encode("utf-8"), code=code, executed=executed)


def _without_delay(client, userdata, sock):
    import socket

    # Without this the kernel holds small messages back for up to 44 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
