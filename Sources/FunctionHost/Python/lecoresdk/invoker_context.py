"""The forms that `invokerContext` takes on its way.

Callers give a dict, JSON text, or JSON text in base64 (the original SDK's documentation tells them to encode it, and
the SDK then encodes it once more). On the wire it is JSON text; the callee gets a dict.
"""

import base64
import binascii
import json

BYTES_MAX = 16 << 10
# The original SDK's own double encoding, and nothing beyond.
_NESTING_MAX = 2


def encode(value):
    """JSON text for the wire; None for no context.

    Raises TypeError for what is not JSON, and ValueError for more than 16 KiB.
    """
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8")
    text = json.dumps(_parse(value), ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode("utf-8"))
    if size > BYTES_MAX:
        raise ValueError("it is %d bytes long; %d is the limit" % (size, BYTES_MAX))
    return text


def decode(text):
    """The dict for the callee; {} without context, {"value": x} for JSON that is no object."""
    value = _parse(text) if text is not None else {}
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}


def _parse(value, nesting=0):
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    if nesting < _NESTING_MAX:
        try:
            inner = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return value
        parsed = _parse(inner, nesting + 1)
        # Words such as "test" are valid base64 by chance; only what hides JSON was meant as such.
        if isinstance(parsed, (dict, list)):
            return parsed
    return value
