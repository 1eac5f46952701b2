/*
 * scan - looks for a line in a stream: how a program says that it is ready
 * without knowing of it.
 *
 * What is found is told by an eventfd that the keeper holds too, so that it
 * is not lost when the engine dies before it was acted on.
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "logs/pump_priv.h"

void
pump_scan_free(struct pump_scan *sc)
{
	if (sc == NULL)
		return;
	regfree(&sc->re);
	fd_closep(&sc->fd);
	free(sc);
}

/* --- the loop's side -------------------------------------------------- */

/* Where the stream is when all that waits in the pipe has been read. */
static uint64_t
pump_position(struct pump_stream *st)
{
	uint64_t at;
	int avail;

	pthread_mutex_lock(&st->pm->mutex);
	at = atomic_load_explicit(&st->bytes, memory_order_relaxed);
	if (ioctl(st->fd, FIONREAD, &avail) == 0)
		at += (uint64_t)avail;
	pthread_mutex_unlock(&st->pm->mutex);
	return at;
}

int
pump_scan(
    struct pump_stream *st, uint64_t id, const char *regex, int fd, bool all)
{
	struct pump_scan *sc = xcalloc(1, sizeof *sc);
	struct pump_msg *m;

	if (regcomp(&sc->re, regex, REG_EXTENDED | REG_NOSUB) != 0) {
		free(sc);
		errno = EINVAL;
		return -1;
	}
	sc->id = id;
	sc->from = all ? 0 : pump_position(st);
	sc->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (sc->fd == -1) {
		pump_scan_free(sc);
		return -1;
	}
	m = xcalloc(1, sizeof *m);
	m->order = PO_SCAN;
	m->st = st;
	m->scan = sc;
	pump_post(st->pm, &st->pm->orders, m);
	return 0;
}

void
pump_scan_stop(struct pump_stream *st, uint64_t id)
{
	struct pump_msg *m = xcalloc(1, sizeof *m);

	m->order = PO_UNSCAN;
	m->st = st;
	m->id = id;
	pump_post(st->pm, &st->pm->orders, m);
}

/* --- the pumper's ------------------------------------------------------- */

/* Takes len bytes of a line; true: it ends here, and matches. */
static bool
scan_add(struct pump_scan *sc, const char *data, size_t n, bool ends)
{
	size_t room = PUMP_SCAN_LINE - sc->len;
	bool found;

	memcpy(sc->line + sc->len, data, n < room ? n : room);
	sc->len += n < room ? n : room;
	if (!ends)
		return false;
	if (sc->len > 0 && sc->line[sc->len - 1] == '\r')
		sc->len--;
	sc->line[sc->len] = '\0';
	sc->len = 0;
	found = regexec(&sc->re, sc->line, 0, NULL, 0) == 0;
	return found;
}

static bool
scan_feed(struct pump_scan *sc, const char *data, size_t n, uint64_t at)
{
	const char *nl;
	size_t len;

	if (at < sc->from) {
		len = sc->from - at < n ? (size_t)(sc->from - at) : n;
		data += len;
		n -= len;
	}
	for (; n > 0; data += len, n -= len) {
		nl = memchr(data, '\n', n);
		len = nl != NULL ? (size_t)(nl - data) : n;
		if (scan_add(sc, data, len, nl != NULL))
			return true;
		len += nl != NULL;
	}
	return false;
}

void
pumper_scan(struct pump_stream *st, const char *data, size_t n, uint64_t at)
{
	struct pump_scan **scp = &st->scans, *sc;
	const uint64_t one = 1;

	while ((sc = *scp) != NULL) {
		if (!scan_feed(sc, data, n, at)) {
			scp = &sc->next;
			continue;
		}
		fd_write_all(sc->fd, &one, sizeof one);
		*scp = sc->next;
		pump_scan_free(sc);
	}
}

void
pumper_unscan(struct pump_stream *st, uint64_t id)
{
	struct pump_scan **scp = &st->scans, *sc;

	while ((sc = *scp) != NULL) {
		if (sc->id != id) {
			scp = &sc->next;
			continue;
		}
		*scp = sc->next;
		pump_scan_free(sc);
	}
}

void
pumper_unscan_all(struct pump_stream *st)
{
	struct pump_scan *sc;

	while ((sc = st->scans) != NULL) {
		st->scans = sc->next;
		pump_scan_free(sc);
	}
}
