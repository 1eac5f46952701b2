/*
 * render - text for people: widths, colours, times, the table of slots.
 *
 * Words that came from a program (its status line, its last output) may hold
 * anything; nothing but printable characters reaches the terminal.
 */
#include <sys/ioctl.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/xalloc.h"
#include "reevectl.h"

static const char *const tints[TINT__N] = {
	[TINT_NONE] = "",
	[TINT_GREEN] = "\033[32m",
	[TINT_YELLOW] = "\033[33m",
	[TINT_RED] = "\033[1;31m",
	[TINT_CYAN] = "\033[36m",
	[TINT_DIM] = "\033[2m",
	[TINT_BOLD] = "\033[1m",
};

static struct {
	bool color;
	bool ctype; /* the locale knows more than ASCII */
} render;

void
render_init(bool color)
{
	render.color = color;
	render.ctype = MB_CUR_MAX > 1;
}

const char *
render_tint(enum tint t)
{
	return render.color ? tints[t] : "";
}

const char *
render_untint(enum tint t)
{
	return render.color && t != TINT_NONE ? "\033[0m" : "";
}

bool
render_is_tty(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

void
render_screen(int fd, size_t *cols, size_t *rows)
{
	struct winsize ws = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &ws) == -1)
		ws = (struct winsize){ 0 };
	*cols = ws.ws_col != 0 ? ws.ws_col : 80;
	*rows = ws.ws_row != 0 ? ws.ws_row : 24;
}

size_t
render_width(void)
{
	size_t cols, rows;

	if (!render_is_tty())
		return 0;
	render_screen(STDOUT_FILENO, &cols, &rows);
	return cols;
}

/* --- characters ------------------------------------------------------------
 */

/*
 * Length in bytes of the character at s, its columns in *cols; -1 columns:
 * it can't be printed.
 */
static size_t
render_char(const char *s, int *cols)
{
	unsigned char c = (unsigned char)*s;
	mbstate_t st = { 0 };
	wchar_t wc;
	size_t n;

	if (c < 0x80) {
		*cols = c >= 0x20 && c != 0x7f ? 1 : -1;
		return 1;
	}
	n = render.ctype ? mbrtowc(&wc, s, MB_CUR_MAX, &st) : (size_t)-1;
	if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
		*cols = -1;
		return 1;
	}
	*cols = wcwidth(wc);
	return n;
}

static void
render_put(struct buf *b, const char *s, size_t n, int cols)
{
	unsigned char c = (unsigned char)*s;

	if (cols >= 0)
		buf_add(b, s, n);
	else if (c == '\t')
		buf_addc(b, ' ');
	else if (c < 0xc0 && c >= 0x80)
		; /* the rest of a character that became one '?' */
	else
		buf_addc(b, '?');
}

static size_t
render_cols_of(const char *s, int cols)
{
	unsigned char c = (unsigned char)*s;

	if (cols >= 0)
		return (size_t)cols;
	return c < 0xc0 && c >= 0x80 ? 0 : 1;
}

size_t
render_columns(const char *s)
{
	size_t n, sum = 0;
	int cols;

	for (; *s != '\0'; s += n) {
		n = render_char(s, &cols);
		sum += render_cols_of(s, cols);
	}
	return sum;
}

void
render_safe(struct buf *b, const char *s)
{
	size_t n;
	int cols;

	for (; *s != '\0'; s += n) {
		n = render_char(s, &cols);
		render_put(b, s, n, cols);
	}
}

void
render_cut(struct buf *b, const char *s, size_t width)
{
	size_t n, used = 0, total = render_columns(s);
	const char *dots = render.ctype ? "\xe2\x80\xa6" : "~";
	int cols;

	if (width == 0)
		return;
	for (; *s != '\0'; s += n) {
		n = render_char(s, &cols);
		if (total > width && used + render_cols_of(s, cols) > width - 1)
			break;
		used += render_cols_of(s, cols);
		render_put(b, s, n, cols);
	}
	if (total > width)
		buf_adds(b, dots);
}

void
render_pad(struct buf *b, const char *s, size_t width, bool right)
{
	size_t cols = render_columns(s);
	size_t fill = cols < width ? width - cols : 0;

	for (size_t i = 0; right && i < fill; i++)
		buf_addc(b, ' ');
	render_cut(b, s, width);
	for (size_t i = 0; !right && i < fill; i++)
		buf_addc(b, ' ');
}

