/* expand - %(name)s in values. */
#include "config/expand.h"

#include <sys/utsname.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "config/config_priv.h"

/* A wider field is a slip of the finger. */
#define WIDTH_MAX 1000

/* One %(name)... as it was written. */
struct directive {
	char name[256];
	bool left, plus, blank, alt, zero;
	int width;
	int precision; /* -1: none */
	char conv;
	const char *end; /* behind it */
};

const char *
expand_host(void)
{
	static struct utsname un;

	if (un.nodename[0] == '\0' && uname(&un) == -1)
		return "localhost";
	return un.nodename;
}

struct strv
expand_environ(void)
{
	struct strv sv = { environ, 0 };

	while (environ != NULL && environ[sv.n] != NULL)
		sv.n++;
	return sv;
}

void
expand_scope_init(struct expand_scope *sc)
{
	*sc = (struct expand_scope){ 0 };
}

static struct expand_var *
expand_scope_add(struct expand_scope *sc, const char *name)
{
	struct expand_var *var = &sc->v[sc->n++];

	BUG_ON(sc->n > EXPAND_VARS_MAX);
	var->name = name;
	return var;
}

void
expand_scope_text(struct expand_scope *sc, const char *name, const char *text)
{
	expand_scope_add(sc, name)->text = text;
}

void
expand_scope_number(struct expand_scope *sc, const char *name, int64_t number)
{
	struct expand_var *var = expand_scope_add(sc, name);

	var->text = NULL;
	var->number = number;
}

/* --- reading a directive ---------------------------------------------------
 */

/* The ) that matches the ( before s, as Python counts them; or NULL. */
static const char *
directive_close(const char *s)
{
	for (int depth = 1; *s != '\0'; s++) {
		depth += (*s == '(') - (*s == ')');
		if (depth == 0)
			return s;
	}
	return NULL;
}

static const char *
directive_flags(struct directive *d, const char *s)
{
	for (;; s++) {
		if (*s == '-')
			d->left = true;
		else if (*s == '+')
			d->plus = true;
		else if (*s == ' ')
			d->blank = true;
		else if (*s == '#')
			d->alt = true;
		else if (*s == '0')
			d->zero = true;
		else
			return s;
	}
}

static const char *
directive_number(int *out, const char *s)
{
	for (*out = 0; *s >= '0' && *s <= '9'; s++)
		if (*out <= WIDTH_MAX)
			*out = *out * 10 + (*s - '0');
	return s;
}

/* s is behind "%(". */
static int
directive_parse(struct directive *d, const char *s, struct err *err)
{
	const char *close = directive_close(s), *start = s;

	*d = (struct directive){ .precision = -1 };
	if (close == NULL)
		return err_set(err, "'%%(%s' has no ) at its end", s);
	if ((size_t)(close - s) >= sizeof d->name)
		return err_set(err, "'%%(%.40s...' is too long a name", s);
	memcpy(d->name, s, (size_t)(close - s));
	s = directive_flags(d, close + 1);
	s = directive_number(&d->width, s);
	if (*s == '.')
		s = directive_number(&d->precision, s + 1);
	if (*s == 'h' || *s == 'l' || *s == 'L')
		s++;
	if (d->width > WIDTH_MAX || d->precision > WIDTH_MAX)
		return err_set(
		    err, "'%%(%s)' is wider than %d", d->name, WIDTH_MAX);
	d->conv = *s;
	if (*s == '\0' || strchr("sdiuoxX", *s) == NULL)
		return err_set(err,
		    "'%%(%.*s' needs a letter behind the ): %%(%s)s",
		    (int)(s - start) + (*s != '\0'), start, d->name);
	d->end = s + 1;
	return 0;
}

/* --- formatting ------------------------------------------------------------
 */

static void
expand_pad(struct buf *out, char c, int n)
{
	while (n-- > 0)
		buf_addc(out, c);
}

static void
expand_text(struct buf *out, const struct directive *d, const char *text)
{
	size_t len = strlen(text);

	if (d->precision != -1 && len > (size_t)d->precision)
		len = (size_t)d->precision;
	if (!d->left)
		expand_pad(out, ' ', d->width - (int)len);
	buf_add(out, text, len);
	if (d->left)
		expand_pad(out, ' ', d->width - (int)len);
}

static const char *
expand_alt(const struct directive *d)
{
	if (!d->alt)
		return "";
	switch (d->conv) {
	case 'o':
		return "0o";
	case 'x':
		return "0x";
	case 'X':
		return "0X";
	default:
		return "";
	}
}

/* printf's integers, but with the format at hand instead of as a string. */
static void
expand_number(struct buf *out, const struct directive *d, int64_t number)
{
	uint64_t abs = number < 0 ? -(uint64_t)number : (uint64_t)number;
	const char *sign = number < 0 ? "-"
			   : d->plus  ? "+"
			   : d->blank ? " "
				      : "";
	const char *alt = expand_alt(d);
	char digits[32];
	int zeros, pad, len;

	if (d->conv == 'o')
		len =
		    snprintf(digits, sizeof digits, "%lo", (unsigned long)abs);
	else if (d->conv == 'x')
		len =
		    snprintf(digits, sizeof digits, "%lx", (unsigned long)abs);
	else if (d->conv == 'X')
		len =
		    snprintf(digits, sizeof digits, "%lX", (unsigned long)abs);
	else
		len =
		    snprintf(digits, sizeof digits, "%lu", (unsigned long)abs);
	zeros = d->precision > len ? d->precision - len : 0;
	pad = d->width - len - zeros - (int)strlen(sign) - (int)strlen(alt);
	if (d->zero && !d->left && pad > 0) {
		zeros += pad;
		pad = 0;
	}
	if (!d->left)
		expand_pad(out, ' ', pad);
	buf_adds(out, sign);
	buf_adds(out, alt);
	expand_pad(out, '0', zeros);
	buf_add(out, digits, (size_t)len);
	if (d->left)
		expand_pad(out, ' ', pad);
}

