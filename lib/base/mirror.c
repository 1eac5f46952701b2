/*
 * mirror - a ring of bytes in a file, mapped twice in a row.
 */
#include "base/mirror.h"

#include <sys/mman.h>

#include <unistd.h>

size_t
mirror_size(size_t n)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	while (size < n)
		size *= 2;
	return size;
}

char *
mirror_map(int fd, uint64_t off, size_t size, struct err *err)
{
	char *map = mmap(NULL, 2 * size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		err_sys(err, "map a ring of %zu bytes", size);
		return NULL;
	}
	for (size_t i = 0; i < 2; i++) {
		if (mmap(map + i * size, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, fd, (off_t)off) != MAP_FAILED)
			continue;
		err_sys(err, "map a ring of %zu bytes", size);
		munmap(map, 2 * size);
		return NULL;
	}
	return map;
}

void
mirror_unmap(char *map, size_t size)
{
	if (map != NULL)
		munmap(map, 2 * size);
}
