"""What carries calls and messages: the function host, or MQTT where there is none."""

import threading

_lock = threading.Lock()
_transport = None


class Request:
    """A call of a function."""

    __slots__ = ("service", "function", "invocation_type", "context", "payload", "content_type", "timeout_s")

    def __init__(self, service, function, invocation_type="Sync", payload=b""):
        self.service = service
        self.function = function
        self.invocation_type = invocation_type
        self.payload = payload
        self.context = None
        self.content_type = None
        self.timeout_s = None


class Outcome:
    """How a call or a message ended. `payload` of a failure is its JSON description."""

    __slots__ = ("status", "payload", "code", "executed", "is_handled")

    def __init__(self, status, payload=b"", code="", executed="yes", is_handled=False):
        self.status = status
        self.payload = payload
        self.code = code
        self.executed = executed
        self.is_handled = is_handled


def use(transport):
    """Sets what carries everything from now on."""
    global _transport
    with _lock:
        _transport = transport


def current():
    global _transport
    with _lock:
        if _transport is None:
            from ._mqtt import MQTTTransport

            _transport = MQTTTransport.connect()
        return _transport
