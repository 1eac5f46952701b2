/*
 * msglog - the ring of messages.  See msglog.h.
 *
 * Positions only grow.  Adding: first the head moves past what is about to be
 * overwritten, then the bytes are written, then the tail moves, each with one
 * store: whoever opens the ring after a death finds whole messages.
 */
#include "state/msglog.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mirror.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "state/region.h"

#define LOG_MAGIC UINT32_C(0x6d736731)
#define LOG_HEAD  4096
#define LOG_RING  (4 * 1024 * 1024)

struct log_head {
	uint32_t magic;
	uint32_t unused;
	uint64_t head, tail;
};

struct msglog {
	int fd; /* -1: borrowed */
	int shown_fd;
	struct log_head *head;
	char *ring;
	size_t size;
	uint64_t last;    /* number of the newest */
	uint64_t last_id; /* who sent it */
	uint64_t last_at; /* of which bytes */
	uint64_t counted; /* what lies before that is not counted any more */
	size_t *unread;   /* by counter; NULL: nobody has followed yet */
	struct msglog_reader *readers;
};

static struct msglog_head *
log_at(const struct msglog *ml, uint64_t pos)
{
	return (
	    struct msglog_head *)(void *)(ml->ring + (pos & (ml->size - 1)));
}

static uint64_t
log_tail(const struct msglog *ml)
{
	return ml->head->tail;
}

/* --- life -------------------------------------------------------------------
 */

