"""Serves the host: hands calls to the handler and carries the function's own calls and messages."""

import atexit
import itertools
import json
import os
import queue
import sys
import threading
import time

from lecoresdk import CallCancelled, _transport
from lecoresdk.invoker_context import decode as decode_invoker_context

from . import context as calls
from .frames import FrameReader, FrameTooLong, FrameWriter
from .loading import Loader
from .logs import LogStream

STACK_LINES_MAX = 50


class Worker:
    """One worker process. The main thread reads frames; handlers run in `concurrency` other threads."""

    def __init__(self, read_fd, write_fd, handler, concurrency):
        self._pid = os.getpid()
        self._reader = FrameReader(read_fd)
        self._writer = FrameWriter(write_fd)
        self._handler_name = handler
        self._handler = None
        self._concurrency = concurrency
        self._calls = queue.SimpleQueue()
        self._operations = {}
        self._numbers = itertools.count(1)
        # Calls in a handler now: their context, and the thread that may be interrupted.
        self._running = {}
        self._running_lock = threading.Lock()

    def run(self):
        self._out = LogStream(self._writer, 1)
        self._err = LogStream(self._writer, 2)
        sys.stdout, sys.stderr = self._out, self._err
        _transport.use(HostTransport(self))
        os.register_at_fork(after_in_child=self._forked)
        threading.Thread(target=self._load, name="loader", daemon=True).start()
        try:
            self._read_frames()
        finally:
            self._leave()

    def _load(self):
        try:
            self._handler = Loader(self._handler_name).load()
        except BaseException as error:
            self._writer.write({"kind": "failure", **describe(error)})
            os._exit(1)
        for number in range(self._concurrency):
            threading.Thread(target=self._serve, name="handler %d" % number, daemon=True).start()
        self._writer.write({"kind": "ready", "language": "python %d.%d.%d" % sys.version_info[:3]})

    def _read_frames(self):
        while True:
            frame = self._reader.read()
            if frame is None:
                return
            header, payload = frame
            kind = header["kind"]
            if kind == "call":
                self._calls.put((header, payload))
            elif kind == "result":
                waiting = self._operations.pop(header["operation"], None)
                if waiting is not None:
                    waiting.put((header, payload))
            elif kind == "cancel":
                self._cancel(header["call"])
            elif kind == "shutdown":
                return
            # Kinds that this version does not know are passed over.

    def _serve(self):
        while True:
            header, payload = self._calls.get()
            call = header["call"]
            context = make_context(header)
            calls.enter_call(call, context)
            answer = None
            try:
                with self._running_lock:
                    self._running[call] = (context, threading.get_ident())
                answer = self._answer(call, payload, context)
            except BaseException as error:
                answer = ({"kind": "failure", "call": call, **describe(error)}, b"")
            self._leave_handler(call)
            if self._pid != os.getpid():
                # The handler forked and both returned: only the original answers.
                os._exit(0)
            self._out.flush_call(call)
            self._err.flush_call(call)
            calls.leave_call()
            # None only when a cancellation struck between two lines of this function.
            self._reply(call, *(answer or ({"kind": "failure", "call": call, "message": "cancelled"}, b"")))

    def _leave_handler(self, call):
        """From its return on no cancellation of this call reaches this thread."""
        while True:
            try:
                with self._running_lock:
                    entry = self._running.pop(call, None)
                    if entry is not None and entry[0].cancelled.is_set():
                        calls.raise_in(threading.get_ident(), None)
                return
            except CallCancelled:
                continue

    def _cancel(self, call):
        # In this order: no thread is interrupted while it writes a frame.
        with self._running_lock, self._writer.lock:
            entry = self._running.get(call)
            if entry is None:
                return
            context, thread = entry
            context.cancelled.set()
            calls.raise_in(thread, CallCancelled)

    def _forked(self):
        """In a child that the function forked: it must neither answer for the worker nor hear what it is told."""
        self._reader.abandon()
        self._writer.abandon()
        self._running_lock = threading.Lock()

    def _answer(self, call, payload, context):
        header = {"kind": "reply", "call": call}
        result = self._handler(payload, context)
        if result is None:
            header["status"] = 204
            return header, b""
        if isinstance(result, (bytes, bytearray, memoryview)):
            return header, bytes(result)
        if isinstance(result, str):
            header["contentType"] = "text/plain"
            return header, result.encode("utf-8")
        header["contentType"] = "application/json"
        return header, json.dumps(result, ensure_ascii=False).encode("utf-8")

    def _reply(self, call, header, payload):
        try:
            self._writer.write(header, payload)
        except FrameTooLong as error:
            self._writer.write({"kind": "failure", "call": call, **describe(error)})

    def request(self, header, payload, timeout_s):
        """Asks the host for something; returns (header, payload) of the result, or None when none came in time."""
        number = next(self._numbers)
        waiting = queue.SimpleQueue()
        self._operations[number] = waiting
        header["operation"] = number
        call = calls.current_call()
        if call is not None:
            header["call"] = call
        try:
            self._writer.write(header, payload)
            return waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None
        finally:
            self._operations.pop(number, None)

    def _leave(self):
        """Ends the process at once: threads of the function may never end by themselves."""
        if self._pid != os.getpid():
            os._exit(0)
        try:
            atexit._run_exitfuncs()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(0)


