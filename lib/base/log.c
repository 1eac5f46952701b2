/*
 * log - one line an event, for people.
 *
 * The state is the one file static that the tree allows: every module logs.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_QUOTA    30 /* lines in LOG_QUOTA_MS */
#define LOG_QUOTA_MS 10000
#define LOG_PIECE    4096 /* PIPE_BUF: a pipe takes it whole or not at all */

static const char *const level_names[LOG__N] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static struct {
	const char *role;
	_Atomic int level;
	_Atomic int fd; /* -1: stderr */
	_Atomic unsigned lost;
	pthread_t holder;
	bool holding;
	size_t held_len;
	char held[16384];
} logger = { .role = "reeve", .level = LOG_INFO, .fd = -1 };

void
log_init(const char *role, enum log_level level)
{
	logger.role = role;
	logger.level = level;
}

void
log_set_fd(int fd)
{
	logger.fd = fd;
}

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

enum log_level
log_level(void)
{
	return (enum log_level)logger.level;
}

bool
log_enabled(enum log_level level)
{
	return (int)level >= logger.level;
}

enum log_level
log_level_parse(const char *word)
{
	enum log_level l;

	for (l = 0; l < LOG__N; l++)
		if (strcmp(word, level_names[l]) == 0)
			break;
	return l;
}

const char *
log_level_name(enum log_level level)
{
	return level < LOG__N ? level_names[level] : "?";
}

/* One write a line, at most PIPE_BUF: lines of several processes never mix. */
static void
log_put(int fd, char *line, size_t len)
{
	unsigned lost;
	ssize_t n;
	char note[96];
	int m;

	if (fd == -1)
		fd = STDERR_FILENO;
	lost = atomic_exchange(&logger.lost, 0);
	if (lost != 0) {
		m = snprintf(note, sizeof note,
		    "%.12s warn %s %u log lines "
		    "lost, the log was not drained in time\n",
		    line, logger.role, lost);
		if (write(fd, note, (size_t)m) != m)
			atomic_fetch_add(&logger.lost, lost);
	}
	do {
		n = write(fd, line, len);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		atomic_fetch_add(&logger.lost, 1);
}

/* true: the line is kept for log_release. */
static bool
log_keep(enum log_level level, const char *line, size_t len)
{
	if (!logger.holding || level == LOG_ERROR ||
	    !pthread_equal(logger.holder, pthread_self()) ||
	    logger.held_len + len > sizeof logger.held)
		return false;
	memcpy(logger.held + logger.held_len, line, len);
	logger.held_len += len;
	return true;
}

/*
 * Names and texts come from outside: none of them ends the line, begins
 * another or is obeyed by a terminal (C0, DEL, and C1 in UTF-8).
 */
static void
log_clean(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x20 || c == 0x7f)
			p[i] = '?';
		else if (c == 0xc2 && i + 1 < n &&
			 ((unsigned char)p[i + 1] & 0xe0) == 0x80)
			p[i] = p[i + 1] = '?';
	}
}

__attribute__((format(printf, 3, 0))) static void
log_line(enum log_level level, int errnum, const char *fmt, va_list ap)
{
	char line[2048];
	struct timespec ts;
	struct tm tm;
	size_t head, n, cap = sizeof line - 1;
	int m;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	m = snprintf(line, cap, "%02d:%02d:%02d.%03ld %s %s ", tm.tm_hour,
	    tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000, level_names[level],
	    logger.role);
	n = head = (size_t)m;
	m = vsnprintf(line + n, cap - n, fmt, ap);
	if (m > 0)
		n = n + (size_t)m < cap ? n + (size_t)m : cap - 1;
	if (errnum != 0 && n < cap - 1) {
		m = snprintf(line + n, cap - n, ": %s", strerror(errnum));
		n = n + (size_t)m < cap ? n + (size_t)m : cap - 1;
	}
	log_clean(line + head, n - head);
	line[n++] = '\n';
	if (!log_keep(level, line, n))
		log_put(logger.fd, line, n);
}

void
log_hold(void)
{
	logger.holder = pthread_self();
	logger.holding = true;
}

/* In pieces of whole lines: what is written at once is not torn. */
void
log_release(void)
{
	char *p = logger.held, *end = p + logger.held_len, *nl;

	logger.holding = false;
	while (p < end) {
		size_t n = (size_t)(end - p);

		if (n > LOG_PIECE) {
			nl = memrchr(p, '\n', LOG_PIECE);
			n = (size_t)(nl - p) + 1;
		}
		log_put(logger.fd, p, n);
		p += n;
	}
	logger.held_len = 0;
}

#define LOG_BODY(level, errnum)                                                \
	do {                                                                   \
		int saved = errno;                                             \
		va_list ap;                                                    \
		if (!log_enabled(level))                                       \
			break;                                                 \
		va_start(ap, fmt);                                             \
		log_line(level, errnum, fmt, ap);                              \
		va_end(ap);                                                    \
		errno = saved;                                                 \
	} while (0)

void
log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_DEBUG, 0);
}

void
log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_INFO, 0);
}

void
log_warn(const char *fmt, ...)
{
	LOG_BODY(LOG_WARN, saved);
}

void
log_warnx(const char *fmt, ...)
{
	LOG_BODY(LOG_WARN, 0);
}

void
log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, saved);
}

void
log_errorx(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, 0);
}

void
fatal(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, saved);
	exit(71);
}

void
fatalx(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, 0);
	exit(71);
}

bool
log_quota(struct log_quota *q, int64_t now_ms, const char *whose)
{
	if (q->told > 0 && now_ms - q->since_ms >= LOG_QUOTA_MS) {
		if (q->untold > 0)
			log_info("%s: %u more refused since", whose, q->untold);
		q->told = q->untold = 0;
	}
	if (q->told == 0)
		q->since_ms = now_ms;
	if (q->told < LOG_QUOTA) {
		q->told++;
		return true;
	}
	if (q->untold++ == 0)
		log_warnx("%s: more that are refused are counted, not logged, "
			  "for %d s",
		    whose, LOG_QUOTA_MS / 1000);
	return false;
}

void
log_bug(const char *cond, const char *file, int line)
{
	log_release();
	log_errorx("bug: \"%s\" at %s:%d, aborting", cond, file, line);
	abort();
}