void
render_block(struct buf *b, const char *prefix, const char *s)
{
	while (*s != '\0') {
		size_t len = strcspn(s, "\n");
		char *line = xstrndup(s, len);

		buf_adds(b, prefix);
		render_safe(b, line);
		buf_addc(b, '\n');
		free(line);
		s += len + (s[len] == '\n');
	}
}

/* --- values ----------------------------------------------------------------
 */

void
render_uptime(char *out, size_t size, int64_t ms)
{
	long long s = ms / 1000;

	if (ms < 0)
		snprintf(out, size, "-");
	else if (s < 60)
		snprintf(out, size, "%llds", s);
	else if (s < 3600)
		snprintf(out, size, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, size, "%lldh%02lldm", s / 3600, s % 3600 / 60);
	else
		snprintf(
		    out, size, "%lldd%02lldh", s / 86400, s % 86400 / 3600);
}

void
render_stamp(char *out, size_t size, int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, size, "%lld", (long long)wall_ms);
}

void
render_signal(char *out, size_t size, int signo)
{
	const char *name = sigabbrev_np(signo);

	if (name != NULL)
		snprintf(out, size, "SIG%s", name);
	else
		snprintf(out, size, "signal %d", signo);
}

/* --- the table --------------------------------------------------------------
 */

enum column {
	COL_NAME,
	COL_STATE,
	COL_PID,
	COL_CPU,
	COL_MEMORY,
	COL_UPTIME,
	COL_RESTARTS,
	COL_INFO,
	COL__N
};

static const struct {
	const char *title;
	bool right;
} columns[COL__N] = {
	[COL_NAME] = { "NAME", false },
	[COL_STATE] = { "STATE", false },
	[COL_PID] = { "PID", true },
	[COL_CPU] = { "CPU%", true },
	[COL_MEMORY] = { "MEMORY", true },
	[COL_UPTIME] = { "UPTIME", true },
	[COL_RESTARTS] = { "RESTARTS", true },
	[COL_INFO] = { "", false },
};

enum tint
render_state_tint(const char *state, bool ready)
{
	if (strcmp(state, "RUNNING") == 0)
		return ready ? TINT_GREEN : TINT_YELLOW;
	if (strcmp(state, "STARTING") == 0 || strcmp(state, "STOPPING") == 0)
		return TINT_CYAN;
	if (strcmp(state, "BACKOFF") == 0)
		return TINT_YELLOW;
	if (strcmp(state, "FATAL") == 0 || strcmp(state, "UNKNOWN") == 0)
		return TINT_RED;
	return TINT_DIM;
}

/*
 * "pid 12, uptime 0:01:00" is told elsewhere in each of our outputs; what
 * comes behind it (", 34.5 MiB") is not.
 */
const char *
render_description(const char *text)
{
	const char *rest;

	if (strncmp(text, "pid ", 4) != 0)
		return text;
	rest = strstr(text, ", uptime ");
	rest = rest != NULL ? strstr(rest + 2, ", ") : NULL;
	return rest != NULL ? rest + 2 : "";
}

/* --- the rows of status ----------------------------------------------------
 */

static const char *const fields[FIELD__N] = {
	[FIELD_NAME] = "name",
	[FIELD_STATE] = "state",
	[FIELD_READY] = "ready",
	[FIELD_PID] = "pid",
	[FIELD_UPTIME] = "uptime_ms",
	[FIELD_RESTARTS] = "restarts",
	[FIELD_DESCRIPTION] = "description",
	[FIELD_DRAINING] = "draining",
	[FIELD_NOTE] = "note",
	[FIELD_WAITS] = "waits_for",
};

json_t *
row_fields(void)
{
	json_t *arr = json_array();

	for (int f = 0; f < FIELD__N; f++)
		json_array_append_new(arr, json_string(fields[f]));
	return arr;
}

/* Cuts a line in place; returns where the next one begins. */
static char *
row_read(struct row *row, char *line)
{
	char *end = strchrnul(line, '\n');
	char *next = *end != '\0' ? end + 1 : end;

	*end = '\0';
	for (int f = 0; f < FIELD__N; f++) {
		row->v[f] = line;
		line = strchrnul(line, '\t');
		if (*line != '\0')
			*line++ = '\0';
	}
	return next;
}

