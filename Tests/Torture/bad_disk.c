/* A disk that misbehaves below one directory while a file says how: loaded into the broker by LD_PRELOAD.
 *
 * DISK_BELOW names the directory, DISK_STATE the file; without the file everything works. Its first letter:
 * f  full: half of every write is done, until the last byte finds no room
 * s  syncs fail with EIO
 * c  writes are cut short: at most 1000 bytes of each are taken
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char state_of(int descriptor) {
    const char *below = getenv("DISK_BELOW"), *file = getenv("DISK_STATE");
    char link[64], path[4096], state = 0;
    if (!below || !file) return 0;
    int flag = open(file, O_RDONLY | O_CLOEXEC);
    if (flag < 0) return 0;
    if (read(flag, &state, 1) != 1) state = 0;
    close(flag);
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0 ? state : 0;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    char state = state_of(descriptor);
    if (state == 'f' && count <= 1) {
        errno = ENOSPC;
        return -1;
    }
    if (state == 'f') count /= 2;
    if (state == 'c' && count > 1000) count = 1000;
    return next(descriptor, bytes, count, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return pwrite64(descriptor, bytes, count, offset);
}

static int sync_by(const char *name, int descriptor) {
    if (state_of(descriptor) == 's') {
        errno = EIO;
        return -1;
    }
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return next(descriptor);
}

int fdatasync(int descriptor) { return sync_by("fdatasync", descriptor); }
int fsync(int descriptor) { return sync_by("fsync", descriptor); }
