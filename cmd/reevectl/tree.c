/*
 * tree - programs, each with what it depends on below it.
 *
 * At the left are those that nobody depends on.  What several depend on stands
 * below each of them, but what that depends on only below the first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "reevectl.h"

#define TREE_DEPTH 64 /* deeper ones are cut: nobody could read them */

struct tree_prog {
	const char *name;
	const json_t *first; /* its first slot */
	const json_t *worst; /* one that is not RUNNING, or the first */
	size_t slots, running;
	bool needed; /* somebody depends on it */
	bool shown;
};

struct tree_row {
	struct buf tree; /* lines and name */
	char need[24];
	char state[48];
	const char *info;
	enum tint tint;
};

struct tree {
	struct tree_prog *v;
	size_t n;
	struct tree_row *rows;
	size_t nrows;
	bool lines; /* the locale has them */
	char indent[4 * TREE_DEPTH + 1];
};

static struct tree_prog *
tree_find(const struct tree *t, const char *name, size_t len)
{
	for (size_t i = 0; i < t->n; i++)
		if (strncmp(t->v[i].name, name, len) == 0 &&
		    t->v[i].name[len] == '\0')
			return &t->v[i];
	return NULL;
}

/* The nth of what it depends on; need: "ready", "done", "bound". */
static struct tree_prog *
tree_below(const struct tree *t, const struct tree_prog *p, size_t n,
    const char **need, bool *more)
{
	const json_t *dep = json_object_get(p->first, "depends_on");
	const json_t *bind = json_object_get(p->first, "bind_to");
	size_t ndep = json_array_size(dep);
	const char *s;

	*more = n < ndep + json_array_size(bind);
	*need = "bound";
	s = json_string_value(
	    n < ndep ? json_array_get(dep, n) : json_array_get(bind, n - ndep));
	if (s == NULL)
		return NULL;
	if (n < ndep && strchr(s, ':') != NULL)
		*need = strchr(s, ':') + 1;
	return tree_find(t, s, strcspn(s, ":"));
}

static void
tree_collect(struct tree *t, const json_t *slots)
{
	struct tree_prog *p;

	t->v = xcalloc(json_array_size(slots) + 1, sizeof *t->v);
	for (size_t i = 0; i < json_array_size(slots); i++) {
		const json_t *slot = json_array_get(slots, i);
		const char *name = jstr(slot, "program", "?");
		bool up = strcmp(jstr(slot, "state", ""), "RUNNING") == 0;

		p = tree_find(t, name, strlen(name));
		if (p == NULL) {
			p = &t->v[t->n++];
			p->name = name;
			p->first = p->worst = slot;
		}
		p->slots++;
		p->running += up;
		if (!up)
			p->worst = slot;
	}
}

static void
tree_mark_needed(struct tree *t)
{
	struct tree_prog *to;
	const char *need;
	bool more = true;

	for (size_t i = 0; i < t->n; i++, more = true)
		for (size_t k = 0; more; k++) {
			to = tree_below(t, &t->v[i], k, &need, &more);
			if (to != NULL)
				to->needed = true;
		}
}

/* --- rows ------------------------------------------------------------------
 */

static void
tree_row(struct tree *t, const struct tree_prog *p, const char *branch,
    const char *need)
{
	struct tree_row *row;

	t->rows = xreallocarray(t->rows, t->nrows + 1, sizeof *t->rows);
	row = &t->rows[t->nrows++];
	memset(row, 0, sizeof *row);
	buf_init(&row->tree);
	buf_addf(&row->tree, "%s%s%s", t->indent, branch, p->name);
	snprintf(row->need, sizeof row->need, "%s", need);
	if (p->slots == 1)
		snprintf(row->state, sizeof row->state, "%s",
		    jstr(p->first, "state", "?"));
	else
		snprintf(row->state, sizeof row->state, "%zu/%zu RUNNING",
		    p->running, p->slots);
	row->tint = render_state_tint(jstr(p->worst, "state", ""),
	    json_is_true(json_object_get(p->worst, "ready")));
	row->info = jstr(p->worst, "waits_for", NULL) != NULL
			? "WAITING"
			: render_description(jstr(p->worst, "description", ""));
}

