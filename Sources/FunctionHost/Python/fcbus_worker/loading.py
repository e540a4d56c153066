"""Loads a function's module, also one whose top level never ends."""

import importlib
import sys
import threading
import time

# How long a module may go on after its handler was defined before calls are served. Most modules are done at once;
# one that loops at top level, as drivers do, pays this once.
GRACE_S = 1.0


class HandlerMissing(Exception):
    """The module was loaded and has no such handler."""


class Loader:
    """Imports the module in a thread of its own and finds the handler in it, finished or not."""

    def __init__(self, handler):
        self._module_name, _, self._handler_name = handler.rpartition(".")
        self._done = threading.Event()
        self._error = None
        self._is_serving = False

    def load(self):
        """The handler; raises what the module raised, or HandlerMissing.

        Blocks for ever while the module neither ends nor defines the handler: the host limits that time.
        """
        threading.Thread(target=self._import, name="function top level", daemon=True).start()
        found_at = None
        pause = 0.0005
        while not self._done.wait(pause):
            pause = min(pause * 2, 0.05)
            if found_at is None and self._handler() is not None:
                found_at = time.monotonic()
            if found_at is not None and time.monotonic() - found_at >= GRACE_S:
                break
        if self._error is not None:
            raise self._error
        handler = self._handler()
        if handler is None:
            raise HandlerMissing(
                "module %s defines no callable %s" % (self._module_name, self._handler_name)
            )
        self._is_serving = True
        return handler

    def _handler(self):
        # The half-loaded module is in sys.modules; importing it here would wait for the import to end.
        handler = getattr(sys.modules.get(self._module_name), self._handler_name, None)
        return handler if callable(handler) else None

    def _import(self):
        try:
            importlib.import_module(self._module_name)
        except BaseException as error:  # SystemExit as well: a module that exits is not a function
            self._error = error
            if self._is_serving:
                # Calls are served already: the log is the only place left to tell it.
                sys.excepthook(type(error), error, error.__traceback__)
        finally:
            self._done.set()
