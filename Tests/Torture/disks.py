"""Directories for a store whose disk fills up or fails when a row says so."""

import os
import shutil
import subprocess
import tempfile


class BadDisk:
    """Any directory, spoilt by a library that is loaded into the broker (bad_disk.c)."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fcbus-disk-")
        self.directory = os.path.join(self.folder, "data")
        self.state = os.path.join(self.folder, "state")
        library = os.path.join(self.folder, "bad_disk.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_disk.c")
        compiler = shutil.which("cc") or shutil.which("clang")
        assert compiler, "a C compiler is needed: apt-get install gcc"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": library, "DISK_BELOW": self.directory, "DISK_STATE": self.state}

    def set(self, state):
        """`full`, `sync fails` or `cut short`; see bad_disk.c."""
        with open(self.state + ".new", "w") as file:
            file.write(state)
        os.rename(self.state + ".new", self.state)

    def fill(self):
        self.set("full")

    def mend(self):
        os.unlink(self.state)

    def remove(self):
        shutil.rmtree(self.folder)


class SmallDisk:
    """A file system of some megabytes, filled by a file; only the superuser can mount one."""

    environment = {}

    def __init__(self, megabytes=8):
        self.folder = tempfile.mkdtemp(prefix="fcbus-disk-")
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs"]
        mounted = subprocess.run(["mount", *options, self.folder], stderr=subprocess.DEVNULL)
        self.is_mounted = mounted.returncode == 0
        self.directory = os.path.join(self.folder, "data")
        self.ballast = os.path.join(self.folder, "ballast")

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return

    def mend(self):
        os.unlink(self.ballast)

    def remove(self):
        if self.is_mounted:
            # A broker that a failed row leaves behind must not keep it.
            subprocess.run(["umount", "--lazy", self.folder], check=True)
        os.rmdir(self.folder)
