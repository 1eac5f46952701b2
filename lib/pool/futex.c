/*
 * futex - sleep until a word has changed: futex(2), private to the process.
 */
#include <sys/syscall.h>

#include <linux/futex.h>

#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "pool/pool_priv.h"

/* May return early, and for no reason. */
void
pool_futex_wait(atomic_uint *word, unsigned seen, int64_t timeout_ns)
{
	struct timespec ts = { .tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000 };

	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen,
	    timeout_ns < 0 ? NULL : &ts, NULL, 0);
}

void
pool_futex_wake(atomic_uint *word)
{
	(void)syscall(
	    SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