void
rows_read(struct rows *rs, const json_t *answer)
{
	const char *text = json_string_value(answer);
	size_t n = 0;
	char *line;

	rs->text = xstrdup(text != NULL ? text : "");
	for (const char *p = rs->text; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	rs->v = xcalloc(n + 1, sizeof *rs->v);
	rs->n = n;
	line = rs->text;
	for (size_t i = 0; i < n; i++)
		line = row_read(&rs->v[i], line);
}

void
rows_fini(struct rows *rs)
{
	free(rs->text);
	free(rs->v);
	memset(rs, 0, sizeof *rs);
}

int64_t
row_int(const struct row *row, enum field f, int64_t none)
{
	return *row->v[f] != '\0' ? strtoll(row->v[f], NULL, 10) : none;
}

static bool
row_says_ready(const struct row *row)
{
	return strcmp(row->v[FIELD_READY], "true") == 0;
}

bool
row_is_ready(const struct row *row)
{
	return strcmp(row->v[FIELD_STATE], "RUNNING") == 0 &&
	       row_says_ready(row);
}

static enum tint
row_tint(const struct row *row)
{
	return render_state_tint(row->v[FIELD_STATE], row_says_ready(row));
}

static void
table_add_info(struct buf *b, const char *s)
{
	if (s == NULL || *s == '\0')
		return;
	if (b->len > 0)
		buf_adds(b, "; ");
	buf_adds(b, s);
}

/* What an operator wants to know beyond the columns, the urgent first. */
static void
table_info(struct buf *b, const struct row *slot)
{
	int64_t draining = row_int(slot, FIELD_DRAINING, 0);
	char text[64];

	table_add_info(b, slot->v[FIELD_NOTE]);
	if (strcmp(slot->v[FIELD_STATE], "RUNNING") == 0 && !row_is_ready(slot))
		table_add_info(b, "not ready");
	if (draining > 0) {
		snprintf(
		    text, sizeof text, "%lld draining", (long long)draining);
		table_add_info(b, text);
	}
	if (*slot->v[FIELD_WAITS] == '\0') {
		table_add_info(
		    b, render_description(slot->v[FIELD_DESCRIPTION]));
		return;
	}
	table_add_info(b, "WAITING for ");
	buf_adds(b, slot->v[FIELD_WAITS]);
}

struct cells {
	char cell[COL_INFO][80];
};

/* 1000 is one CPU: "100.0". */
static void
render_tenths(char *out, size_t size, int64_t n)
{
	if (n < 0)
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%lld.%lld", (long long)(n / 10),
		    (long long)(n % 10));
}

static void
table_row(
    struct cells *row, const struct row *slot, int64_t older_ms, bool usage)
{
	int64_t up = row_int(slot, FIELD_UPTIME, -1);
	int64_t pid = row_int(slot, FIELD_PID, 0);
	size_t size = sizeof row->cell[0];

	snprintf(row->cell[COL_NAME], size, "%s", slot->v[FIELD_NAME]);
	snprintf(row->cell[COL_STATE], size, "%s", slot->v[FIELD_STATE]);
	snprintf(row->cell[COL_PID], size, "-");
	if (pid > 0)
		snprintf(row->cell[COL_PID], size, "%lld", (long long)pid);
	row->cell[COL_CPU][0] = row->cell[COL_MEMORY][0] = '\0';
	if (usage) {
		render_tenths(row->cell[COL_CPU], size, slot->cpu);
		snprintf(row->cell[COL_MEMORY], size, "-");
		if (slot->memory >= 0)
			str_bytes(row->cell[COL_MEMORY], size, slot->memory);
	}
	render_uptime(
	    row->cell[COL_UPTIME], size, up >= 0 ? up + older_ms : up);
	snprintf(row->cell[COL_RESTARTS], size, "%lld",
	    (long long)row_int(slot, FIELD_RESTARTS, 0));
}

static void
table_put(struct buf *b, const struct cells *row, const size_t *width,
    enum tint tint, const char *info, size_t limit)
{
	size_t used = 0;