static int
log_map(struct msglog *ml, int fd, struct err *err)
{
	void *p =
	    mmap(NULL, LOG_HEAD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_sys(err, "map the messages");
	ml->head = p;
	ml->size = mirror_size(LOG_RING);
	ml->ring = mirror_map(fd, LOG_HEAD, ml->size, err);
	return ml->ring == NULL ? -1 : 0;
}

/* Every message that is there; -1: it is not as it was written. */
static int
log_walk(struct msglog *ml)
{
	uint64_t pos = ml->head->head, tail = ml->head->tail;

	if (ml->head->magic != LOG_MAGIC || tail - pos > ml->size)
		return -1;
	while (pos != tail) {
		const struct msglog_head *h = log_at(ml, pos);

		if (h->size < sizeof *h || h->size % 8 != 0 ||
		    h->size > tail - pos || h->len > h->size - sizeof *h)
			return -1;
		ml->last = h->seq;
		ml->last_id = h->id;
		ml->last_at = h->at;
		pos += h->size;
	}
	ml->counted = tail;
	return 0;
}

static struct msglog *
log_new(int fd, struct err *err)
{
	struct msglog *ml = xcalloc(1, sizeof *ml);

	ml->fd = -1;
	ml->shown_fd = fd;
	if (log_map(ml, fd, err) == 0)
		return ml;
	msglog_free(ml);
	return NULL;
}

static struct msglog *
log_create(struct err *err)
{
	int fd = sys_memfd_create("messages", MFD_CLOEXEC);
	struct msglog *ml;

	if (fd == -1 ||
	    ftruncate(fd, (off_t)(LOG_HEAD + mirror_size(LOG_RING))) == -1) {
		err_sys(err, "memfd for messages");
		fd_closep(&fd);
		return NULL;
	}
	ml = log_new(fd, err);
	if (ml == NULL) {
		fd_closep(&fd);
		return NULL;
	}
	ml->fd = fd;
	ml->head->magic = LOG_MAGIC;
	return ml;
}

struct msglog *
msglog_open(int fd, struct err *err)
{
	struct msglog *ml;
	struct stat st;

	if (fd == -1)
		return log_create(err);
	if (fstat(fd, &st) == -1 ||
	    (uint64_t)st.st_size < LOG_HEAD + mirror_size(LOG_RING)) {
		err_set(err, "the messages are not as they were");
		return NULL;
	}
	ml = log_new(fd, err);
	if (ml == NULL || log_walk(ml) == 0)
		return ml;
	err_set(err, "the messages are not as they were");
	msglog_free(ml);
	return NULL;
}

void
msglog_free(struct msglog *ml)
{
	if (ml == NULL)
		return;
	if (ml->head != NULL)
		munmap(ml->head, LOG_HEAD);
	mirror_unmap(ml->ring, ml->size);
	fd_closep(&ml->fd);
	free(ml->unread);
	free(ml);
}

int
msglog_fd(const struct msglog *ml)
{
	return ml->shown_fd;
}

uint64_t
msglog_last(const struct msglog *ml)
{
	return ml->last;
}

uint64_t
msglog_before(const struct msglog *ml)
{
	if (ml->head->head == ml->head->tail)
		return ml->last;
	return log_at(ml, ml->head->head)->seq - 1;
}

/* --- adding -----------------------------------------------------------------
 */

static void
log_count(struct msglog *ml, const struct msglog_head *h, int sign)
{
	size_t *n;

	if (ml->unread == NULL)
		return;
	n = &ml->unread[h->counter % MSGLOG_CHANNELS];
	if (sign > 0)
		*n += h->size;
	else
		*n -= *n < h->size ? *n : h->size;
}

/* What lies before pos is read, or not to be waited for any more. */
static void
log_counted(struct msglog *ml, uint64_t pos)
{
	while (ml->counted < pos) {
		const struct msglog_head *h = log_at(ml, ml->counted);

		log_count(ml, h, -1);
		ml->counted += h->size;
	}
}

static void
log_make_room(struct msglog *ml, size_t n)
{
	uint64_t head = ml->head->head;

	while (ml->head->tail + n - head > ml->size) {
		uint64_t next = head + log_at(ml, head)->size;

		log_counted(ml, next);
		head = next;
	}
	__atomic_store_n(&ml->head->head, head, __ATOMIC_SEQ_CST);
}

void
msglog_add(struct msglog *ml, const struct msglog_head *from, const char *text,
    mono_ms now)
{
	size_t size = (sizeof *from + from->len + 7) & ~(size_t)7;
	uint64_t tail = log_tail(ml);
	struct msglog_reader *rd, *next;
	struct msglog_head *h;

	if (ml->last != 0 && ml->last_id == from->id && ml->last_at == from->at)
		return;
	log_make_room(ml, size);
	h = log_at(ml, tail);
	*h = *from;
	h->size = (uint32_t)size;
	h->seq = ++ml->last;
	memcpy(h + 1, text, h->len);
	ml->last_id = h->id;
	ml->last_at = h->at;
	region_barrier();
	__atomic_store_n(&ml->head->tail, tail + size, __ATOMIC_SEQ_CST);
	log_count(ml, h, 1);
	if (ml->readers == NULL)
		log_counted(ml, tail + size);
	for (rd = ml->readers; rd != NULL; rd = next) {
		next = rd->next;
		if (rd->pos == tail)
			rd->moved_ms = now;
		rd->news(rd->arg);
	}
}

/* --- reading ----------------------------------------------------------------
 */

void
msglog_read_from(struct msglog *ml, struct msglog_reader *rd, uint64_t seen)
{
	uint64_t pos = ml->head->head;

	while (pos != log_tail(ml) && log_at(ml, pos)->seq <= seen)
		pos += log_at(ml, pos)->size;
	rd->pos = pos;
	rd->seen = seen;
}

void
msglog_follow(struct msglog *ml, struct msglog_reader *rd, mono_ms now)
{
	if (ml->unread == NULL)
		ml->unread = xcalloc(MSGLOG_CHANNELS, sizeof *ml->unread);
	rd->moved_ms = now;
	rd->next = ml->readers;
	ml->readers = rd;
}

void
msglog_unfollow(struct msglog *ml, struct msglog_reader *rd)
{
	struct msglog_reader **p = &ml->readers;

	while (*p != rd)
		p = &(*p)->next;
	*p = rd->next;
}

bool
msglog_next(struct msglog *ml, struct msglog_reader *rd,
    struct msglog_message *out, uint64_t *lost)
{
	const struct msglog_head *h;

	if (rd->pos < ml->head->head)
		rd->pos = ml->head->head;
	if (rd->pos == log_tail(ml))
		return false;
	h = log_at(ml, rd->pos);
	*lost = h->seq - rd->seen - 1;
	out->head = h;
	out->text = (const char *)(h + 1);
	return true;
}

void
msglog_took(struct msglog *ml, struct msglog_reader *rd, mono_ms now)
{
	const struct msglog_head *h = log_at(ml, rd->pos);

	rd->seen = h->seq;
	rd->pos += h->size;
	rd->moved_ms = now;
}

static void
log_settle(struct msglog *ml, mono_ms now)
{
	uint64_t least = log_tail(ml);

	for (const struct msglog_reader *rd = ml->readers; rd != NULL;
	     rd = rd->next)
		if (rd->pos < least && now - rd->moved_ms < MSGLOG_STALL_MS)
			least = rd->pos;
	log_counted(ml, least);
}

size_t
msglog_unread(struct msglog *ml, uint32_t counter, mono_ms now)
{
	if (ml->unread == NULL)
		return 0;
	log_settle(ml, now);
	return ml->unread[counter % MSGLOG_CHANNELS];
}

size_t
msglog_unread_all(struct msglog *ml, mono_ms now)
{
	if (ml->unread == NULL)
		return 0;
	log_settle(ml, now);
	return (size_t)(log_tail(ml) - ml->counted);
}
