/* region - a memfd mapped shared; and a checksum. */
#include "engine/region.h"

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

uint32_t
region_crc(uint32_t crc, const void *p, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000,
		0x1db71064,
		0x3b6e20c8,
		0x26d930ac,
		0x76dc4190,
		0x6b6b51f4,
		0x4db26158,
		0x5005713c,
		0xedb88320,
		0xf00f9344,
		0xd6d6a3e8,
		0xcb61b38c,
		0x9b64c2b0,
		0x86d3d2d4,
		0xa00ae278,
		0xbdbdf21c,
	};
	const unsigned char *s = p;

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= s[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}
