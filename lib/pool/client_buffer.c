/*
 * client_buffer - memory that a client and the pool share.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pool/client_priv.h"

int
client_send_buffer(struct reeve_pool *p, struct conn *c, unsigned i)
{
	struct {
		struct pool_msg m;
		struct pool_buffer b;
	} out = { { sizeof out, PM_BUFFER, 1, i }, { 0, 0 } };

	return client_conn_add(c, &out.m, &p->buffers[i].fd);
}

int
reeve_pool_buffer(struct reeve_pool *p, size_t size, void **addr)
{
	struct shared b = { .size = size };
	unsigned i = 0;

	while (i < REEVE_POOL_BUFFERS_MAX && p->buffers[i].fd != -1)
		i++;
	if (i == REEVE_POOL_BUFFERS_MAX)
		return client_fail(
		    p, EMFILE, "%d buffers are there", REEVE_POOL_BUFFERS_MAX);
	b.fd = memfd_create("reeve-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b.fd == -1)
		return client_fail(p, errno, "memfd: %s", strerror(errno));
	/* It cannot shrink: the pool maps it without fear. */
	b.addr = MAP_FAILED;
	if (ftruncate(b.fd, (off_t)size) == 0 &&
	    fcntl(b.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		b.addr = mmap(
		    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, b.fd, 0);
	if (b.addr == MAP_FAILED) {
		client_fail(p, errno, "a buffer of %zu bytes: %s", size,
		    strerror(errno));
		close(b.fd);
		return -1;
	}
	p->buffers[i] = b;
	if (client_conn(p)->fd != -1 &&
	    client_send_buffer(p, client_conn(p), i) == -1 &&
	    client_conn_lost(p, client_conn(p)) == -1)
		return -1;
	*addr = b.addr;
	return (int)i;
}

/* Over what is there: the address is the client's, and stays. */
static int
buffer_map(struct shared *b, int prot, int flags)
{
	return mmap(b->addr, b->size, prot, flags | MAP_FIXED, b->fd, 0) ==
		       MAP_FAILED
		   ? -1
		   : 0;
}

int
reeve_pool_buffer_seal(struct reeve_pool *p, int buffer)
{
	struct shared *b = &p->buffers[buffer];
	int why;

	if (b->fd == -1)
		return client_fail(p, EINVAL, "there is no buffer %d", buffer);
	/* A seal against writing wants no mapping that may write. */
	if (buffer_map(b, PROT_READ, MAP_PRIVATE) == -1)
		return client_fail(p, errno, "mmap: %s", strerror(errno));
	if (fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE) == -1) {
		why = errno;
		(void)buffer_map(b, PROT_READ | PROT_WRITE, MAP_SHARED);
		return client_fail(
		    p, why, "a job may still write to it: %s", strerror(why));
	}
	/* Before Linux 6.7 what is sealed cannot be mapped as shared; what
	 * nobody can change needs not be. */
	(void)buffer_map(b, PROT_READ, MAP_SHARED);
	return 0;
}

void
reeve_pool_buffer_free(struct reeve_pool *p, int buffer)
{
	struct shared *b = &p->buffers[buffer];

	if (b->fd == -1)
		return;
	if (client_conn(p)->fd != -1)
		(void)client_conn_add_bare(
		    client_conn(p), PM_BUFFER_DROP, (uint64_t)buffer, NULL, 0);
	(void)reeve_pool_flush(p);
	if (b->addr != MAP_FAILED)
		(void)munmap(b->addr, b->size);
	client_close_fd(&b->fd);
}
