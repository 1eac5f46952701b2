/*
 * rawsys - system calls that do not touch errno.
 *
 * The child shares the parent's memory, its thread-local errno included, and
 * both run: a libc wrapper in the child would write into the parent's errno.
 * Returns the value, or -errno.  Where there is no code for the machine the
 * parent is suspended during the start (CLONE_VFORK) and libc will do.
 */
#ifndef SPAWN_RAWSYS_H
#define SPAWN_RAWSYS_H

#include <sys/syscall.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define RAWSYS_NATIVE 1

static inline long
rawsys5(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

/*
 * clone3(2) whose child runs fn(arg) on the stack that args names, and exits
 * with what it returns.
 */
static inline long
rawsys_clone3(void *args, unsigned long size, int (*fn)(void *), void *arg)
{
	register int (*r12)(void *) __asm__("r12") = fn;
	register void *r13 __asm__("r13") = arg;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[nr_exit], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone3), "D"(args), "S"(size), "r"(r12),
			 "r"(r13), [nr_exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}
#else
#define RAWSYS_NATIVE 0

#include <errno.h>
#include <unistd.h>

static inline long
rawsys5(long nr, long a, long b, long c, long d, long e)
{
	long ret = syscall(nr, a, b, c, d, e);

	return ret == -1 ? -errno : ret;
}
#endif

static inline long
rawsys(long nr, long a, long b, long c, long d)
{
	return rawsys5(nr, a, b, c, d, 0);
}

#endif
