/*
 * fd - file descriptors: -1 when absent, close-on-exec from birth.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <sys/types.h>

#include <stddef.h>

/* Closes *fdp unless it is -1, and sets it to -1; keeps errno. */
void fd_closep(int *fdp);
/* The same for one that came from somebody else: whatever he wanted, its end
 * is not waited for (SO_LINGER). */
void fd_close_given(int *fdp);
int fd_nonblock(int fd);
/* To a number that is not below least; where none can be had it stays. */
void fd_lift(int *fdp, int least);
/*
 * Makes the table of descriptors large enough for n, as far as the limit lets
 * it.  When threads share the table the kernel waits some ms for them each
 * time that it grows: it is done once, before there are threads.
 */
void fd_make_room(size_t n);
/* Reads or writes it all, over EINTR; -1 on error or (read) early end. */
int fd_read_all(int fd, void *buf, size_t n);
int fd_write_all(int fd, const void *buf, size_t n);
/* Soft RLIMIT_NOFILE up to hard; old_soft, if not NULL, gets what it was. */
void fd_raise_limit(unsigned long *old_soft);

#endif
