"""Entry of a Python worker: fcbus_bootstrap.py MODULE.HANDLER CONCURRENCY MEMORY_BYTES FILES CPU_SECONDS

Takes stdin and stdout for the host's frames before any code of the function can touch them, sets the limits, loads
the function and serves calls until the host closes the pipe.
"""

import os
import sys


def take_pipes():
    """Moves the host's pipes to private descriptors.

    Afterwards fd 0 is /dev/null and fd 1 is stderr, so that whatever prints, even C code, makes a log line and not a
    broken frame. The private ones are not inherited by what the function starts.
    """
    read_fd = os.dup(0)
    write_fd = os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return read_fd, write_fd


def limit(memory_bytes, files, cpu_seconds):
    """Limits what the function may take; raised limits are refused by the system for everybody but root.

    RLIMIT_DATA counts what is allocated. RLIMIT_AS would count reserved addresses too, of which every thread and
    allocator takes far more than it ever touches.
    """
    import resource

    wanted = [(resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_NOFILE, files), (resource.RLIMIT_CORE, 0)]
    if cpu_seconds:
        wanted.append((resource.RLIMIT_CPU, cpu_seconds))
    for kind, value in wanted:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # At the soft limit of processor time a signal of its own comes, by which the host knows the reason.
        resource.setrlimit(kind, (value, hard if kind == resource.RLIMIT_CPU else value))


def keep_settled_code_only():
    """Keeps byte code only of files that have been left alone for two seconds.

    Python takes byte code for current when the time of the source, in whole seconds, and its size are the same: a
    function that is changed twice within a second would go on with its old code.
    """
    import time

    # What importlib.util passes on: that module itself takes milliseconds of every start.
    from importlib._bootstrap_external import SourceFileLoader as loader, source_from_cache

    write = loader.set_data

    def set_data(self, path, data, **more):
        try:
            age = time.time() - os.stat(source_from_cache(path)).st_mtime
        except (OSError, ValueError, NotImplementedError):
            return
        if age > 2:
            write(self, path, data, **more)

    loader.set_data = set_data


def main():
    read_fd, write_fd = take_pipes()
    handler = sys.argv[1]
    concurrency, memory_bytes, files, cpu_seconds = map(int, sys.argv[2:6])
    limit(memory_bytes, files, cpu_seconds)
    # Ours first: a function that carries its own copy of the SDK gets the one that works here.
    import lecoresdk  # noqa: F401
    from fcbus_worker.serving import Worker

    keep_settled_code_only()
    sys.argv = [handler]
    # The function's folder, which is the working directory unless the function has a fresh one.
    sys.path[0] = os.environ.get("FCBUS_FOLDER") or os.getcwd()
    Worker(read_fd, write_fd, handler, concurrency).run()


if __name__ == "__main__":
    main()
