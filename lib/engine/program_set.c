/*
 * program_set - programs: their slots, their number, their end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/pooled.h"

#define VACATE_POLL_MS 10
#define VACATE_TRIES   200

struct program *
program_new(struct engine *en, struct config_program *conf)
{
	struct program *pg = xcalloc(1, sizeof *pg);

	pg->en = en;
	pg->conf = config_program_ref(conf);
	en->deps_stale = true;
	en->programs = xreallocarray(
	    en->programs, en->nprograms + 1, sizeof *en->programs);
	en->programs[en->nprograms++] = pg;
	return pg;
}

struct program *
program_find(struct engine *en, const char *name)
{
	for (size_t i = 0; i < en->nprograms; i++)
		if (strcmp(en->programs[i]->conf->name, name) == 0)
			return en->programs[i];
	return NULL;
}

static int
program_order(const void *a, const void *b)
{
	const struct config_program *p = (*(struct program *const *)a)->conf;
	const struct config_program *q = (*(struct program *const *)b)->conf;

	if (p->group_priority != q->group_priority)
		return p->group_priority < q->group_priority ? -1 : 1;
	if (p->priority != q->priority)
		return p->priority < q->priority ? -1 : 1;
	return strcmp(p->name, q->name);
}

void
program_sort(struct engine *en)
{
	en->deps_stale = true;
	if (en->nprograms != 0)
		qsort(en->programs, en->nprograms, sizeof *en->programs,
		    program_order);
}

void
program_free(struct program *pg)
{
	struct engine *en = pg->en;

	for (size_t i = 0; i < en->nprograms; i++) {
		if (en->programs[i] != pg)
			continue;
		memmove(en->programs + i, en->programs + i + 1,
		    (en->nprograms - i - 1) * sizeof *en->programs);
		en->nprograms--;
		en->deps_stale = true;
		break;
	}
	recycle_program_free(pg);
	rolling_free(pg);
	for (int i = 0; i < pg->nslots; i++)
		slot_free(pg->slots[i]);
	free(pg->slots);
	hook_cancel_roll(pg);
	sockets_close(pg);
	pooled_gone(pg);
	if (pg->before != NULL)
		config_program_unref(pg->before);
	before_drop(pg);
	config_program_unref(pg->conf);
	free(pg->note);
	free(pg);
}

void
program_note(struct program *pg, const char *fmt, ...)
{
	char text[96];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	str_set(&pg->note, text);
}

bool
program_is_down(const struct program *pg)
{
	for (int i = 0; i < pg->nslots; i++)
		if (!slot_is_down(pg->slots[i]))
			return false;
	return true;
}

/*
 * A leaving slot of a reuseport group goes on accepting until what the kernel
 * had queued for it is empty; new connections go to the others already.
 */
static void
program_vacate(struct loop_timer *t, void *arg)
{
	struct slot *sl = arg;

	if (sl->vacate_tries++ < VACATE_TRIES && sl->state == PS_RUNNING &&
	    sockets_waiting(sl->prog, sl->index) > 0) {
		loop_timer_start(t, VACATE_POLL_MS);
		return;
	}
	slot_want(sl, false, sl->stop_by_person ? &sl->stop_who : NULL);
}

static void
program_slot_leave(struct slot *sl, const struct engine_who *who)
{
	sl->leaving = true;
	sl->stop_by_person = who != NULL;
	if (who != NULL)
		sl->stop_who = *who;
	slot_save(sl);
	if (sl->vacate == NULL) {
		sl->vacate = xcalloc(1, sizeof *sl->vacate);
		loop_timer_init(
		    sl->vacate, sl->prog->en->lp, program_vacate, sl);
	}
	loop_timer_start(sl->vacate, VACATE_POLL_MS);
}

void
program_resize(struct program *pg, int n, const struct engine_who *who)
{
	int old = pg->nslots;
	struct err err = { .text = "" };

	table_set_empty(pg->en->table, pg->conf->name, n == 0);

	if (sockets_open(pg, n > old ? n : old, &err) == -1)
		log_errorx("%s: %s", pg->conf->name, err.text);
	if (n > old)
		pg->slots =
		    xreallocarray(pg->slots, (size_t)n, sizeof *pg->slots);
	for (int i = 0; i < n; i++) {
		if (i >= old) {
			pg->slots[i] = slot_new(pg, i);
			pg->nslots = i + 1;
		} else if (!pg->slots[i]->leaving) {
			continue;
		}
		/* Asked back before it was gone, or new. */
		pg->slots[i]->leaving = false;
		if (pg->slots[i]->vacate != NULL)
			loop_timer_stop(pg->slots[i]->vacate);
		if (who != NULL || pg->started)
			slot_want(pg->slots[i], true, who);
	}
	if (n >= old)
		return;
	sockets_shrink_begin(pg, n, old);
	for (int i = n; i < old; i++)
		if (!pg->slots[i]->leaving)
			program_slot_leave(pg->slots[i], who);
}

/* Frees the last slots while they are leaving and down. */
static void
program_trim(struct program *pg)
{
	int n = pg->nslots;
	struct slot *sl;

	while (n > 0 && pg->slots[n - 1]->leaving &&
	       (pg->slots[n - 1]->vacate == NULL ||
		   !loop_timer_active(pg->slots[n - 1]->vacate)) &&
	       slot_is_down(pg->slots[n - 1]))
		n--;
	if (n == pg->nslots)
		return;
	if (n > 0)
		sockets_shrink_end(pg, n);
	while (pg->nslots > n) {
		sl = pg->slots[--pg->nslots];
		slot_free(sl);
	}
}

static void
program_reap(void *arg)
{
	struct engine *en = arg;

	for (size_t i = en->nprograms; i-- > 0;) {
		struct program *pg = en->programs[i];

		if (!pg->removed && !pg->trim)
			continue;
		pg->trim = false;
		program_trim(pg);
		if (pg->removed && pg->nslots == 0) {
			char name[SLOT_NAME_MAX];
			bool remake = pg->remake;

			snprintf(name, sizeof name, "%s", pg->conf->name);
			log_info("%s is removed", name);
			table_set_empty(en->table, name, false);
			program_free(pg);
			en->remake_tries = 0;
			if (remake)
				reload_remade(en, name);
		}
	}
	order_progress(en);
}

/* Freeing waits for the end of the turn: callers still hold the slot. */
void
program_progress(struct program *pg)
{
	struct engine *en = pg->en;

	pg->trim = true;
	if (en->freeing.cb == NULL)
		loop_task_init(&en->freeing, program_reap, en);
	loop_task_queue(en->lp, &en->freeing);
}
