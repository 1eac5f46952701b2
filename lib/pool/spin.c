/*
 * spin - to look on for a while before one sleeps.
 *
 * To sleep and to be woken costs each side more than a short job takes, so
 * who waits for one looks for some 10 microseconds first.  That is worth it
 * only if the other side runs meanwhile and is quick: not with a single CPU,
 * nor when others have the rest, nor with long jobs.  So it is left out more
 * and more often as it does not pay; and tried for longer then, in which also
 * one that must be woken can answer: else two that sleep, each because the
 * other one does, would go on like that.
 */
#include "pool/pool_priv.h"

#define TURNS      400
#define TURNS_LONG 1600
#define MISSES_MAX 8

static void
spin_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

bool
pool_spin(struct pool *p, struct pool_spin *s, bool (*there)(struct pool *))
{
	int turns = s->misses == 0 ? TURNS : TURNS_LONG;

	if (s->skip > 0) {
		s->skip--;
		return there(p);
	}
	for (int i = 0; i < turns; i++) {
		if (there(p)) {
			s->misses = 0;
			return true;
		}
		spin_relax();
	}
	if (s->misses < MISSES_MAX)
		s->misses++;
	s->skip = (1u << s->misses) - 1;
	return false;
}
