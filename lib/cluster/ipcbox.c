/*
 * ipcbox - the two rings of a message channel.  See ipcbox.h.
 *
 * The memfd begins with a page of two copies of all positions; which of them
 * counts is one word.  A change is made in the other copy, and then the word
 * is changed: a death before that leaves all as it was.
 *
 * Beside its positions a copy has the mmsghdr of the system calls that move
 * bytes while it counts.  The kernel puts the number of bytes moved into
 * msg_len before it returns to us, and a process that is killed is killed on
 * that return, not before: so the positions of a copy are those that stand in
 * it and the two msg_len.  (A page that were not in memory could make the
 * kernel fail in the middle: those it writes to have been touched.)
 *
 * Positions only grow; where they point to is their remainder.
 */
#include "cluster/ipcbox.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mirror.h"
#include "base/sys.h"
#include "base/xalloc.h"

#define BOX_MAGIC   UINT32_C(0x69706362)
#define BOX_HEAD    8192
#define BOX_WINDOW  (64 * 1024)       /* bytes of one system call */
#define BOX_RESERVE 8192              /* of out: for answers */
#define BOX_REST    (2 * BOX_WINDOW)  /* kept of an empty ring */
#define BOX_KEYS    (IPCBOX_KEYS + 1) /* with one that is not noted yet */

struct positions {
	uint64_t in_head, in_tail;
	uint64_t out_head, out_tail;
	uint64_t answered; /* the line that got the last answer, + 1 */
	uint64_t nkeys;
	uint64_t ended;
};

struct copy {
	struct positions at;
	struct mmsghdr in, out;
	struct iovec in_iov, out_iov;
};

/* The page in the memfd. */
struct head {
	uint32_t magic;
	uint32_t max;
	uint32_t which;
	struct copy copy[2];
	uint64_t keys[BOX_KEYS];
};

_Static_assert(sizeof(struct head) <= BOX_HEAD, "the rings begin after it");

struct ring {
	char *map; /* twice */
	size_t size;
	uint64_t off;   /* in the memfd */
	size_t touched; /* bytes from its beginning that are in memory */
	size_t used;    /* ... that may be */
};

struct ipcbox {
	int fd; /* -1: borrowed, and not kept */
	int shown_fd;
	struct head *head;
	struct ring in, out;
	uint64_t scanned; /* no line ends before that */
	size_t messages;
};

/* --- positions --------------------------------------------------------------
 */

static struct copy *
box_copy(const struct ipcbox *b)
{
	return &b->head->copy[b->head->which & 1];
}

static struct positions
box_at(const struct ipcbox *b)
{
	const struct copy *c = box_copy(b);
	struct positions at = c->at;

	at.in_tail += c->in.msg_len;
	at.out_head += c->out.msg_len;
	return at;
}

static void
box_move(struct ipcbox *b, const struct positions *to)
{
	uint32_t other = (b->head->which & 1) ^ 1;
	struct copy *c = &b->head->copy[other];

	memset(c, 0, sizeof *c);
	c->at = *to;
	__atomic_store_n(&b->head->which, other, __ATOMIC_SEQ_CST);
}

static char *
ring_at(const struct ring *r, uint64_t pos)
{
	return r->map + (pos & (r->size - 1));
}

/* The kernel shall not have to look for memory there. */
static void
ring_touch(struct ring *r, uint64_t pos, size_t n)
{
	size_t to = (size_t)(pos & (r->size - 1)) + n;

	to = to < r->size ? to : r->size;
	r->used = r->used > to ? r->used : to;
	for (; r->touched < to; r->touched += 4096) {
		volatile char *p = r->map + r->touched;

		*p = *p;
	}
}

/* Nothing is in it: where it may as well go on. */
static uint64_t
ring_begin(const struct ring *r, uint64_t pos)
{
	if ((pos & (r->size - 1)) < BOX_WINDOW)
		return pos;
	return (pos | (r->size - 1)) + 1;
}

/*
 * Nothing is in it, and it goes on near its beginning: memory is given back.
 * Not before that is noted, what lies there would be needed again.
 */
static void
ring_rest(struct ring *r, int fd)
{
	if (r->used <= BOX_REST)
		return;
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)r->off + BOX_REST, (off_t)(r->size - BOX_REST));
	r->used = BOX_REST;
	if (r->touched > r->used)
		r->touched = r->used;
}

/* --- life -------------------------------------------------------------------
 */

static size_t
box_lines(const struct ring *r, uint64_t from, uint64_t to)
{
	const char *p = ring_at(r, from), *end = p + (to - from);
	size_t n = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL)
		p++, n++;
	return n;
}

