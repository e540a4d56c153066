"""Messages, and the things behind the gateway."""

import base64
import json
import os
import sys

from . import _transport
from . import client as client_module
from .client import Client, InvalidParameter

SUCCESS = 0
# The original SDK's code for a general failure.
FAILED = 100000


class RequestException(Exception):
    """A request about things that failed; status and message say how."""

    def __init__(self, status, message):
        super().__init__("%s: %s" % (status, message))
        self.status = status
        self.message = message


class IoTData:
    """Publishes messages and reaches things by their product key and device name.

    Requests about things are calls of the function that THING_FUNCTION_ID names ("service/function", default
    "things/thing"), with the service in invokerContext["custom"]["topic"] as on the original platform:
    /sys/things/{productKey}/{deviceName}/services/{service}. Any function that answers them makes its things
    reachable.
    """

    def __init__(self):
        self._client = Client()

    def publish(self, params):
        """Publishes a message.

        params: topic (str), payload (str or bytes), optionally qos (0 by default, 1, 2) and retain (False).

        Returns 0 when the message was handed to the broker, and with qos 1 or 2 when the broker has acknowledged it;
        otherwise 100000, and the reason is printed to stderr. Raises InvalidParameter for a message that cannot be.
        """
        if not isinstance(params, dict):
            raise InvalidParameter("params must be a dict (got %s)" % type(params).__name__)
        topic, payload = params.get("topic"), params.get("payload", "")
        if not isinstance(topic, str) or not topic or any(character in topic for character in "+#\0"):
            raise InvalidParameter("topic must be a topic name without + and # (got %r)" % (topic,))
        if isinstance(payload, str):
            payload = payload.encode("utf-8")
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            raise InvalidParameter("payload must be str or bytes (got %s)" % type(payload).__name__)
        qos, retain = params.get("qos", 0), params.get("retain", False)
        if qos not in (0, 1, 2) or isinstance(qos, bool):
            raise InvalidParameter("qos must be 0, 1 or 2 (got %r)" % (qos,))
        outcome = _transport.current().publish(topic, bytes(payload), qos, bool(retain))
        if outcome.status < 400:
            return SUCCESS
        print("publish on %s failed: %s %s" % (topic, outcome.status, outcome.code), file=sys.stderr)
        return FAILED

    def getThingProperties(self, params):
        """Values of properties: {"identifier": value}; on failure {"errorType": status, "errorMessage": text}.

        params: productKey, deviceName, payload (list of identifiers).
        """
        return self._call_thing(params, "get", list)

    def setThingProperties(self, params):
        """Sets properties; params: productKey, deviceName, payload (dict). Returns as callThingService."""
        return self._call_thing(params, "set", dict)

    def callThingService(self, params):
        """Calls a service of a thing; params: productKey, deviceName, service, payload.

        Returns the service's answer; on failure {"errorType": status, "errorMessage": text}.
        """
        service = params.get("service") if isinstance(params, dict) else None
        if not isinstance(service, str) or not service:
            raise InvalidParameter("service must be the name of the thing's service (got %r)" % (service,))
        return self._call_thing(params, service, None)

    def getThingsWithTags(self, params):
        """Things that carry all the tags: [{"productKey", "deviceName"}].

        params: payload, a list of {"tag": "value"}. Raises RequestException on failure, as the original does.
        """
        tags = params.get("payload") if isinstance(params, dict) else None
        if not isinstance(tags, list):
            raise InvalidParameter('payload must be a list such as [{"room": "kitchen"}] (got %r)' % (tags,))
        answer = self._request("/sys/things/tags/services/find", tags)
        if answer["statusCode"] >= 400:
            raise RequestException(answer["statusCode"], _message(answer["payload"]))
        return _value(_plain(answer))

    def getThingPropertyByEvent(self, event, name):
        """The value of a property in the event of a message that a thing sent; None when it is not in there.

        event: what the handler got, {"topic", "payload"}, the payload as an object or as JSON text of
        {name: {"value": ..., "time": ...}}.
        """
        message = event if isinstance(event, dict) else _value(event)
        payload = message.get("payload") if isinstance(message, dict) else None
        properties = payload if isinstance(payload, dict) else _value(payload or "")
        if not isinstance(properties, dict):
            return None
        found = properties.get(name)
        return found["value"] if isinstance(found, dict) and "value" in found else found

    get_thing_property_by_event = getThingPropertyByEvent
    get_thing_properties = getThingProperties
    set_thing_properties = setThingProperties
    call_thing_service = callThingService
    get_things_with_tags = getThingsWithTags

    def _call_thing(self, params, service, payload_type):
        if not isinstance(params, dict):
            raise InvalidParameter("params must be a dict (got %s)" % type(params).__name__)
        for key in ("productKey", "deviceName"):
            if not isinstance(params.get(key), str) or not params[key]:
                raise InvalidParameter("%s must be a text (got %r)" % (key, params.get(key)))
        payload = params.get("payload", {})
        if payload_type is not None and not isinstance(payload, payload_type):
            raise InvalidParameter("payload must be a %s (got %r)" % (payload_type.__name__, payload))
        topic = "/sys/things/%s/%s/services/%s" % (params["productKey"], params["deviceName"], service)
        answer = self._request(topic, payload)
        if answer["statusCode"] >= 400:
            return {"errorType": answer["statusCode"], "errorMessage": _message(answer["payload"])}
        return _value(_plain(answer))

    def _request(self, topic, payload):
        if not isinstance(payload, (str, bytes)):
            payload = json.dumps(payload, ensure_ascii=False)
        return self._client.invoke_function(
            {
                "functionId": os.environ.get("THING_FUNCTION_ID", "things/thing"),
                "invokerContext": {"custom": {"topic": topic}},
                "payload": payload,
            }
        )


def _plain(answer):
    """The payload of a successful answer, whatever form the function asked for."""
    return base64.b64decode(answer["payload"]) if client_module.IS_BASE64 else answer["payload"]


def _value(payload):
    """The JSON value of an answer, or the answer itself when it is none."""
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def _message(payload):
    value = _value(payload)
    return value.get("Message", payload) if isinstance(value, dict) else payload
