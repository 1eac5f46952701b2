/*
 * glob - see glob.h.
 *
 * States stand in the order of the pattern, and every step without a
 * character goes forward: one pass over the set closes it.
 */
#include "watch/glob.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

/* At most two states a byte, and what reach and the end add. */
#define STATES_MAX (2 * GLOB_LEN_MAX + 8)
#define WORDS      ((STATES_MAX + 63) / 64)
#define DEPTH_MAX  16
#define NO_STATE   UINT16_MAX

enum op {
	OP_CHAR,  /* this byte */
	OP_ANY,   /* one byte but '/' */
	OP_BYTE,  /* one byte */
	OP_SET,   /* one byte of sets[x] */
	OP_STAR,  /* bytes but '/', also none */
	OP_SKIP,  /* bytes, also none */
	OP_CONT,  /* the rest of a UTF-8 character, also none */
	OP_SPLIT, /* the next state, and x */
	OP_JUMP,  /* x */
	OP_END
};

struct state {
	uint8_t op;
	unsigned char c;
	uint16_t x;
};

struct set {
	uint64_t bits[4];
};

struct glob {
	unsigned nstates, nsets;
	struct state states[STATES_MAX];
	struct set *sets;
};

struct maker {
	struct glob *g;
	const char *pattern, *p;
	unsigned depth;
	struct err *err;
};

/* --- compiling --------------------------------------------------------------
 */

static unsigned
glob_add(struct glob *g, enum op op, unsigned c, unsigned x)
{
	BUG_ON(g->nstates == STATES_MAX);
	g->states[g->nstates] =
	    (struct state){ (uint8_t)op, (unsigned char)c, (uint16_t)x };
	return g->nstates++;
}

