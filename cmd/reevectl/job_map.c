/*
 * job_map - one kind, many files: as many at once as the pool takes, results
 * in the order of the files, and one that fails stops no other.
 */
#include <errno.h>
#include <sys/queue.h>

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "ctl/jw.h"
#include "job.h"

#define MAP_AT_ONCE 128 /* two descriptors each */
#define DRAW_MS     100
#define FULL_MS     100 /* until a queue that others fill is tried again */
#define BAR_MAX     24
#define BAR_MIN     4

struct map_file {
	const char *name;
	uint64_t id; /* 0: not with the pool */
	bool ended, failed;
	char *text; /* its answer, or why it failed */
	char *put;  /* the name of its output */
	struct job_file out;
	int64_t size, done; /* of its bytes */
	STAILQ_ENTRY(map_file) entry;
};

struct map {
	struct command *cmd;
	struct reeve_pool *pool;
	struct reeve_pool_request rq;
	const char **args;
	struct strv names; /* of the list */
	struct map_file *files;
	STAILQ_HEAD(, map_file) again; /* refused: the queue was full */
	size_t nagain;
	size_t at_once, most;
	size_t n, next, printed, ended, failed;
	int64_t bytes, bytes_done;
	mono_ms since, drawn;
	bool bar;
};

/* --- names of outputs ----------------------------------------------------- */

static const char *
map_arg(const struct map *m, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; m->args[i] != NULL; i++)
		if (strncmp(m->args[i], name, n) == 0 && m->args[i][n] == '=')
			return m->args[i] + n + 1;
	return "";
}

static const char *
map_suffix(const struct map *m)
{
	const char *format = map_arg(m, "format");

	if (m->cmd->on[OPTION_SUFFIX])
		return m->cmd->value[OPTION_SUFFIX];
	if (strcmp(m->rq.kind, "encrypt") == 0)
		return ".enc";
	if (strcmp(m->rq.kind, "compress") != 0)
		return "";
	return strcmp(format, "gzip") == 0 ? ".gz"
	       : strcmp(format, "xz") == 0 ? ".xz"
					   : ".zst";
}

/* What a name has too much when the job undoes it. */
static size_t
map_cut(const struct map *m, const char *base)
{
	static const char *const ends[] = { ".gz", ".zst", ".xz", ".enc" };
	size_t n = strlen(base);

	if (m->cmd->on[OPTION_SUFFIX] ||
	    (strcmp(m->rq.kind, "decompress") != 0 &&
		strcmp(m->rq.kind, "decrypt") != 0))
		return n;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (n > strlen(ends[i]) &&
		    strcmp(base + n - strlen(ends[i]), ends[i]) == 0)
			return n - strlen(ends[i]);
	return n;
}

static char *
map_output(const struct map *m, const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash == NULL ? name : slash + 1;

	return xasprintf("%s/%.*s%s", m->cmd->value[OPTION_OUT],
	    (int)map_cut(m, base), base, map_suffix(m));
}

static int
map_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two outputs of one name would be one file.  The exit code. */
static int
map_check_outputs(const struct map *m)
{
	const char *dir = m->cmd->value[OPTION_OUT];
	char **out;
	struct stat st;
	int code = EXIT_OK;

	/* Once, and not for each. */
	errno = 0;
	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode)) {
		warn_user(
		    "%s: %s", dir, strerror(errno != 0 ? errno : ENOTDIR));
		return EXIT_FAIL;
	}
	out = xcalloc(m->n + 1, sizeof(char *));
	for (size_t i = 0; i < m->n; i++)
		out[i] = map_output(m, m->files[i].name);
	qsort(out, m->n, sizeof(char *), map_by_name);
	for (size_t i = 1; i < m->n && code == EXIT_OK; i++)
		if (strcmp(out[i - 1], out[i]) == 0) {
			warn_user("two files would become %s", out[i]);
			code = EXIT_USAGE;
		}
	for (size_t i = 0; i < m->n; i++)
		free(out[i]);
	free(out);
	return code;
}

/* --- what is seen --------------------------------------------------------- */

static void
map_clear(struct map *m)
{
	if (m->drawn != 0)
		job_show_line("");
	m->drawn = 0;
}

