/* ini - the bridge to inih; what it is for: ini.h. */
#include "config/ini.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config/config_priv.h"

/* Bytes of a value on one line for inih: 199 hold "k1234567890=" as well. */
#define CHUNK 150

struct sink_name {
	char *name;
	int line;
};

struct ini_sink {
	struct ini *ini;
	struct config_errors *errs;
	const char *file;
	struct sink_name *sections; /* N of [sN] */
	size_t nsections;
	struct sink_name *keys; /* M of kM= */
	size_t nkeys;
	struct buf canon; /* what inih reads, and how far it is */
	size_t pos;
	size_t last_key; /* the handler's: 0, or 1 + the M it was called with */
	struct buf value;
};

void
ini_init(struct ini *ini)
{
	ini->v = NULL;
	ini->n = 0;
	strv_init(&ini->files);
}

void
ini_fini(struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++) {
		free(ini->v[i].section);
		free(ini->v[i].key);
		free(ini->v[i].value);
	}
	free(ini->v);
	strv_fini(&ini->files);
}

/* --- writing the canonical form --------------------------------------------
 */

static size_t
sink_name_add(struct sink_name **v, size_t *n, const char *name, int line)
{
	*v = xreallocarray(*v, *n + 1, sizeof **v);
	(*v)[*n] = (struct sink_name){ xstrdup(name), line };
	return (*n)++;
}

/* The dummy key makes a section without keys visible to inih's caller. */
void
ini_sink_section(struct ini_sink *sink, const char *name, int line)
{
	size_t i = sink_name_add(&sink->sections, &sink->nsections, name, line);

	buf_addf(&sink->canon, "[s%zu]\n_=\n", i);
}

static bool
sink_is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr("_./,+-", c));
}

static void
sink_chunk(struct buf *to, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (sink_is_plain(c))
			buf_addc(to, (char)c);
		else
			buf_addf(to, "%%%02x", c);
	}
}

void
ini_sink_key(struct ini_sink *sink, const char *key, const char *value,
    size_t len, int line)
{
	size_t i = sink_name_add(&sink->keys, &sink->nkeys, key, line);
	size_t done = 0;

	BUG_ON(sink->nsections == 0);
	do {
		size_t n = len - done < CHUNK / 3 ? len - done : CHUNK / 3;

		buf_addf(&sink->canon, "k%zu=", i);
		sink_chunk(&sink->canon, value + done, n);
		buf_addc(&sink->canon, '\n');
		done += n;
	} while (done < len);
}

void
ini_sink_error(struct ini_sink *sink, int line, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		fatal("format an error");
	va_end(ap);
	config_error(sink->errs, sink->file, line, "%s", text);
	free(text);
}

/* --- reading it back through inih ------------------------------------------
 */

/* inih's fgets: one line that fits, NUL-terminated, or NULL at the end. */
static char *
sink_reader(char *str, int num, void *stream)
{
	struct ini_sink *sink = stream;
	const char *line, *end;
	size_t n;

	if (sink->pos == sink->canon.len)
		return NULL;
	line = sink->canon.data + sink->pos;
	end = strchr(line, '\n') + 1;
	n = (size_t)(end - line);
	BUG_ON(n >= (size_t)num);
	memcpy(str, line, n);
	str[n] = '\0';
	sink->pos += n;
	return str;
}

static void
sink_unchunk(struct buf *to, const char *s)
{
	while (*s != '\0') {
		char hex[3] = { 0 };

		if (*s != '%') {
			buf_addc(to, *s++);
			continue;
		}
		memcpy(hex, s + 1, 2);
		buf_addc(to, (char)strtoul(hex, NULL, 16));
		s += 3;
	}
}

static struct ini_entry *
sink_entry(struct ini_sink *sink, size_t section, int line)
{
	struct ini *ini = sink->ini;
	struct ini_entry *e;

	ini->v = xreallocarray(ini->v, ini->n + 1, sizeof *ini->v);
	e = &ini->v[ini->n++];
	e->file = sink->file;
	e->line = line;
	e->section = xstrdup(sink->sections[section].name);
	e->key = NULL;
	e->value = NULL;
	return e;
}

/* The value of the key before is complete when something else comes. */
static void
sink_finish(struct ini_sink *sink)
{
	if (sink->last_key == 0)
		return;
	sink->ini->v[sink->ini->n - 1].value = buf_steal(&sink->value);
	sink->last_key = 0;
}

static int
sink_handler(
    void *arg, const char *section, const char *name, const char *value)
{
	struct ini_sink *sink = arg;
	size_t s = strtoul(section + 1, NULL, 10), k;
	struct ini_entry *e;

	BUG_ON(*section != 's' || s >= sink->nsections);
	if (*name == '_') {
		sink_finish(sink);
		sink_entry(sink, s, sink->sections[s].line);
		return 1;
	}
	k = strtoul(name + 1, NULL, 10);
	BUG_ON(*name != 'k' || k >= sink->nkeys);
	if (sink->last_key != k + 1) {
		sink_finish(sink);
		e = sink_entry(sink, s, sink->keys[k].line);
		e->key = xstrdup(sink->keys[k].name);
		sink->last_key = k + 1;
	}
	sink_unchunk(&sink->value, value);
	return 1;
}

static void
sink_fini(struct ini_sink *sink)
{
	for (size_t i = 0; i < sink->nsections; i++)
		free(sink->sections[i].name);
	for (size_t i = 0; i < sink->nkeys; i++)
		free(sink->keys[i].name);
	free(sink->sections);
	free(sink->keys);
	buf_fini(&sink->canon);
	buf_fini(&sink->value);
}

void
ini_add_text(struct ini *ini, ini_lines *lines, const char *name,
    const char *text, size_t len, struct config_errors *errs)
{
	struct ini_sink sink = { .ini = ini, .errs = errs };
	int bad;

	strv_add(&ini->files, name);
	sink.file = ini->files.v[ini->files.n - 1];
	buf_init(&sink.canon);
	buf_init(&sink.value);
	lines(&sink, text, len);
	bad = ini_parse_stream(sink_reader, &sink, sink_handler, &sink);
	sink_finish(&sink);
	BUG_ON(bad != 0);
	sink_fini(&sink);
}

/* --- files -----------------------------------------------------------------
 */

static int
ini_slurp(int fd, const char *path, struct buf *b, struct err *err)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(b, 65536), 65536);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(err, "read %s", path);
		if (n == 0)
			return 0;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (b->len > INI_FILE_MAX)
			return err_set(err,
			    "read %s: more than %d MB: not a config", path,
			    INI_FILE_MAX / 1024 / 1024);
	}
}

int
ini_add_file(struct ini *ini, ini_lines *lines, const char *path,
    struct config_errors *errs, struct err *err)
{
	struct buf b;
	int fd, rc = -1;

	buf_init(&b);
	/* O_NONBLOCK: a FIFO that nobody writes to must not hold us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		err_sys(err, "open %s", path);
		goto out;
	}
	if (ini_slurp(fd, path, &b, err) == -1)
		goto out;
	ini_add_text(ini, lines, path, buf_str(&b), b.len, errs);
	rc = 0;
out:
	fd_closep(&fd);
	buf_fini(&b);
	return rc;
}
