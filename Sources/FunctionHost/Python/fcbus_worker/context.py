"""What a handler gets as its second argument."""

import threading
import time


class Mapping(dict):
    """A mapping that can be used by attributes too, all the way down: ``invokerContext.custom.data``."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("there is no %r here; there is %s" % (name, ", ".join(sorted(self)))) from None

    def __setattr__(self, name, value):
        self[name] = value


class Context(Mapping):
    """The context of one call, usable as a mapping and by attributes.

    requestId, invokerContext (a dict, as the caller gave it), custom (that of the invokerContext), timeoutMs (at the start of the call), deadline (seconds
    of time.monotonic()), contentType, caller, callerId, attempt, hops, task (the idempotency key of an async call),
    service, function, version, trace; and as an attribute only
    cancelled: a threading.Event that is set when nobody waits any more.
    As attributes all of them can be spelled either way: requestId, request_id.
    """

    def __init__(self, *values):
        super().__init__(*values)
        # No item: what is left can be written as JSON.
        object.__setattr__(self, "cancelled", threading.Event())

    def __getattr__(self, name):
        head, *rest = name.split("_")
        return super().__getattr__(head + "".join(word.capitalize() for word in rest) if head and rest else name)

    def remaining_ms(self):
        """Milliseconds that are left for this call; never negative."""
        return max(0, int((self["deadline"] - time.monotonic()) * 1000))

    # By the names that other platforms use for it.
    remainingMs = remaining_ms
    get_remaining_time_in_millis = remaining_ms
    getRemainingTimeInMillis = remaining_ms


def both_ways(value):
    """Makes mappings usable by attributes, all the way down."""
    if isinstance(value, dict):
        return Mapping((key, both_ways(item)) for key, item in value.items())
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


def raise_in(thread, exception):
    """Raises an exception in another thread, at its next line of Python; None takes back one that is pending.

    A thread that sits in a system call, or in code that is not Python, gets it when it is back.
    """
    # Here, since it takes some milliseconds and most workers never need it.
    import ctypes

    value = ctypes.py_object(exception) if exception is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)