class HostTransport:
    """What `lecoresdk` speaks through inside a worker."""

    # How much longer than the host the worker waits before it gives up on an answer by itself.
    SLACK_S = 5.0
    DEFAULT_TIMEOUT_S = 10.0

    def __init__(self, worker):
        self._worker = worker

    def invoke(self, request):
        timeout_s = request.timeout_s or self.DEFAULT_TIMEOUT_S
        context = calls.current_context()
        if context is not None:
            timeout_s = min(timeout_s, context.remaining_ms() / 1000)
        header = {
            "kind": "invoke",
            "service": request.service,
            "function": request.function,
            "type": request.invocation_type,
            "timeoutMs": max(1, int(timeout_s * 1000)),
        }
        if request.context is not None:
            header["context"] = request.context
        if request.content_type is not None:
            header["contentType"] = request.content_type
        try:
            answer = self._worker.request(header, request.payload, timeout_s + self.SLACK_S)
        except FrameTooLong as error:
            return _transport.Outcome(413, str(error).encode(), code="REQUEST_TOO_LARGE", executed="none")
        if answer is None:
            return _transport.Outcome(408, b"the host did not answer in time", code="DEADLINE", executed="maybe")
        return outcome(*answer)

    def publish(self, topic, payload, qos, retain):
        header = {"kind": "publish", "topic": topic, "qos": qos, "retain": retain}
        answer = self._worker.request(header, payload, self.DEFAULT_TIMEOUT_S + self.SLACK_S)
        if answer is None:
            return _transport.Outcome(408, b"the host did not answer in time", code="DEADLINE", executed="maybe")
        return outcome(*answer)


def outcome(header, payload):
    status = header.get("status", 200)
    if status < 400:
        return _transport.Outcome(status, payload)
    body = {
        "status": status,
        "code": header.get("code", ""),
        "Message": header.get("message", ""),
        "StackTrace": header.get("stackTrace") or [],
        "executed": header.get("executed", "maybe"),
    }
    if header.get("errorType"):
        body["ErrorType"] = header["errorType"]
    return _transport.Outcome(
        status,
        json.dumps(body, ensure_ascii=False).encode("utf-8"),
        code=body["code"],
        executed=body["executed"],
        is_handled=bool(header.get("handled")),
    )


def make_context(header):
    invoker = calls.both_ways(decode_invoker_context(header.get("context")))
    context = calls.Context(
        {
            "requestId": header.get("requestId", ""),
            "invokerContext": invoker,
            "custom": invoker.get("custom", calls.Mapping()),
            "timeoutMs": header.get("timeoutMs", 0),
            "contentType": header.get("contentType"),
            "caller": header.get("caller"),
            "callerId": header.get("callerId"),
            "attempt": header.get("attempt", 1),
            "hops": header.get("hops", 0),
            "task": header.get("task"),
            "trace": calls.both_ways(header.get("trace")),
            "service": os.environ.get("FCBUS_SERVICE", ""),
            "function": os.environ.get("FCBUS_FUNCTION", ""),
            "version": os.environ.get("FCBUS_VERSION"),
        }
    )
    context["deadline"] = time.monotonic() + header.get("timeoutMs", 0) / 1000
    return context


def describe(error):
    """The keys of a failure frame for an exception; frames of the host itself are left out of the stack."""
    try:
        # Not at the start: it takes milliseconds, and most workers never need it.
        import traceback

        own = os.path.dirname(os.path.abspath(__file__))
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_of_function(frame.filename, own)]
        stack = [line.rstrip("\n")[:1000] for line in traceback.format_list(frames)]
    except (ImportError, OSError, MemoryError):
        # A function that has used up its files or its memory fails with its own words all the same.
        stack = []
    return {
        "message": (str(error) or type(error).__name__)[:4000],
        "errorType": type(error).__name__,
        "stackTrace": stack[-STACK_LINES_MAX:],
        "permanent": bool(getattr(error, "permanent", False)),
    }


def is_of_function(filename, own):
    return not filename.startswith((own, "<frozen importlib")) and "/importlib/" not in filename