static int
expand_any(struct buf *out, const struct directive *d, const char *text,
    int64_t number, struct err *err)
{
	char decimal[24];

	if (text != NULL && d->conv != 's')
		return err_set(err, "%%(%s)%c is not a number: write %%(%s)s",
		    d->name, d->conv, d->name);
	if (text == NULL && d->conv != 's') {
		expand_number(out, d, number);
		return 0;
	}
	if (text == NULL) {
		snprintf(decimal, sizeof decimal, "%lld", (long long)number);
		text = decimal;
	}
	expand_text(out, d, text);
	return 0;
}

/* --- names -----------------------------------------------------------------
 */

static int
expand_unknown(
    const struct directive *d, const struct expand_scope *sc, struct err *err)
{
	struct buf known;
	struct near nr;

	buf_init(&known);
	near_init(&nr, d->name);
	for (size_t i = 0; i < sc->n; i++) {
		buf_addf(&known, "%s, ", sc->v[i].name);
		near_try(&nr, sc->v[i].name);
	}
	buf_adds(&known, "ENV_X");
	if (sc->sockets != NULL)
		buf_adds(&known, ", fd:NAME");
	if (nr.best != NULL)
		err_set(err,
		    "unknown name %%(%s)%c, did you mean '%s'? Known "
		    "are %s",
		    d->name, d->conv, nr.best, buf_str(&known));
	else
		err_set(err, "unknown name %%(%s)%c; known are %s", d->name,
		    d->conv, buf_str(&known));
	buf_fini(&known);
	return -1;
}

static int
expand_env(struct buf *out, const struct directive *d,
    const struct expand_scope *sc, struct err *err)
{
	const char *key = d->name + strlen("ENV_");

	for (int i = 0; i < 2; i++) {
		const char *value = NULL;

		if (sc->env[i] != NULL)
			value = strv_env_get(sc->env[i], key);
		if (value != NULL)
			return expand_any(out, d, value, 0, err);
	}
	if (sc->any_env)
		return 0;
	return err_set(err, "%%(%s)%c: %s is not in the environment", d->name,
	    d->conv, key);
}

static int
expand_fd(struct buf *out, const struct directive *d,
    const struct expand_scope *sc, struct err *err)
{
	const char *name = d->name + strlen("fd:");
	const struct config_sockets *so = sc->sockets;
	struct near nr;

	if (so == NULL)
		return err_set(err,
		    "%%(%s)%c stands for nothing here; it is "
		    "for command and environment",
		    d->name, d->conv);
	near_init(&nr, name);
	for (size_t i = 0; i < so->n; i++) {
		int fd = sc->fds != NULL ? sc->fds[i] : 3 + (int)i;

		if (strcmp(so->v[i].name, name) == 0)
			return expand_any(out, d, NULL, fd, err);
		near_try(&nr, so->v[i].name);
	}
	if (nr.best != NULL)
		return err_set(err,
		    "%%(%s)%c: the program has no socket "
		    "'%s', did you mean '%s'?",
		    d->name, d->conv, name, nr.best);
	return err_set(err, "%%(%s)%c: the program has no socket '%s'", d->name,
	    d->conv, name);
}

static bool
expand_is_slot(const char *name)
{
	return strcmp(name, "process_num") == 0 ||
	       strcmp(name, "numprocs") == 0 || str_starts(name, "fd:");
}

static int
expand_name(struct buf *out, const struct directive *d,
    const struct expand_scope *sc, struct err *err)
{
	if (str_starts(d->name, "ENV_"))
		return expand_env(out, d, sc, err);
	if (str_starts(d->name, "fd:"))
		return expand_fd(out, d, sc, err);
	for (size_t i = 0; i < sc->n; i++)
		if (strcmp(sc->v[i].name, d->name) == 0)
			return expand_any(
			    out, d, sc->v[i].text, sc->v[i].number, err);
	return expand_unknown(d, sc, err);
}

static int
expand_into(struct buf *out, const char *value, const struct expand_scope *sc,
    struct err *err)
{
	struct directive d;
	const char *s = value, *mark;

	while ((mark = strchr(s, '%')) != NULL) {
		buf_add(out, s, (size_t)(mark - s));
		s = mark + 2;
		if (mark[1] == '%') {
			buf_adds(out, sc->keep_slot ? "%%" : "%");
			continue;
		}
		if (mark[1] != '(')
			return err_set(err,
			    "'%.10s': a %% that is meant must "
			    "be written %%%%",
			    mark);
		if (directive_parse(&d, s, err) == -1)
			return -1;
		s = d.end;
		if (sc->keep_slot && expand_is_slot(d.name))
			buf_add(out, mark, (size_t)(d.end - mark));
		else if (expand_name(out, &d, sc, err) == -1)
			return -1;
	}
	buf_adds(out, s);
	return 0;
}

int
expand(char **out, const char *value, const struct expand_scope *sc,
    struct err *err)
{
	struct buf b;

	buf_init(&b);
	if (expand_into(&b, value, sc, err) == -1) {
		buf_fini(&b);
		return -1;
	}
	*out = buf_steal(&b);
	return 0;
}
