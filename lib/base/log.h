/*
 * log - one line an event, for people.
 *
 * A line is time, level, role, text:
 *	12:00:01.042 warn engine web.3 exited with 1 after 210 ms
 *
 * The sink is a file descriptor that is never waited for: a line that does
 * not fit is dropped and counted, and the count is the next line that does.
 * warn, error and fatal append strerror(errno), the x forms do not; all of
 * them keep errno.  Not safe from signal handlers; safe from threads.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_ERROR,
	LOG__N
};

/* role is borrowed for ever: a literal. */
void log_init(const char *role, enum log_level level);
/* Borrows fd; -1 sends lines to stderr again. */
void log_set_fd(int fd);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/*
 * Lines are kept (up to 16 KiB, then written after all) until log_release:
 * what must be quick is not held up by waking who reads the log.  For one
 * thread; errors and other threads' lines are not kept.
 */
void log_hold(void);
void log_release(void);
bool log_enabled(enum log_level level);
/* "debug" "info" "warn" "error", or LOG__N. */
enum log_level log_level_parse(const char *word);
const char *log_level_name(enum log_level level);

/* What strangers do wrong is logged, but so often at most: others need the
 * log.  All 0 at first. */
struct log_quota {
	int64_t since_ms;
	unsigned told, untold;
};

/* May one line more be logged of these?  Else it is counted, and the count
 * told later.  now_ms: monotonic. */
bool log_quota(struct log_quota *q, int64_t now_ms, const char *whose);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))

void log_debug(const char *fmt, ...) LOG_PRINTF;
void log_info(const char *fmt, ...) LOG_PRINTF;
void log_warn(const char *fmt, ...) LOG_PRINTF;
void log_warnx(const char *fmt, ...) LOG_PRINTF;
void log_error(const char *fmt, ...) LOG_PRINTF;
void log_errorx(const char *fmt, ...) LOG_PRINTF;
/* Exit 71 (EX_OSERR); the line always reaches stderr or the log. */
void fatal(const char *fmt, ...) LOG_PRINTF __attribute__((noreturn));
void fatalx(const char *fmt, ...) LOG_PRINTF __attribute__((noreturn));

/* A broken invariant of ours, in release too: abort, be restarted. */
#define BUG_ON(cond)                                                           \
	do {                                                                   \
		if (__builtin_expect(!!(cond), 0))                             \
			log_bug(#cond, __FILE__, __LINE__);                    \
	} while (0)
void log_bug(const char *cond, const char *file, int line)
    __attribute__((noreturn));

#endif
