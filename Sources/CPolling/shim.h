#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

// What the Glibc module leaves out, and without the union of epoll_event, which Swift takes for a pointer.

typedef struct {
    uint64_t token;
    uint32_t events;
} cpolling_event;

enum { CPOLLING_CAPACITY = 256 };

/// Adds a descriptor to a set, or changes what it is watched for.
static inline int cpolling_watch(int set, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(set, operation, descriptor, &event);
}

/// Waits; returns how many of at most CPOLLING_CAPACITY events it has written.
static inline int cpolling_wait(int set, cpolling_event *events, int milliseconds) {
    struct epoll_event ready[CPOLLING_CAPACITY];
    int count = epoll_wait(set, ready, CPOLLING_CAPACITY, milliseconds);
    for (int index = 0; index < count; index++) {
        events[index].token = ready[index].data.u64;
        events[index].events = ready[index].events;
    }
    return count;
}
