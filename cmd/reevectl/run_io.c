/*
 * run_io - what a command's output goes through when it is not ours as it is:
 * pipes whose contents are kept (--json), or a terminal (--pty).
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "ctl/jw.h"
#include "run.h"

#define CAPTURE_CHUNK 65536
#define CAPTURE_MAX   (1024 * 1024) /* of a stream, without --max-output */
#define PTY_CHUNK     4096

/* --- kept output ------------------------------------------------------------
 */

static size_t
capture_half(const struct run *r)
{
	const struct command *cmd = r->cmd;

	return (cmd->on[OPTION_MAX_OUTPUT]
		       ? (size_t)cmd->number[OPTION_MAX_OUTPUT]
		       : CAPTURE_MAX) /
	       2;
}

static void
capture_add(const struct run *r, struct capture *c, const char *p, size_t n)
{
	size_t half = capture_half(r);
	size_t to_head = c->head.len < half ? half - c->head.len : 0;

	if (to_head > n)
		to_head = n;
	buf_add(&c->head, p, to_head);
	buf_add(&c->tail, p + to_head, n - to_head);
	/* Seldom, not with each chunk. */
	if (c->tail.len > half * 2 + CAPTURE_CHUNK) {
		c->dropped += c->tail.len - half;
		buf_consume(&c->tail, c->tail.len - half);
	}
}