static void
tree_add(struct tree *t, struct tree_prog *p, const char *branch,
    const char *need, size_t depth, const char *below)
{
	size_t len = strlen(t->indent);
	struct tree_prog *to, *next;
	const char *next_need;
	bool more, last;

	tree_row(t, p, branch, need);
	if (p->shown || depth == TREE_DEPTH ||
	    len + strlen(below) >= sizeof t->indent)
		return;
	p->shown = true;
	snprintf(t->indent + len, sizeof t->indent - len, "%s", below);
	next = tree_below(t, p, 0, &next_need, &more);
	for (size_t k = 1; more; k++) {
		to = next;
		need = next_need;
		next = tree_below(t, p, k, &next_need, &more);
		last = !more;
		if (to == NULL)
			continue;
		if (t->lines)
			tree_add(t, to,
			    last ? "\xe2\x94\x94\xe2\x94\x80 "
				 : "\xe2\x94\x9c\xe2\x94\x80 ",
			    need, depth + 1, last ? "   " : "\xe2\x94\x82  ");
		else
			tree_add(t, to, last ? "`- " : "|- ", need, depth + 1,
			    last ? "   " : "|  ");
	}
	t->indent[len] = '\0';
}

static void
tree_put(struct buf *b, const struct tree_row *row, const size_t *width,
    size_t limit)
{
	size_t used = width[0] + width[1] + width[2] + 6;

	render_pad(b, buf_str(&row->tree), width[0], false);
	buf_adds(b, "  ");
	render_pad(b, row->need, width[1], false);
	buf_adds(b, "  ");
	buf_adds(b, render_tint(row->tint));
	render_pad(b, row->state, width[2], false);
	buf_adds(b, render_untint(row->tint));
	buf_adds(b, "  ");
	if (limit == 0)
		render_safe(b, row->info);
	else if (limit > used)
		render_cut(b, row->info, limit - used);
	while (b->len > 0 && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
	buf_addc(b, '\n');
}

static void
tree_widths(const struct tree *t, bool header, size_t limit, size_t *width)
{
	size_t w[3];

	width[0] = header ? strlen("PROGRAM") : 0;
	width[1] = header ? strlen("NEEDED") : 0;
	width[2] = header ? strlen("STATE") : 0;
	for (size_t i = 0; i < t->nrows; i++) {
		w[0] = render_columns(buf_str(&t->rows[i].tree));
		w[1] = strlen(t->rows[i].need);
		w[2] = strlen(t->rows[i].state);
		for (int c = 0; c < 3; c++)
			if (w[c] > width[c])
				width[c] = w[c];
	}
	if (limit > 40 && width[0] > limit - 36)
		width[0] = limit - 36;
}

static void
tree_render(struct tree *t)
{
	size_t width[3], limit = render_width();
	bool header = render_is_tty();
	struct tree_row head = { .need = "NEEDED",
		.state = "STATE",
		.info = "",
		.tint = TINT_NONE };
	struct buf b;

	tree_widths(t, header, limit, width);
	buf_init(&b);
	if (header) {
		buf_init(&head.tree);
		buf_adds(&head.tree, "PROGRAM");
		buf_adds(&b, render_tint(TINT_BOLD));
		tree_put(&b, &head, width, limit);
		b.len--; /* the escape belongs before the newline */
		buf_adds(&b, render_untint(TINT_BOLD));
		buf_addc(&b, '\n');
		buf_fini(&head.tree);
	}
	for (size_t i = 0; i < t->nrows; i++)
		tree_put(&b, &t->rows[i], width, limit);
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
}

static bool
tree_is_asked(const struct tree_prog *p, const json_t *asked)
{
	for (size_t i = 0; i < json_array_size(asked); i++)
		if (strcmp(jstr(json_array_get(asked, i), "program", ""),
			p->name) == 0)
			return true;
	return false;
}

void
tree_print(const json_t *slots, const json_t *asked)
{
	struct tree t = { .lines = MB_CUR_MAX > 1 };

	tree_collect(&t, slots);
	tree_mark_needed(&t);
	for (size_t i = 0; i < t.n; i++) {
		struct tree_prog *p = &t.v[i];

		if (asked != NULL ? tree_is_asked(p, asked) : !p->needed)
			tree_add(&t, p, "", "", 0, "");
	}
	tree_render(&t);
	for (size_t i = 0; i < t.nrows; i++)
		buf_fini(&t.rows[i].tree);
	free(t.rows);
	free(t.v);
}