/* Adds what there is room for beside what must be there. */
__attribute__((format(printf, 3, 4))) static void
map_say(struct buf *b, size_t room, const char *fmt, ...)
{
	char text[96];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (b->len + strlen(text) <= room)
		buf_adds(b, text);
}

static void
map_numbers(const struct map *m, struct buf *b, size_t room, int64_t spent)
{
	char text[32];

	map_say(b, room, "%zu/%zu", m->ended, m->n);
	if (m->failed > 0)
		map_say(b, room, "  %zu failed", m->failed);
	if (spent <= 500 || m->bytes_done <= 0)
		return;
	str_duration(text, sizeof text,
	    (int64_t)((double)(m->bytes - m->bytes_done) * (double)spent /
		      (double)m->bytes_done));
	map_say(b, room, "  %s left", text);
	str_bytes(text, sizeof text, m->bytes_done * 1000 / spent);
	map_say(b, room, "  %s/s", text);
}

/* By bytes, where it is known how many they are. */
static size_t
map_full(const struct map *m, size_t width)
{
	if (m->bytes > 0)
		return (size_t)((double)width * (double)m->bytes_done /
				(double)m->bytes);
	return width * m->ended / m->n;
}

static void
map_draw(struct map *m)
{
	mono_ms now = clock_mono_ms();
	size_t cols, rows, width, full;
	struct buf b, numbers;

	if (!m->bar || now - m->drawn < DRAW_MS || m->n == 0)
		return;
	m->drawn = now;
	render_screen(STDERR_FILENO, &cols, &rows);
	buf_init(&b);
	buf_init(&numbers);
	map_numbers(m, &numbers, cols - 1, now - m->since);
	/* What they leave: "[", "] ", and the last column. */
	width = numbers.len + 4 < cols ? cols - numbers.len - 4 : 0;
	width = width > BAR_MAX ? BAR_MAX : width;
	full = map_full(m, width);
	if (width >= BAR_MIN) {
		buf_addc(&b, '[');
		for (size_t i = 0; i < width; i++)
			buf_addc(&b, i < full ? '#' : ' ');
		buf_adds(&b, "] ");
	}
	buf_adds(&b, buf_str(&numbers));
	job_show_line(buf_str(&b));
	buf_fini(&numbers);
	buf_fini(&b);
}

static void
map_print_json(const struct map_file *f)
{
	struct buf b;
	struct jw w;

	buf_init(&b);
	jw_init(&w, &b);
	jw_obj(&w, NULL);
	jw_str(&w, "input", f->name);
	jw_bool(&w, "ok", !f->failed);
	if (f->text != NULL)
		jw_str(&w, f->failed ? "error" : "answer", f->text);
	if (!f->failed && f->put != NULL)
		jw_str(&w, "output", f->put);
	jw_end_obj(&w);
	out_printf("%s\n", buf_str(&b));
	buf_fini(&b);
}

static void
map_print(struct map *m, struct map_file *f)
{
	if (m->cmd->on[OPTION_JSON])
		map_print_json(f);
	else if (!f->failed && f->text != NULL)
		job_print_answer(f->text, f->name);
	else if (!f->failed && f->put != NULL && !m->bar)
		out_printf("%s\n", f->put);
}

/* In the order of the files: those before it have been printed. */
static void
map_print_ready(struct map *m)
{
	if (m->printed == m->n || !m->files[m->printed].ended)
		return;
	map_clear(m);
	while (m->printed < m->n && m->files[m->printed].ended)
		map_print(m, &m->files[m->printed++]);
	out_flush();
}

/* --- the jobs ------------------------------------------------------------- */

static void
map_count(struct map *m, struct map_file *f, int64_t done)
{
	m->bytes_done += done - f->done;
	f->done = done;
}

static void
map_end(
    struct map *m, struct map_file *f, bool failed, char *text, uint64_t size)
{
	struct err err;

	f->id = 0;
	f->ended = true;
	f->failed = failed;
	f->text = text;
	if (!failed && f->out.fd != -1) {
		f->put = xstrdup(f->out.path);
		if (job_file_keep(&f->out, size, &err) == -1) {
			f->failed = true;
			free(f->text);
			f->text = xstrdup(err.text);
		}
	}
	job_file_drop(&f->out);
	m->ended++;
	m->failed += f->failed;
	map_count(m, f, f->size);
}