/* Never waits.  false: nothing is there now. */
static bool
capture_read(struct run *r, struct capture *c)
{
	char chunk[CAPTURE_CHUNK];
	ssize_t n = read(c->fd, chunk, sizeof chunk);

	if (n > 0) {
		capture_add(r, c, chunk, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_closep(&c->fd);
	return false;
}

static int
capture_open(struct run *r)
{
	int p[2];

	for (int i = 0; i < 2; i++) {
		if (pipe2(p, O_CLOEXEC) == -1)
			return -1;
		r->out[i].fd = p[0];
		r->child_end[i] = r->pass[2 + i] = p[1];
		if (fd_nonblock(p[0]) == -1)
			return -1;
	}
	return 0;
}

static void
capture_put(struct run *r, struct jw *w, const char *key, struct capture *c)
{
	size_t half = capture_half(r);
	struct buf all;
	char base64[32];

	if (c->tail.len > half) {
		c->dropped += c->tail.len - half;
		buf_consume(&c->tail, c->tail.len - half);
	}
	buf_init(&all);
	buf_add(&all, c->head.data, c->head.len);
	if (c->dropped != 0)
		buf_addf(&all, "\n[%llu bytes left out]\n",
		    (unsigned long long)c->dropped);
	buf_add(&all, c->tail.data, c->tail.len);
	jw_strn(w, key, all.data, all.len);
	if (!jw_is_utf8(all.data, all.len)) {
		snprintf(base64, sizeof base64, "%s_base64", key);
		jw_base64(w, base64, all.data, all.len);
	}
	buf_fini(&all);
}

void
capture_print(struct run *r)
{
	static const char *const why[] = { "stage", "errno_name", "path" };
	static const char *const same[] = { "exit_code", "exit_signal",
		"timed_out", "started", "errno", "duration_ms", "close_ms",
		"max_rss_kb" };
	bool started = json_is_true(json_object_get(r->result, "started"));
	struct buf b;
	struct jw w;

	buf_init(&b);
	jw_init(&w, &b);
	jw_obj(&w, NULL);
	capture_put(r, &w, "stdout", &r->out[0]);
	capture_put(r, &w, "stderr", &r->out[1]);
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		char *text = json_dumps(json_object_get(r->result, same[i]),
		    JSON_ENCODE_ANY | JSON_COMPACT);

		jw_raw(&w, same[i], text);
		free(text);
	}
	for (size_t i = 0; !started && i < sizeof why / sizeof *why; i++)
		jw_str(&w, why[i], jstr(r->result, why[i], NULL));
	jw_bool(
	    &w, "truncated", r->out[0].dropped != 0 || r->out[1].dropped != 0);
	jw_str(&w, "error", started ? NULL : jstr(r->result, "text", ""));
	jw_end_obj(&w);
	buf_addc(&b, '\n');
	out_write(b.data, b.len);
	buf_fini(&b);
}

/* --- the terminal -----------------------------------------------------------
 */

void
pty_resize(struct run *r)
{
	struct winsize ws;

	/* Of whichever is a terminal: in a pipe it is the output alone. */
	for (int fd = STDIN_FILENO; r->master != -1 && fd <= STDERR_FILENO;
	     fd++) {
		if (ioctl(fd, TIOCGWINSZ, &ws) == -1)
			continue;
		/* The kernel tells the command's foreground group. */
		ioctl(r->master, TIOCSWINSZ, &ws);
		return;
	}
}

static bool
pty_make_raw(const struct run *r)
{
	struct termios raw = r->before;

	cfmakeraw(&raw);
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void
pty_raw(struct run *r)
{
	if (tcgetattr(STDIN_FILENO, &r->before) == -1)
		return;
	tcsetattr(r->slave, TCSANOW, &r->before);
	r->raw = pty_make_raw(r);
}

void
pty_leave(struct run *r)
{
	if (r->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &r->before);
}

void
pty_return(struct run *r)
{
	if (r->raw)
		pty_make_raw(r);
	pty_resize(r);
}

static int
pty_open(struct run *r)
{
	char name[64];

	r->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (r->master == -1 || grantpt(r->master) == -1 ||
	    unlockpt(r->master) == -1 ||
	    ptsname_r(r->master, name, sizeof name) != 0)
		return -1;
	r->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (r->slave == -1 || fd_nonblock(r->master) == -1)
		return -1;
	/* Ours stays open to the end: a command that closes 0, 1 and 2 before
	 * it exits would hang up its own terminal, and die of it. */
	for (int i = 1; i < 4; i++)
		r->pass[i] = r->slave;
	pty_resize(r);
	pty_raw(r);
	return 0;
}

/* false: nothing is there now, or the other side is gone. */
static bool
pty_out(struct run *r)
{
	char chunk[PTY_CHUNK];
	ssize_t n = read(r->master, chunk, sizeof chunk);

	if (n > 0 && fd_write_all(STDOUT_FILENO, chunk, (size_t)n) == 0)
		return true;
	/* Nobody reads what we write: the terminal is gone, which the command
	 * is told by SIGHUP. */
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		fd_closep(&r->master);
	return false;
}

/* What has room; the rest waits, and no more is read meanwhile: a command that
 * is slow to read loses nothing of it, and does not keep us from its output. */
static void
pty_type(struct run *r)
{
	ssize_t n = write(r->master, r->typed.data, r->typed.len);

	if (n > 0) {
		buf_consume(&r->typed, (size_t)n);
	} else if (errno != EAGAIN && errno != EINTR) {
		buf_clear(&r->typed);
		r->input_over = true;
	}
}

/* What a person would type for it: once more to end a line that has begun. */
static void
pty_in_end(struct run *r)
{
	char eof = r->raw ? (char)r->before.c_cc[VEOF] : 4;

	r->input_over = true;
	if (r->mid_line)
		buf_addc(&r->typed, eof);
	buf_addc(&r->typed, eof);
}

static void
pty_in(struct run *r)
{
	char chunk[PTY_CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n > 0) {
		buf_add(&r->typed, chunk, (size_t)n);
		r->mid_line = chunk[n - 1] != '\n';
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		pty_in_end(r);
	}
}

/* --- both -------------------------------------------------------------------
 */

int
run_io_open(struct run *r)
{
	buf_init(&r->typed);
	for (int i = 0; i < 2; i++) {
		buf_init(&r->out[i].head);
		buf_init(&r->out[i].tail);
		r->child_end[i] = -1;
	}
	if (r->cmd->on[OPTION_JSON])
		return capture_open(r);
	return r->cmd->on[OPTION_PTY] ? pty_open(r) : 0;
}

static bool
run_io_has_input(const struct run *r)
{
	return r->master != -1 && !r->input_over && r->typed.len == 0;
}

nfds_t
run_io_poll(struct run *r, struct pollfd *pfd)
{
	for (int i = 0; i < 2; i++)
		pfd[i] = (struct pollfd){ r->out[i].fd, POLLIN, 0 };
	pfd[2] = (struct pollfd){ r->master, POLLIN, 0 };
	if (r->typed.len > 0)
		pfd[2].events |= POLLOUT;
	pfd[3] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	return run_io_has_input(r) ? 4 : 3;
}

void
run_io_turn(struct run *r, struct pollfd *pfd)
{
	bool has_input = run_io_has_input(r);

	/* The command has its ends by now, ours would keep the pipes open. */
	if (r->started)
		for (int i = 0; i < 2; i++)
			fd_closep(&r->child_end[i]);
	for (int i = 0; i < 2; i++)
		if (pfd[i].revents != 0 && r->out[i].fd != -1)
			capture_read(r, &r->out[i]);
	if ((pfd[2].revents & ~POLLOUT) != 0 && r->master != -1)
		pty_out(r);
	if (has_input && r->master != -1 && pfd[3].revents != 0)
		pty_in(r);
	if (r->master != -1 && r->typed.len > 0)
		pty_type(r);
}

void
run_io_end(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		fd_closep(&r->child_end[i]);
		while (r->out[i].fd != -1 && capture_read(r, &r->out[i]))
			;
	}
	fd_closep(&r->slave);
	while (r->master != -1 && pty_out(r))
		;
	pty_leave(r);
	r->raw = false;
}

void
run_io_fini(struct run *r)
{
	run_io_end(r);
	for (int i = 0; i < 2; i++) {
		fd_closep(&r->out[i].fd);
		buf_fini(&r->out[i].head);
		buf_fini(&r->out[i].tail);
	}
	fd_closep(&r->master);
	buf_fini(&r->typed);
}
