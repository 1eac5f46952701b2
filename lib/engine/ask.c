/*
 * ask - one question to an instance: a probe, or a command that is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/ask.h"

#define EXEC "exec:"

int
ask_init(struct ask *a, struct inst *in, const char *what, const char *text,
    ask_cb *cb, void *arg, struct err *err)
{
	const struct slot *sl = in->slot;
	char *full;
	int rc;

	memset(a, 0, sizeof *a);
	a->in = in;
	a->what = what;
	a->cb = cb;
	a->arg = arg;
	if (strncasecmp(text, EXEC, strlen(EXEC)) == 0) {
		a->command = xstrdup(text + strlen(EXEC));
		return 0;
	}
	if (config_slot_text(&full, in->conf, text, sl->index, sl->prog->nslots,
		&sl->prog->en->base_env, err) == -1)
		return err_prefix(err, "%s: ", what);
	rc = config_probe_parse(&a->target, full, in->conf->here, err);
	free(full);
	return rc == -1 ? err_prefix(err, "%s: ", what) : 0;
}

void
ask_fini(struct ask *a)
{
	ask_cancel(a);
	config_probe_fini(&a->target);
	freep(&a->command);
}

static void
ask_on_probe(void *arg, const char *error)
{
	struct ask *a = arg;

	a->probe = NULL;
	a->cb(a->arg, error);
}

static void
ask_on_task(void *arg, const struct task_end *end)
{
	struct ask *a = arg;
	char error[PROBE_ERROR_MAX];

	a->task = NULL;
	if (end->how == TASK_EXITED && end->code == 0) {
		a->cb(a->arg, NULL);
		return;
	}
	snprintf(error, sizeof error, "%.60s: %.90s", a->command, end->text);
	a->cb(a->arg, error);
}

static int
ask_run(struct ask *a, int64_t timeout_ms, struct err *err)
{
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX + 16], pid[16];
	struct slot_env env[] = { { "REEVE_PROBE", a->what },
		{ "REEVE_PID", pid } };
	struct slot_command c = { .conf = a->in->conf,
		.command = a->command,
		.label = label,
		.tree = tree,
		.index = a->in->tree_index,
		.env = env,
		.nenv = a->in->pid != 0 ? 2 : 1,
		.timeout_ms = timeout_ms };

	snprintf(pid, sizeof pid, "%d", (int)a->in->pid);
	snprintf(tree, sizeof tree, "%s.%s", a->in->slot->name, a->what);
	/* Nobody adopts it: an engine after this one asks anew. */
	snprintf(label, sizeof label, "!?:%s#%u.%u", a->in->slot->name,
	    a->in->generation, a->in->tree_index);
	a->task = slot_command(a->in->slot, &c, ask_on_task, a, err);
	if (a->task == NULL)
		return -1;
	/* That there was no answer is told when it is gone. */
	task_be_curt(a->task);
	return 0;
}

int
ask_start(struct ask *a, int64_t timeout_ms, struct err *err)
{
	BUG_ON(ask_is_under_way(a));
	if (a->command != NULL)
		return ask_run(a, timeout_ms, err);
	a->probe = probe_start(
	    a->in->slot->prog->en->lp, &a->target, timeout_ms, ask_on_probe, a);
	return 0;
}

bool
ask_is_under_way(const struct ask *a)
{
	return a->probe != NULL || a->task != NULL;
}

void
ask_cancel(struct ask *a)
{
	probe_cancel(&a->probe);
	if (a->task == NULL)
		return;
	task_disown(a->task);
	task_kill(a->task);
	a->task = NULL;
}