static int
map_open_output(struct map *m, struct map_file *f, struct err *err)
{
	char *out;
	int r;

	m->rq.out_fd = -1;
	m->rq.out_name = NULL;
	if (!m->cmd->on[OPTION_OUT])
		return 0;
	out = map_output(m, f->name);
	r = job_file_open(&f->out, out, err);
	m->rq.out_fd = f->out.fd;
	m->rq.out_name = f->out.path;
	free(out);
	return r;
}

static void
map_start(struct map *m, struct map_file *f)
{
	struct err err;
	int fd = job_file_input(f->name, &err);

	m->rq.in_fd = fd;
	m->rq.in_name = f->name;
	if (fd == -1)
		/* Its name stands before it in the list. */
		map_end(m, f, true, xstrdup(strerror(err.errnum)), 0);
	else if (map_open_output(m, f, &err) == -1)
		map_end(m, f, true, xstrdup(err.text), 0);
	else if (reeve_pool_submit(m->pool, &m->rq, &f->id) == -1)
		map_end(m, f, true, xstrdup(reeve_pool_error(m->pool)), 0);
	fd_closep(&fd);
}

static struct map_file *
map_find(struct map *m, uint64_t id)
{
	/* It is one of the last that were begun. */
	for (size_t i = m->next; i-- > 0;)
		if (m->files[i].id == id)
			return &m->files[i];
	return NULL;
}

/* That are with the pool. */
static size_t
map_running(const struct map *m)
{
	return m->next - m->ended - m->nagain;
}

/* As many as it has taken are as many as it takes, until one has ended. */
static void
map_refused(struct map *m, struct map_file *f)
{
	f->id = 0;
	job_file_drop(&f->out);
	map_count(m, f, 0);
	STAILQ_INSERT_TAIL(&m->again, f, entry);
	m->nagain++;
	m->at_once = map_running(m);
	if (m->at_once > 0)
		return;
	m->at_once = 1;
	(void)poll(NULL, 0, FULL_MS);
}

static void
map_result(struct map *m, const struct reeve_pool_event *ev)
{
	struct map_file *f = map_find(m, ev->id);
	struct buf b;

	if (f == NULL)
		return;
	if (ev->status == REEVE_POOL_FULL) {
		map_refused(m, f);
		return;
	}
	if (m->at_once < m->most)
		m->at_once++;
	buf_init(&b);
	if (ev->status != REEVE_POOL_OK)
		job_why(&b, ev);
	else
		buf_adds(&b, ev->text);
	map_end(m, f, ev->status != REEVE_POOL_OK,
	    b.len > 0 ? xstrdup(buf_str(&b)) : NULL, ev->bytes_out);
	buf_fini(&b);
}

static void
map_progress(struct map *m, const struct reeve_pool_event *ev)
{
	struct map_file *f = map_find(m, ev->id);

	if (f != NULL)
		map_count(m, f, f->size / 100 * ev->percent);
}

static void
map_start_some(struct map *m)
{
	struct map_file *f;

	while (job_stopped == 0 && map_running(m) < m->at_once) {
		f = STAILQ_FIRST(&m->again);
		if (f != NULL) {
			STAILQ_REMOVE_HEAD(&m->again, entry);
			m->nagain--;
		} else if (m->next < m->n) {
			f = &m->files[m->next++];
		} else {
			return;
		}
		map_start(m, f);
	}
}

static int
map_all(struct map *m)
{
	struct reeve_pool_event ev;
	int r;

	while (m->ended < m->n) {
		map_start_some(m);
		if (job_stopped != 0)
			return 128 + job_stopped;
		r = map_running(m) == 0
			? 0
			: reeve_pool_next(m->pool, m->bar ? DRAW_MS : -1, &ev);
		if (r == -1) {
			map_clear(m);
			warn_user("%s", reeve_pool_error(m->pool));
			return EXIT_DAEMON;
		}
		if (r == 1 && ev.type == REEVE_POOL_RESULT)
			map_result(m, &ev);
		else if (r == 1 && ev.type == REEVE_POOL_PROGRESS)
			map_progress(m, &ev);
		map_print_ready(m);
		map_draw(m);
	}
	map_clear(m);
	return m->failed > 0 ? EXIT_FAIL : EXIT_OK;
}