static void
set_put(struct set *s, unsigned c)
{
	s->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static bool
set_has(const struct set *s, unsigned c)
{
	return (s->bits[c / 64] >> c % 64 & 1) != 0;
}

/* "[:digit:]"; p is after "[:".  0: there is none of that name. */
static size_t
glob_class(struct set *s, const char *p)
{
	static const struct {
		const char *name;
		int (*is)(int c);
	} classes[] = { { "alnum", isalnum }, { "alpha", isalpha },
		{ "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph },
		{ "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace },
		{ "upper", isupper }, { "xdigit", isxdigit } };
	size_t n;

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		n = strlen(classes[i].name);
		if (strncmp(p, classes[i].name, n) != 0 ||
		    strncmp(p + n, ":]", 2) != 0)
			continue;
		for (int c = 0; c < 128; c++)
			if (classes[i].is(c))
				set_put(s, (unsigned)c);
		return n + 2;
	}
	return 0;
}

/* One character of a set, perhaps after a backslash; 0: there is none. */
static unsigned
glob_set_char(struct maker *mk)
{
	if (*mk->p == '\\' && mk->p[1] != '\0')
		mk->p++;
	return *mk->p == '\0' ? 0 : (unsigned char)*mk->p++;
}

static int
glob_set_item(struct maker *mk, struct set *s)
{
	unsigned from, to;
	size_t n;

	if (mk->p[0] == '[' && mk->p[1] == ':') {
		n = glob_class(s, mk->p + 2);
		if (n == 0)
			return err_set(mk->err, "%s: no such class: %.12s",
			    mk->pattern, mk->p);
		mk->p += 2 + n;
		return 0;
	}
	from = to = glob_set_char(mk);
	if (mk->p[0] == '-' && mk->p[1] != ']' && mk->p[1] != '\0') {
		mk->p++;
		to = glob_set_char(mk);
	}
	if (from >= 128 || to >= 128)
		return err_set(mk->err,
		    "%s: only ASCII can stand between [ and ]: use {a,b}",
		    mk->pattern);
	if (from > to)
		return err_set(mk->err, "%s: the range %c-%c is empty",
		    mk->pattern, (int)from, (int)to);
	for (unsigned c = from; c <= to; c++)
		set_put(s, c);
	return 0;
}

/* p is after the '['. */
static int
glob_set(struct maker *mk)
{
	struct glob *g = mk->g;
	bool not_these = *mk->p == '!' || *mk->p == '^';
	struct set s = { 0 };
	bool first = true;

	if (not_these)
		mk->p++;
	for (; *mk->p != ']' || first; first = false) {
		if (*mk->p == '\0')
			return err_set(mk->err, "%s: [ without ]", mk->pattern);
		if (glob_set_item(mk, &s) == -1)
			return -1;
	}
	mk->p++;
	if (not_these)
		for (int i = 0; i < 4; i++)
			s.bits[i] = ~s.bits[i];
	/* A set never matches what parts components. */
	s.bits['/' / 64] &= ~(UINT64_C(1) << '/' % 64);
	g->sets = xreallocarray(g->sets, g->nsets + 1, sizeof *g->sets);
	g->sets[g->nsets] = s;
	glob_add(g, OP_SET, 0, g->nsets++);
	glob_add(g, OP_CONT, 0, 0);
	return 0;
}

/* p is at the first of some '*'. */
static void
glob_stars(struct maker *mk, bool whole)
{
	struct glob *g = mk->g;
	size_t n = strspn(mk->p, "*");
	bool ends;

	mk->p += n;
	ends = *mk->p == '\0' ||
	       (mk->depth > 0 && (*mk->p == ',' || *mk->p == '}'));
	if (n >= 2 && whole && *mk->p == '/') {
		mk->p++;
		glob_add(g, OP_SPLIT, 0, g->nstates + 3);
		glob_add(g, OP_SKIP, 0, 0);
		glob_add(g, OP_CHAR, '/', 0);
	} else if (n >= 2 && whole && ends) {
		glob_add(g, OP_BYTE, 0, 0);
		glob_add(g, OP_SKIP, 0, 0);
	} else {
		glob_add(g, OP_STAR, 0, 0);
	}
}

static int glob_sequence(struct maker *mk, bool whole);

/* p is after the '{'; whole: it stands where a component begins. */
static int
glob_braces(struct maker *mk, bool whole)
{
	struct glob *g = mk->g;
	unsigned jumps = NO_STATE, split, next;

	if (mk->depth == DEPTH_MAX)
		return err_set(
		    mk->err, "%s: too many { in each other", mk->pattern);
	mk->depth++;
	for (;;) {
		split = glob_add(g, OP_SPLIT, 0, 0);
		if (glob_sequence(mk, whole) == -1)
			return -1;
		if (*mk->p == '\0')
			return err_set(mk->err, "%s: { without }", mk->pattern);
		if (*mk->p++ == '}')
			break;
		/* The way out is known at the end: a list until then. */
		jumps = glob_add(g, OP_JUMP, 0, jumps);
		g->states[split].x = (uint16_t)g->nstates;
	}
	g->states[split].x = (uint16_t)(split + 1); /* the last one */
	mk->depth--;
	for (; jumps != NO_STATE; jumps = next) {
		next = g->states[jumps].x;
		g->states[jumps].x = (uint16_t)g->nstates;
	}
	return 0;
}

/* Up to the end of the pattern, or of one of several in braces. */
static int
glob_sequence(struct maker *mk, bool whole)
{
	struct glob *g = mk->g;
	char c;

	for (; (c = *mk->p) != '\0'; whole = c == '/') {
		if (mk->depth > 0 && (c == ',' || c == '}'))
			return 0;
		if (c == '*') {
			glob_stars(mk, whole);
			c = mk->p[-1];
			continue;
		}
		mk->p++;
		if (c == '?') {
			glob_add(g, OP_ANY, 0, 0);
			glob_add(g, OP_CONT, 0, 0);
		} else if (c == '[') {
			if (glob_set(mk) == -1)
				return -1;
		} else if (c == '{') {
			if (glob_braces(mk, whole) == -1)
				return -1;
		} else {
			if (c == '\\' && *mk->p == '\0')
				return err_set(mk->err,
				    "%s: nothing after the \\", mk->pattern);
			if (c == '\\')
				c = *mk->p++;
			glob_add(g, OP_CHAR, (unsigned char)c, 0);
		}
	}
	return 0;
}

struct glob *
glob_new(const char *pattern, enum glob_reach reach, struct err *err)
{
	struct maker mk = { NULL, pattern, pattern, 0, err };
	struct glob *g;

	if (*pattern == '\0') {
		err_set(err, "a pattern is empty");
		return NULL;
	}
	if (strlen(pattern) > GLOB_LEN_MAX) {
		err_set(err, "%.40s...: a pattern has at most %d bytes",
		    pattern, GLOB_LEN_MAX);
		return NULL;
	}
	mk.g = g = xcalloc(1, sizeof *g);
	if (glob_sequence(&mk, true) == -1) {
		glob_free(g);
		return NULL;
	}
	if (reach == GLOB_AND_BELOW)
		glob_add(g, OP_SPLIT, 0, g->nstates + 4);
	if (reach != GLOB_EXACT) {
		glob_add(g, OP_CHAR, '/', 0);
		glob_add(g, OP_BYTE, 0, 0);
		glob_add(g, OP_SKIP, 0, 0);
	}
	glob_add(g, OP_END, 0, 0);
	return g;
}

void
glob_free(struct glob *g)
{
	if (g == NULL)
		return;
	free(g->sets);
	free(g);
}

/* --- matching ---------------------------------------------------------------
 */

struct states {
	uint64_t w[WORDS];
};

static void
states_put(struct states *ss, unsigned i)
{
	ss->w[i / 64] |= UINT64_C(1) << i % 64;
}

static bool
states_empty(const struct states *ss)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (ss->w[i] != 0)
			return false;
	return true;
}

/* From here without a character. */
static void
glob_close_over(const struct glob *g, struct states *ss, unsigned i)
{
	const struct state *st = &g->states[i];

	switch ((enum op)st->op) {
	case OP_SPLIT:
		states_put(ss, st->x);
		states_put(ss, i + 1);
		break;
	case OP_JUMP:
		states_put(ss, st->x);
		break;
	case OP_STAR:
	case OP_SKIP:
	case OP_CONT:
		states_put(ss, i + 1);
		break;
	case OP_CHAR:
	case OP_ANY:
	case OP_BYTE:
	case OP_SET:
	case OP_END:
		break;
	}
}

static void
glob_closure(const struct glob *g, struct states *ss)
{
	for (unsigned i = 0; i < g->nstates; i++) {
		if (ss->w[i / 64] == 0)
			i |= 63;
		else if ((ss->w[i / 64] >> i % 64 & 1) != 0)
			glob_close_over(g, ss, i);
	}
}

/* Where this byte leads to from state i, or NO_STATE. */
static unsigned
glob_step(const struct glob *g, unsigned i, unsigned char c)
{
	const struct state *st = &g->states[i];
	bool yes = false;

	switch ((enum op)st->op) {
	case OP_CHAR:
		yes = c == st->c;
		break;
	case OP_ANY:
		yes = c != '/';
		break;
	case OP_BYTE:
		yes = true;
		break;
	case OP_SET:
		yes = set_has(&g->sets[st->x], c);
		break;
	case OP_STAR:
		return c != '/' ? i : NO_STATE;
	case OP_SKIP:
		return i;
	case OP_CONT:
		return (c & 0xc0) == 0x80 ? i : NO_STATE;
	case OP_SPLIT:
	case OP_JUMP:
	case OP_END:
		break;
	}
	return yes ? i + 1 : NO_STATE;
}

static void
glob_read(const struct glob *g, struct states *ss, unsigned char c)
{
	struct states next = { 0 };
	unsigned to;

	for (unsigned i = 0; i < g->nstates; i++) {
		if (ss->w[i / 64] == 0) {
			i |= 63;
			continue;
		}
		if ((ss->w[i / 64] >> i % 64 & 1) == 0)
			continue;
		to = glob_step(g, i, c);
		if (to != NO_STATE)
			states_put(&next, to);
	}
	glob_closure(g, &next);
	*ss = next;
}

static void
glob_run(const struct glob *g, const char *path, struct states *ss)
{
	*ss = (struct states){ 0 };
	states_put(ss, 0);
	glob_closure(g, ss);
	for (; *path != '\0' && !states_empty(ss); path++)
		glob_read(g, ss, (unsigned char)*path);
}

bool
glob_match(const struct glob *g, const char *path)
{
	unsigned end = g->nstates - 1;
	struct states ss;

	glob_run(g, path, &ss);
	return (ss.w[end / 64] >> end % 64 & 1) != 0;
}

bool
glob_reaches(const struct glob *g, const char *dir)
{
	struct states ss;

	glob_run(g, dir, &ss);
	if (*dir != '\0')
		glob_read(g, &ss, '/');
	return !states_empty(&ss);
}
