/* region - a memfd mapped shared; and a checksum. */
#include "state/region.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/sys.h"

#define REGION_MAGIC 0x6e6f696765727672ULL /* "rvregion" */

struct region_head {
	uint64_t magic;
	uint32_t layout;
};

_Static_assert(sizeof(struct region_head) <= REGION_HEAD, "head too small");

static int
region_map(struct region *rg, size_t size)
{
	void *p;

	if (rg->map == NULL)
		p = mmap(
		    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, rg->fd, 0);
	else
		p = mremap(rg->map, rg->size, size, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return -1;
	rg->map = p;
	rg->size = size;
	return 0;
}

static int
region_create(
    struct region *rg, const char *name, uint32_t layout, struct err *err)
{
	struct region_head head = { REGION_MAGIC, layout };
	size_t size = rg->size;

	rg->fd = sys_memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (rg->fd == -1)
		return err_sys(err, "create memfd %s", name);
	/* Allocated now: a full memory is an error here, not a SIGBUS later. */
	if (fallocate(rg->fd, 0, 0, (off_t)size) == -1)
		return err_sys(err, "allocate memfd %s", name);
	if (fcntl(rg->fd, F_ADD_SEALS, F_SEAL_SHRINK) == -1)
		return err_sys(err, "seal memfd %s", name);
	if (region_map(rg, size) == -1)
		return err_sys(err, "map memfd %s", name);
	memcpy(rg->map, &head, sizeof head);
	return 0;
}

static int
region_reopen(struct region *rg, int fd, const char *name, uint32_t layout,
    struct err *err)
{
	struct region_head head;
	struct stat st;

	rg->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (rg->fd == -1)
		return err_sys(err, "duplicate memfd %s", name);
	if (fstat(rg->fd, &st) == -1)
		return err_sys(err, "stat memfd %s", name);
	if (st.st_size < (off_t)rg->size)
		return err_set(err, "open memfd %s: too short", name);
	if (region_map(rg, (size_t)st.st_size) == -1)
		return err_sys(err, "map memfd %s", name);
	memcpy(&head, rg->map, sizeof head);
	if (head.magic != REGION_MAGIC || head.layout != layout)
		return err_set(err, "open memfd %s: of another layout", name);
	return 0;
}

int
region_init(struct region *rg, int fd, const char *name, uint32_t layout,
    size_t size, struct err *err)
{
	int rc;

	rg->fd = -1;
	rg->map = NULL;
	rg->size = REGION_HEAD + size;
	if (fd == -1)
		rc = region_create(rg, name, layout, err);
	else
		rc = region_reopen(rg, fd, name, layout, err);
	if (rc == -1)
		region_fini(rg);
	return rc;
}

void
region_fini(struct region *rg)
{
	if (rg->map != NULL)
		munmap(rg->map, rg->size);
	rg->map = NULL;
	fd_closep(&rg->fd);
}

int
region_grow(struct region *rg, size_t size)
{
	size += REGION_HEAD;
	if (size <= rg->size)
		return 0;
	if (fallocate(rg->fd, 0, 0, (off_t)size) == -1)
		return -1;
	return region_map(rg, size);
}

/*
 * Eight bytes at a time: with each change of a slot some KiB are summed.  The
 * multiplication carries a changed bit up, the shift brings it down again.
 */
uint32_t
region_sum(uint32_t sum, const void *p, size_t n)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	const unsigned char *s = p;
	uint64_t h = sum + n * factor, word;

	for (; n > 0; s += sizeof word) {
		size_t take = n < sizeof word ? n : sizeof word;

		word = 0;
		memcpy(&word, s, take);
		n -= take;
		h = (h ^ word) * factor;
		h ^= h >> 29;
	}
	return (uint32_t)(h ^ h >> 32);
}
