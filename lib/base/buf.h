/*
 * buf - a growing run of bytes.
 *
 * buf_init makes an empty one without allocating; growth is with xalloc.
 * The bytes are always followed by a NUL that is not counted, once there
 * is an allocation; buf_str never returns NULL.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_init(struct buf *b);
void buf_fini(struct buf *b);
/* len = 0, the memory is kept. */
void buf_clear(struct buf *b);
/* Room for n more bytes (and the NUL) at data + len. */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
const char *buf_str(const struct buf *b);
/* Returns the bytes as a string; b is empty from here. */
char *buf_steal(struct buf *b);

#endif
