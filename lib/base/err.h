/*
 * err - an error that a person will read.
 *
 * Filled once, where it happened, as "VERB OBJECT: reason".  A function that
 * takes a struct err returns 0 or -1; err may be NULL when the caller does
 * not care.  Owns nothing: a plain value, copied freely.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

struct err {
	int errnum;     /* errno of err_sys, else 0 */
	char text[512]; /* "" when no error; longer texts are cut */
};

/* Each returns -1, so that "return err_set(...)" reads well. */
int err_set(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Appends ": " and strerror(errno). */
int err_sys(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts a prefix in front of what is there. */
int err_prefix(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
