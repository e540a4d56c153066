"""Calling other functions."""

import base64
import os
import re

from . import _transport, invoker_context

# Compiled when first used: a function that calls nobody starts sooner.
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,127}"
_IDENTIFIER = (
    r"(?:(?:acs:fc:(?:[a-z]{2}-[a-z]+(?:-\d)?)?:(?:\d{16})?:)?service:(?P<s1>[^:/]+):function:(?P<f1>[^:/]+)"
    r"|(?P<s2>[^:/]+)/(?P<f2>[^:/]+))"
)


# Some versions of the original SDK gave payloads back as base64 text, and functions decode it.
IS_BASE64 = os.environ.get("LECORESDK_PAYLOAD", "").lower() == "base64"


class InvalidParameter(ValueError):
    """A parameter that cannot be sent; nothing was sent."""


class InvokeError(Exception):
    """What InvokeResult.raise_for_error raises; `result` is the whole result."""

    def __init__(self, result):
        super().__init__("%s %s: %s" % (result["statusCode"], result["functionError"], result["payload"]))
        self.result = result


class InvokeResult(dict):
    """What a call brought: {"statusCode", "functionError", "payload"}.

    statusCode     200 for a sync call, 202 for an accepted async one, 4xx or 5xx for a failure.
    functionError  "" on success; "Handled" when the function itself reported the failure (it raised);
                   "Unhandled" when the platform did (no such function, timeout, worker lost, ...).
    payload        the result: str when it is UTF-8 text, else bytes; with LECORESDK_PAYLOAD=base64 in the
                   function's environment its base64 text instead. Of a failure: JSON text with Message and
                   StackTrace, code, and executed ("none", "maybe", "yes": whether the function may have run).
                   Of an async call: the task's identifier, or "" where the broker gives none.

    The documented return is a dict, for both types of call, and that is what this is. The original SDK returned the
    text "success" or "fail" for async calls, and code exists that compares with it: a result of an async call
    therefore also equals "success" when it was accepted and "fail" when it was not. It is never None.
    """

    def __init__(self, status, error, payload, is_async=False):
        super().__init__(statusCode=status, functionError=error, payload=payload)
        self._word = ("success" if status < 400 else "fail") if is_async else None

    def raise_for_error(self):
        """Raises InvokeError when the call failed; returns the result itself otherwise."""
        if self["functionError"]:
            raise InvokeError(self)
        return self

    def __eq__(self, other):
        if isinstance(other, str):
            return self._word is not None and self._word == other
        return dict.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = None


class Client:
    """Calls functions. Holds no state; one for a program is enough, more do no harm."""

    def invoke_function(self, params):
        """Calls a function.

        params, a dict:
          serviceName, functionName   both, or else
          functionId                  "service/function" or "acs:fc:...:service:S:function:F"; wins over the names
          invocationType              "Sync" (default) waits for the result, "Async" hands the call over
          invokerContext              for the callee's context: a dict, JSON text, or that in base64; at most 16 KiB
          payload                     str or bytes, '' by default: what the callee gets as its event
          timeout                     seconds to wait at most; never beyond the deadline of the surrounding call

        Returns an InvokeResult, also when the call failed.
        Raises InvalidParameter for parameters that cannot be sent.
        """
        if not isinstance(params, dict):
            raise InvalidParameter("params must be a dict (got %s)" % type(params).__name__)
        invocation_type = params.get("invocationType") or "Sync"
        if invocation_type not in ("Sync", "Async"):
            raise InvalidParameter("invocationType must be Sync or Async (got %r)" % (invocation_type,))
        service, function = _address(params)
        request = _transport.Request(service, function, invocation_type, _payload(params.get("payload")))
        request.timeout_s = _timeout(params.get("timeout"))
        try:
            request.context = invoker_context.encode(params.get("invokerContext"))
        except (TypeError, ValueError) as error:
            raise InvalidParameter("invokerContext cannot be sent: %s" % error) from None
        outcome = _transport.current().invoke(request)
        error = "" if outcome.status < 400 else "Handled" if outcome.is_handled else "Unhandled"
        # An answer without a result is a success like any other, as it was on the original platform.
        status = 200 if outcome.status == 204 else outcome.status
        if IS_BASE64 and not error and invocation_type == "Sync":
            payload = base64.b64encode(outcome.payload).decode("ascii")
        else:
            payload = text_or_bytes(outcome.payload)
        return InvokeResult(status, error, payload, invocation_type == "Async")

    invokeFunction = invoke_function


def _address(params):
    identifier = params.get("functionId")
    if identifier:
        match = re.fullmatch(_IDENTIFIER, identifier) if isinstance(identifier, str) else None
        if match is None:
            raise InvalidParameter("functionId must be service/function or an ARN (got %r)" % (identifier,))
        names = (match["s1"] or match["s2"], match["f1"] or match["f2"])
    else:
        names = (params.get("serviceName"), params.get("functionName"))
    for key, name in zip(("serviceName", "functionName"), names):
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise InvalidParameter(
                "%s must be a letter and then letters, digits, - or _, 128 at most (got %r)" % (key, name)
            )
    return names


def _payload(payload):
    if payload is None:
        return b""
    if isinstance(payload, str):
        return payload.encode("utf-8")
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise InvalidParameter(
        "payload must be str or bytes (got %s); use json.dumps for structured data" % type(payload).__name__
    )


def _timeout(seconds):
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 86400:
        raise InvalidParameter("timeout must be a number of seconds above 0 and up to 86400 (got %r)" % (seconds,))
    return float(seconds)


def text_or_bytes(payload):
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return payload
