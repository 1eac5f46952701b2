/*
 * value_probe - ready= and health=: what each kind is followed by.
 *
 * What follows the colon is a template; check.c looks at what it comes to for
 * the slots that are there.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

#define OFFSET(field) offsetof(struct config_program, field)

static struct config_program *
value_program(void *field, size_t offset)
{
	return (struct config_program *)(void *)((char *)field - offset);
}

/* "exec:" or "log:" with something behind it. */
static bool
value_has(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncasecmp(text, prefix, n) == 0 && text[n] != '\0';
}

static int
value_no_tls(const char *text, struct err *err)
{
	return err_set(err,
	    "'%s': TLS is not spoken here: ask a plain http: address, or "
	    "use exec:curl",
	    text);
}

/* --- ready ---------------------------------------------------------- */

static int
value_ready_kind(const char *text, enum config_ready *ready, struct err *err)
{
	if (config_probe_is(text))
		*ready = READY_PROBE;
	else if (value_has(text, "exec:"))
		*ready = READY_EXEC;
	else if (value_has(text, "log:"))
		*ready = READY_LOG;
	else if (strncasecmp(text, "https:", 6) == 0)
		return value_no_tls(text, err);
	else
		return err_set(err,
		    "'%s' is not delay, notify, ipc, fd:N with N from 3 to "
		    "255, "
		    "tcp:[HOST:]PORT, unix:PATH, http:URL, exec:COMMAND or "
		    "log:REGEX",
		    text);
	return 0;
}

int
value_ready_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_program *p = vc->object;
	enum config_ready *ready = field;
	int64_t fd = -1;

	p->ready_text = NULL;
	if (strcasecmp(text, "delay") == 0)
		*ready = READY_DELAY;
	else if (strcasecmp(text, "notify") == 0)
		*ready = READY_NOTIFY;
	else if (strcasecmp(text, "ipc") == 0)
		*ready = READY_IPC;
	else if (strncasecmp(text, "fd:", 3) == 0 &&
		 str_to_i64(text + 3, 3, 255, &fd))
		*ready = READY_FD;
	else if (value_ready_kind(text, ready, err) == 0)
		p->ready_text = xstrdup(text);
	else
		return -1;
	p->ready_fd = (int)fd;
	return 0;
}

void
value_ready_print(struct buf *out, const void *object, const void *field)
{
	const struct config_program *p = object;

	switch (*(const enum config_ready *)field) {
	case READY_DELAY:
		buf_adds(out, "delay");
		break;
	case READY_NOTIFY:
		buf_adds(out, "notify");
		break;
	case READY_IPC:
		buf_adds(out, "ipc");
		break;
	case READY_FD:
		buf_addf(out, "fd:%d", p->ready_fd);
		break;
	case READY_PROBE:
	case READY_EXEC:
	case READY_LOG:
		buf_adds(out, p->ready_text);
		break;
	}
}

void
value_ready_fini(void *field)
{
	freep(&value_program(field, OFFSET(ready))->ready_text);
}

/* --- health --------------------------------------------------------- */

int
value_health_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_program *p = vc->object;
	enum config_health *health = field;

	p->health_text = NULL;
	if (strcasecmp(text, "none") == 0)
		*health = HEALTH_NONE;
	else if (strcasecmp(text, "watchdog") == 0)
		*health = HEALTH_WATCHDOG;
	else if (config_probe_is(text))
		*health = HEALTH_PROBE;
	else if (value_has(text, "exec:"))
		*health = HEALTH_EXEC;
	else if (strncasecmp(text, "https:", 6) == 0)
		return value_no_tls(text, err);
	else
		return err_set(err,
		    "'%s' is not none, watchdog, tcp:[HOST:]PORT, unix:PATH, "
		    "http:URL or exec:COMMAND",
		    text);
	if (*health == HEALTH_PROBE || *health == HEALTH_EXEC)
		p->health_text = xstrdup(text);
	return 0;
}

void
value_health_print(struct buf *out, const void *object, const void *field)
{
	const struct config_program *p = object;

	switch (*(const enum config_health *)field) {
	case HEALTH_NONE:
		buf_adds(out, "none");
		break;
	case HEALTH_WATCHDOG:
		buf_adds(out, "watchdog");
		break;
	case HEALTH_PROBE:
	case HEALTH_EXEC:
		buf_adds(out, p->health_text);
		break;
	}
}

void
value_health_fini(void *field)
{
	freep(&value_program(field, OFFSET(health))->health_text);
}

static const char *const health_actions[] = { "roll", "restart", "report" };

int
value_health_action_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	enum config_health_action *action = field;

	(void)vc;
	for (int i = 0; i < 3; i++)
		if (strcasecmp(text, health_actions[i]) == 0) {
			*action = (enum config_health_action)i;
			return 0;
		}
	return err_set(err, "'%s' is not roll, restart or report", text);
}

void
value_health_action_print(
    struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_adds(
	    out, health_actions[*(const enum config_health_action *)field]);
}
