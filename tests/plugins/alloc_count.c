/*
 * alloc_count - for LD_PRELOAD: how often memory is asked for, in a file.
 *
 * No plugin.  $ALLOC_COUNT names the file: eight bytes, a number of this
 * machine.  Only the process that it is loaded into counts, no child of it.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static _Atomic uint64_t none, *count = &none;

__attribute__((constructor)) static void
alloc_count_begin(void)
{
	const char *path = getenv("ALLOC_COUNT");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd == -1)
		return;
	p = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		count = p;
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("ALLOC_COUNT");
}

void *
malloc(size_t n)
{
	++*count;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	++*count;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	++*count;
	return __libc_realloc(p, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	++*count;
	return __libc_memalign(align, n);
}
