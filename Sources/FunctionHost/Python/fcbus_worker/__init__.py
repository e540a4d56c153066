"""The Python side of the function host's worker protocol (Documentation/worker-protocol.md)."""
