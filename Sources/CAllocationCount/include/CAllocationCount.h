#pragma once

/// How many blocks this program has asked the C library for since its start: malloc, calloc, aligned allocation, and
/// every realloc.
unsigned long callocation_count(void);
