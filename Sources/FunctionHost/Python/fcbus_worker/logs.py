"""Lines that a function prints, sent to the host with the call that they belong to."""

import io

from . import context

LINE_CHARACTERS_MAX = 8192


class LogStream(io.TextIOBase):
    """Stands in for sys.stdout and sys.stderr.

    Lines are kept apart by call, so that calls which print at the same time do not mix within a line.
    """

    def __init__(self, writer, fd):
        super().__init__()
        self._writer = writer
        self._fd = fd
        self._partial = {}

    encoding = "utf-8"
    errors = "replace"

    def writable(self):
        return True

    def fileno(self):
        # For subprocess.run(stdout=sys.stdout) and the like: the descriptor that ends up in the log.
        return self._fd

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        call = context.current_call()
        lines = (self._partial.pop(call, "") + text).split("\n")
        rest = lines.pop()
        for line in lines:
            self._send(line, call)
        while len(rest) > LINE_CHARACTERS_MAX:
            self._send(rest[:LINE_CHARACTERS_MAX], call)
            rest = rest[LINE_CHARACTERS_MAX:]
        if rest:
            self._partial[call] = rest
        return len(text)

    def flush_call(self, call):
        """Sends what the call printed without a line's end."""
        rest = self._partial.pop(call, "")
        if rest:
            self._send(rest, call)

    def _send(self, line, call):
        for start in range(0, max(len(line), 1), LINE_CHARACTERS_MAX):
            header = {"kind": "log", "message": line[start : start + LINE_CHARACTERS_MAX]}
            if call is not None:
                header["call"] = call
            self._writer.write(header)
