/*
 * mirror - a ring of bytes in a file, mapped twice in a row.
 *
 * What begins in the first copy goes on in the second, so that any run of up
 * to the ring's size is one piece of memory, wherever it begins.
 */
#ifndef BASE_MIRROR_H
#define BASE_MIRROR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The next power of two that is no less, and whole pages. */
size_t mirror_size(size_t n);
/*
 * size: of mirror_size; it lies in fd from off on.  NULL and err; else
 * 2 * size bytes, shared with whoever else maps the file.
 */
char *mirror_map(int fd, uint64_t off, size_t size, struct err *err);
void mirror_unmap(char *map, size_t size);

#endif