static void
map_list_failed(const struct map *m)
{
	if (m->failed == 0)
		return;
	warn_user("%zu of %zu failed:", m->failed, m->n);
	for (size_t i = 0; i < m->n; i++)
		if (m->files[i].failed)
			(void)fprintf(stderr, "  %s: %s\n", m->files[i].name,
			    m->files[i].text != NULL ? m->files[i].text
						     : "failed");
}

/* Names, each ended by a NUL when there is one, else by a newline. */
static int
map_names(struct map *m, const char *path)
{
	bool input = strcmp(path, "-") == 0;
	FILE *f = input ? stdin : fopen(path, "re");
	struct buf b;
	size_t at, len;
	char end, piece[65536];

	buf_init(&b);
	while (f != NULL && (len = fread(piece, 1, sizeof piece, f)) > 0)
		buf_add(&b, piece, len);
	if (f == NULL || ferror(f) != 0) {
		warn_user("%s: %s", path, strerror(errno));
		buf_fini(&b);
		return -1;
	}
	if (!input)
		(void)fclose(f);
	end = b.len > 0 && memchr(b.data, '\0', b.len) != NULL ? '\0' : '\n';
	for (at = 0; at < b.len; at += len + 1) {
		const char *to = memchr(b.data + at, end, b.len - at);

		len = to != NULL ? (size_t)(to - b.data) - at : b.len - at;
		if (len > 0)
			strv_take(&m->names, xstrndup(b.data + at, len));
	}
	buf_fini(&b);
	return 0;
}

static void
map_file_init(struct map *m, struct map_file *f, const char *name)
{
	struct stat st;

	f->name = name;
	f->out.fd = -1;
	if (stat(name, &st) == 0)
		f->size = st.st_size;
	m->bytes += f->size;
}

static int
map_init(struct map *m, struct command *cmd)
{
	size_t given = cmd->nargs - 1;

	*m = (struct map){ .cmd = cmd, .since = clock_mono_ms() };
	STAILQ_INIT(&m->again);
	strv_init(&m->names);
	job_request(cmd, cmd->args[0], &m->args, &m->rq);
	if (cmd->on[OPTION_FILES_FROM] &&
	    map_names(m, cmd->value[OPTION_FILES_FROM]) == -1)
		return -1;
	m->n = given + m->names.n;
	m->files = xcalloc(m->n + 1, sizeof *m->files);
	for (size_t i = 0; i < m->n; i++)
		map_file_init(m, &m->files[i],
		    i < given ? cmd->args[i + 1] : m->names.v[i - given]);
	m->most = MAP_AT_ONCE;
	if (cmd->on[OPTION_JOBS] && cmd->number[OPTION_JOBS] > 0 &&
	    cmd->number[OPTION_JOBS] < MAP_AT_ONCE)
		m->most = (size_t)cmd->number[OPTION_JOBS];
	m->at_once = m->most;
	m->bar = isatty(STDERR_FILENO) && !cmd->on[OPTION_JSON];
	m->rq.progress = m->bar;
	return 0;
}

static void
map_fini(struct map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		job_file_drop(&m->files[i].out);
		free(m->files[i].text);
		free(m->files[i].put);
	}
	free(m->files);
	free(m->args);
	strv_fini(&m->names);
}

int
job_map(struct command *cmd)
{
	struct map m;
	int code;

	if (cmd->nargs < (cmd->on[OPTION_FILES_FROM] ? 1 : 2)) {
		warn_user("job map needs a kind and files");
		return EXIT_USAGE;
	}
	code = map_init(&m, cmd) == -1 ? EXIT_FAIL
	       : cmd->on[OPTION_OUT]   ? map_check_outputs(&m)
				       : EXIT_OK;
	if (code != EXIT_OK) {
		map_fini(&m);
		return code;
	}
	m.pool = job_connect(cmd);
	if (m.pool == NULL) {
		map_fini(&m);
		return EXIT_DAEMON;
	}
	job_catch_stop();
	code = map_all(&m);
	map_list_failed(&m);
	/* Those that are left are cancelled: their client is gone. */
	reeve_pool_close(m.pool);
	map_fini(&m);
	return code;
}
