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


def main():
    read_fd, write_fd = take_pipes()
    handler = sys.argv[1]
    concurrency, memory_bytes, files, cpu_seconds = map(int, sys.argv[2:6])
    limit(memory_bytes, files, cpu_seconds)
    # Ours first: a function that carries its own copy of the SDK gets the one that works here.
    import lecoresdk  # noqa: F401
    from fcbus_worker.serving import Worker

    sys.argv = [handler]
    # The function's folder, which is the working directory unless the function has a fresh one.
    sys.path[0] = os.environ.get("FCBUS_FOLDER") or os.getcwd()
    Worker(read_fd, write_fd, handler, concurrency).run()


if __name__ == "__main__":
    main()
