"""What a handler gets as its second argument."""

import threading
import time


class Context(dict):
    """The context of one call, usable as a mapping and by attributes.

    requestId, invokerContext (a dict, as the caller gave it), timeoutMs (at the start of the call), contentType,
    caller, callerId, attempt, hops, task (the idempotency key of an async call), service, function, trace.
    Nested mappings can be used both ways too: ``context.invokerContext.custom.data``.
    """

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("the context has no %r; it has %s" % (name, ", ".join(sorted(self)))) from None

    def __setattr__(self, name, value):
        self[name] = value

    def remaining_ms(self):
        """Milliseconds that are left for this call; never negative."""
        return max(0, int((self["deadline"] - time.monotonic()) * 1000))


def both_ways(value):
    """Makes mappings usable by attributes, all the way down."""
    if isinstance(value, dict):
        return Context((key, both_ways(item)) for key, item in value.items())
    if isinstance(value, list):
        return [both_ways(item) for item in value]
    return value


_current = threading.local()


def enter_call(call, context):
    _current.call = call
    _current.context = context


def leave_call():
    _current.call = None
    _current.context = None


def current_call():
    """The identifier of the call that this thread serves, or None."""
    return getattr(_current, "call", None)


def current_context():
    return getattr(_current, "context", None)