	for (int c = 0; c < COL_INFO; c++) {
		if (width[c] == 0)
			continue;
		if (c == COL_STATE)
			buf_adds(b, render_tint(tint));
		render_pad(b, row->cell[c], width[c], columns[c].right);
		if (c == COL_STATE)
			buf_adds(b, render_untint(tint));
		buf_adds(b, "  ");
		used += width[c] + 2;
	}
	if (limit == 0)
		render_safe(b, info);
	else if (limit > used)
		render_cut(b, info, limit - used);
	while (b->len > 0 && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
	buf_addc(b, '\n');
}

static void
table_header(struct buf *b, const size_t *width)
{
	struct cells row;

	for (int c = 0; c < COL_INFO; c++)
		snprintf(
		    row.cell[c], sizeof row.cell[c], "%s", columns[c].title);
	buf_adds(b, render_tint(TINT_BOLD));
	table_put(b, &row, width, TINT_NONE, "", 0);
	b->len--; /* the escape belongs before the newline */
	buf_adds(b, render_untint(TINT_BOLD));
	buf_addc(b, '\n');
}

/* Where a terminal is too narrow: the name is cut, then columns go. */
static void
table_narrow(size_t *width, size_t limit)
{
	static const enum column drop[] = { COL_RESTARTS, COL_UPTIME, COL_PID };
	size_t sum = 0;

	if (width[COL_NAME] > limit / 2)
		width[COL_NAME] = limit / 2;
	for (int c = 0; c < COL_INFO; c++)
		sum += width[c] != 0 ? width[c] + 2 : 0;
	sum -= 2; /* nothing comes behind the last */
	for (size_t i = 0; i < sizeof drop / sizeof drop[0]; i++) {
		if (sum <= limit)
			return;
		sum -= width[drop[i]] + 2;
		width[drop[i]] = 0;
	}
}

static void
table_widths(const struct cells *rows, size_t n, bool header, size_t *width)
{
	size_t w;

	for (int c = 0; c < COL_INFO; c++) {
		width[c] = header ? strlen(columns[c].title) : 0;
		for (size_t i = 0; i < n; i++) {
			w = render_columns(rows[i].cell[c]);
			if (w > width[c])
				width[c] = w;
		}
	}
}

void
render_table(struct buf *b, const struct rows *rs, const struct table_opts *to)
{
	size_t n = rs->n, width[COL_INFO];
	struct cells *rows = xcalloc(n + 1, sizeof *rows);
	struct buf info;

	for (size_t i = 0; i < n; i++)
		table_row(&rows[i], &rs->v[i], to->older_ms, to->usage);
	table_widths(rows, n, to->header, width);
	if (!to->usage)
		width[COL_CPU] = width[COL_MEMORY] = 0;
	if (to->width > 0)
		table_narrow(width, to->width);
	if (to->header)
		table_header(b, width);
	buf_init(&info);
	for (size_t i = 0; i < n && (to->max_rows == 0 || i < to->max_rows);
	     i++) {
		const struct row *slot = &rs->v[i];

		buf_clear(&info);
		table_info(&info, slot);
		table_put(b, &rows[i], width, row_tint(slot), buf_str(&info),
		    to->width);
	}
	buf_fini(&info);
	free(rows);
}

void
render_summary(struct buf *b, const struct rows *rs)
{
	static const char *const order[] = { "RUNNING", "STARTING", "STOPPING",
		"BACKOFF", "FATAL", "UNKNOWN", "EXITED", "STOPPED" };
	size_t n = rs->n, count;
	const char *sep = ": ";

	buf_addf(b, "%zu slot%s", n, n == 1 ? "" : "s");
	for (size_t o = 0; o < sizeof order / sizeof order[0]; o++) {
		const struct row *one = NULL;
		enum tint t;

		count = 0;
		for (size_t i = 0; i < n; i++) {
			const struct row *slot = &rs->v[i];

			if (strcmp(slot->v[FIELD_STATE], order[o]) != 0)
				continue;
			count++;
			one = slot;
		}
		if (count == 0)
			continue;
		t = row_tint(one);
		buf_addf(b, "%s%s%zu %s%s", sep, render_tint(t), count,
		    order[o], render_untint(t));
		sep = ", ";
	}
	buf_addc(b, '\n');
}
