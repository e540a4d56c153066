#include "CAllocationCount.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

// A definition in the program itself takes precedence over that of the C library, for all that is linked or loaded:
// no hook and no preloading is needed. glibc exports its own functions under these names for such uses. Threads count
// in places of their own, as far as there are such, so that counting costs them next to nothing.

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

enum { PLACES = 64, CACHE_LINE_BYTES = 64 };

static struct {
    _Alignas(CACHE_LINE_BYTES) unsigned long count;
} places[PLACES];

/// Its address tells threads apart.
static _Thread_local char own;

static void add(void) {
    uintptr_t thread = (uintptr_t)&own >> 12;
    unsigned long *count = &places[(thread ^ thread >> 8) % PLACES].count;
    // Two threads that share a place may lose a count now and then; an addition that cannot costs more than the rest.
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

unsigned long callocation_count(void) {
    unsigned long sum = 0;
    for (int index = 0; index < PLACES; index++) sum += __atomic_load_n(&places[index].count, __ATOMIC_RELAXED);
    return sum;
}

void *malloc(size_t size) {
    add();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    add();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    add();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    add();
    return __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size) {
    add();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    add();
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}

void free(void *block) { __libc_free(block); }