static int
box_map(struct ipcbox *b, int fd, uint32_t max, struct err *err)
{
	void *p =
	    mmap(NULL, BOX_HEAD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_sys(err, "map the queues of a channel");
	b->head = p;
	b->in.size = mirror_size(max + 1 + BOX_WINDOW);
	b->in.off = BOX_HEAD;
	b->out.size = mirror_size(2 * (size_t)max + BOX_RESERVE);
	b->out.off = b->in.off + b->in.size;
	b->in.map = mirror_map(fd, b->in.off, b->in.size, err);
	if (b->in.map == NULL)
		return -1;
	b->out.map = mirror_map(fd, b->out.off, b->out.size, err);
	return b->out.map == NULL ? -1 : 0;
}

static struct ipcbox *
box_alloc(int fd)
{
	struct ipcbox *b = xcalloc(1, sizeof *b);

	b->fd = -1;
	b->shown_fd = fd;
	return b;
}

struct ipcbox *
ipcbox_new(size_t max, struct err *err)
{
	int fd = sys_memfd_create("ipc", MFD_CLOEXEC);
	struct ipcbox *b = box_alloc(fd);
	uint64_t end = BOX_HEAD + mirror_size(max + 1 + BOX_WINDOW) +
		       mirror_size(2 * max + BOX_RESERVE);

	b->fd = fd;
	if (fd == -1 || ftruncate(fd, (off_t)end) == -1) {
		err_sys(err, "memfd for a channel");
		ipcbox_free(b);
		return NULL;
	}
	if (box_map(b, fd, (uint32_t)max, err) == -1) {
		ipcbox_free(b);
		return NULL;
	}
	b->head->max = (uint32_t)max;
	b->head->magic = BOX_MAGIC;
	return b;
}

static bool
box_is_sound(const struct ipcbox *b)
{
	struct positions at = box_at(b);

	return at.in_tail - at.in_head <= b->in.size &&
	       at.out_tail - at.out_head <= b->out.size;
}

struct ipcbox *
ipcbox_open(int fd, struct err *err)
{
	struct head h;
	struct ipcbox *b;
	struct stat st;

	if (fstat(fd, &st) == -1 ||
	    pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
	    h.magic != BOX_MAGIC || h.max < IPCBOX_MAX_LEAST ||
	    h.max > IPCBOX_MAX_MOST) {
		err_set(err, "the queues of a channel are not as they were");
		return NULL;
	}
	b = box_alloc(fd);
	if (box_map(b, fd, h.max, err) == -1) {
		ipcbox_free(b);
		return NULL;
	}
	if ((uint64_t)st.st_size < b->out.off + b->out.size ||
	    !box_is_sound(b)) {
		err_set(err, "the queues of a channel are not as they were");
		ipcbox_free(b);
		return NULL;
	}
	b->scanned = box_at(b).in_head;
	b->messages =
	    box_lines(&b->out, box_at(b).out_head, box_at(b).out_tail);
	b->in.used = b->in.size;
	b->out.used = b->out.size;
	return b;
}

void
ipcbox_free(struct ipcbox *b)
{
	if (b == NULL)
		return;
	if (b->head != NULL)
		munmap(b->head, BOX_HEAD);
	mirror_unmap(b->in.map, b->in.size);
	mirror_unmap(b->out.map, b->out.size);
	fd_closep(&b->fd);
	free(b);
}

int
ipcbox_fd(const struct ipcbox *b)
{
	return b->shown_fd;
}

size_t
ipcbox_max(const struct ipcbox *b)
{
	return b->head->max;
}

/* --- what comes -------------------------------------------------------------
 */

enum ipcbox_result
ipcbox_read(struct ipcbox *b, int sock, size_t *moved)
{
	struct positions at = box_at(b);
	size_t room = b->in.size - (size_t)(at.in_tail - at.in_head);
	struct copy *c;
	long rc;

	*moved = 0;
	if (room == 0)
		return IPCBOX_FULL;
	if (room > BOX_WINDOW)
		room = BOX_WINDOW;
	ring_touch(&b->in, at.in_tail, room);
	box_move(b, &at);
	c = box_copy(b);
	c->in_iov.iov_base = ring_at(&b->in, at.in_tail);
	c->in_iov.iov_len = room;
	c->in.msg_hdr.msg_iov = &c->in_iov;
	c->in.msg_hdr.msg_iovlen = 1;
	/*
	 * Without room for descriptors: the kernel closes them.  The raw call,
	 * for a C library may make a copy of the mmsghdr.
	 */
	rc = syscall(SYS_recvmmsg, sock, &c->in, 1, MSG_DONTWAIT, NULL);
	*moved = c->in.msg_len;
	if (rc == 1)
		return c->in.msg_len != 0 ? IPCBOX_OK : IPCBOX_CLOSED;
	if (errno == EAGAIN)
		return IPCBOX_AGAIN;
	/*
	 * ECONNRESET: the child left without having read all.  That is told
	 * once, and what it wrote before is still there.
	 */
	return errno == EINTR || errno == ECONNRESET ? IPCBOX_OK
						     : IPCBOX_CLOSED;
}

bool
ipcbox_line(struct ipcbox *b, struct ipcbox_line *out)
{
	struct positions at = box_at(b);
	const char *from, *nl;

	if (b->scanned < at.in_head)
		b->scanned = at.in_head;
	from = ring_at(&b->in, b->scanned);
	nl = memchr(from, '\n', (size_t)(at.in_tail - b->scanned));
	if (nl == NULL) {
		b->scanned = at.in_tail;
		return false;
	}
	b->scanned += (uint64_t)(nl - from);
	out->text = ring_at(&b->in, at.in_head);
	out->len = (size_t)(b->scanned - at.in_head);
	out->at = at.in_head;
	return true;
}

void
ipcbox_done(struct ipcbox *b, const struct ipcbox_line *line)
{
	struct positions at = box_at(b);
	bool empty;

	at.in_head = line->at + line->len + 1;
	empty = at.in_head == at.in_tail;
	if (empty)
		at.in_head = at.in_tail = ring_begin(&b->in, at.in_head);
	b->scanned = at.in_head;
	box_move(b, &at);
	if (empty)
		ring_rest(&b->in, b->shown_fd);
}

bool
ipcbox_too_long(const struct ipcbox *b)
{
	struct positions at = box_at(b);

	return at.in_tail - at.in_head > b->head->max &&
	       b->scanned == at.in_tail;
}

/* --- what goes --------------------------------------------------------------
 */

static bool
box_append(struct ipcbox *b, struct positions *at, const char *text, size_t n,
    size_t reserve)
{
	size_t used = (size_t)(at->out_tail - at->out_head);
	char *to = ring_at(&b->out, at->out_tail);

	if (at->ended || n + 1 + reserve > b->out.size - used)
		return false;
	ring_touch(&b->out, at->out_tail, n + 1);
	memcpy(to, text, n);
	/* One line, whatever the blanks between its tokens are. */
	for (char *p = to; (p = memchr(p, '\n', (size_t)(to + n - p))) != NULL;)
		*p = ' ';
	to[n] = '\n';
	at->out_tail += n + 1;
	return true;
}

bool
ipcbox_put(struct ipcbox *b, const char *text, size_t n, uint64_t key)
{
	struct positions at = box_at(b);

	if (!box_append(b, &at, text, n, BOX_RESERVE))
		return false;
	if (key != 0) {
		b->head->keys[at.nkeys % BOX_KEYS] = key;
		at.nkeys++;
	}
	box_move(b, &at);
	b->messages++;
	return true;
}

bool
ipcbox_has_key(const struct ipcbox *b, uint64_t key)
{
	uint64_t n = box_at(b).nkeys;

	for (uint64_t i = 0; i < n && i < IPCBOX_KEYS; i++)
		if (key != 0 && b->head->keys[(n - 1 - i) % BOX_KEYS] == key)
			return true;
	return false;
}

bool
ipcbox_answer(
    struct ipcbox *b, const struct ipcbox_line *to, const char *text, size_t n)
{
	struct positions at = box_at(b);

	if (at.answered == to->at + 1 || at.ended)
		return true;
	if (!box_append(b, &at, text, n, 0))
		return false;
	at.answered = to->at + 1;
	box_move(b, &at);
	b->messages++;
	return true;
}

static void
box_written(struct ipcbox *b, uint64_t from)
{
	struct positions at = box_at(b);

	b->messages -= box_lines(&b->out, from, at.out_head);
	if (at.out_head != at.out_tail)
		return;
	at.out_head = at.out_tail = ring_begin(&b->out, at.out_head);
	box_move(b, &at);
	ring_rest(&b->out, b->shown_fd);
}

enum ipcbox_result
ipcbox_write(struct ipcbox *b, int sock)
{
	struct positions at = box_at(b);
	struct copy *c;

	if (at.out_head == at.out_tail)
		return IPCBOX_AGAIN;
	box_move(b, &at);
	c = box_copy(b);
	c->out_iov.iov_base = ring_at(&b->out, at.out_head);
	c->out_iov.iov_len = (size_t)(at.out_tail - at.out_head);
	if (c->out_iov.iov_len > BOX_WINDOW)
		c->out_iov.iov_len = BOX_WINDOW;
	c->out.msg_hdr.msg_iov = &c->out_iov;
	c->out.msg_hdr.msg_iovlen = 1;
	if (syscall(SYS_sendmmsg, sock, &c->out, 1,
		MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
		box_written(b, at.out_head);
		return IPCBOX_OK;
	}
	if (errno == EAGAIN)
		return IPCBOX_AGAIN;
	return errno == EINTR ? IPCBOX_OK : IPCBOX_CLOSED;
}

size_t
ipcbox_bytes(const struct ipcbox *b)
{
	struct positions at = box_at(b);

	return (size_t)(at.out_tail - at.out_head);
}

size_t
ipcbox_messages(const struct ipcbox *b)
{
	return b->messages;
}

void
ipcbox_end(struct ipcbox *b)
{
	struct positions at = box_at(b);

	at.ended = 1;
	box_move(b, &at);
}

bool
ipcbox_is_ended(const struct ipcbox *b)
{
	return box_at(b).ended != 0;
}
