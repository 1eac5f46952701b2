/* sweep - what dead instances and tasks left is ended; see sweep.h. */
#include "engine/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

#define SWEEP_FIRST_MS   10
#define SWEEP_MAX_MS     500
#define SWEEP_GIVE_UP_MS 5000

static pid_t
sweep_keeper(const struct engine *en)
{
	return keeperlink_welcome(en->kl)->pid;
}

/* What a look has found; calls back, or looks again later. */
static void
sweep_found(struct sweep *sw)
{
	mono_ms since = loop_now(sw->en->lp) - sw->since;

	if (!sw->told && sw->left.hit > 0 && sw->name != NULL)
		log_info("%s left %d processes behind, they are killed",
		    sw->name, sw->left.hit);
	sw->told = sw->told || sw->left.hit > 0;
	if ((sw->left.n == 0 && !sw->left.unsure) ||
	    since >= SWEEP_GIVE_UP_MS) {
		sw->over(sw->arg, &sw->left);
		return;
	}
	loop_timer_start(&sw->again,
	    since < SWEEP_MAX_MS ? since + SWEEP_FIRST_MS : SWEEP_MAX_MS);
}

static void
sweep_join(struct sweep *sw)
{
	struct sweeps *all = &sw->en->sweeps;

	sw->waits = true;
	sw->looked_for = false;
	TAILQ_INSERT_TAIL(&all->waiting, sw, entry);
	if (!loop_timer_active(&all->look))
		loop_timer_start(
		    &all->look, all->next_ms - loop_now(sw->en->lp));
}

static void
sweep_look(struct sweep *sw)
{
	struct tree_left *one = &sw->left;

	if (sw->tree->cgroup == NULL) {
		sweep_join(sw);
		return;
	}
	one->n = one->hit = 0;
	one->unsure = false;
	if (!tree_is_empty(sw->tree, sweep_keeper(sw->en))) {
		sw->tree->killed = true;
		tree_sweep(&one, 1, sweep_keeper(sw->en));
	}
	sweep_found(sw);
}

static void
sweep_on_again(struct loop_timer *t, void *arg)
{
	(void)t;
	sweep_look(arg);
}

/* One look for all that wait; they may call back into here. */
static void
sweeps_on_look(struct loop_timer *t, void *arg)
{
	struct engine *en = arg;
	struct tree_left **v;
	struct sweep *sw;
	size_t n = 0;
	mono_ms took;

	(void)t;
	TAILQ_FOREACH(sw, &en->sweeps.waiting, entry)
		n++;
	v = xreallocarray(NULL, n + 1, sizeof *v);
	n = 0;
	TAILQ_FOREACH(sw, &en->sweeps.waiting, entry) {
		v[n++] = &sw->left;
		sw->looked_for = true;
	}
	took = clock_mono_ms();
	tree_sweep(v, n, sweep_keeper(en));
	free(v);
	took = clock_mono_ms() - took;
	loop_refresh(en->lp);
	en->sweeps.next_ms = loop_now(en->lp) + took;
	/* Those who join meanwhile come behind them. */
	while (
	    (sw = TAILQ_FIRST(&en->sweeps.waiting)) != NULL && sw->looked_for) {
		TAILQ_REMOVE(&en->sweeps.waiting, sw, entry);
		sw->waits = false;
		sweep_found(sw);
	}
}

void
sweeps_init(struct engine *en)
{
	TAILQ_INIT(&en->sweeps.waiting);
	loop_timer_init(&en->sweeps.look, en->lp, sweeps_on_look, en);
}

void
sweeps_fini(struct engine *en)
{
	loop_timer_stop(&en->sweeps.look);
}

void
sweep_init(
    struct sweep *sw, struct engine *en, const char *name, sweep_cb *over)
{
	memset(sw, 0, sizeof *sw);
	sw->en = en;
	sw->name = name;
	sw->over = over;
	loop_timer_init(&sw->again, en->lp, sweep_on_again, sw);
}

void
sweep_start(struct sweep *sw, struct tree *t, void *arg)
{
	sw->left.tree = sw->tree = t;
	sw->arg = arg;
	sw->since = loop_now(sw->en->lp);
	sw->told = false;
	t->leader_gone = true;
	sweep_look(sw);
}

void
sweep_stop(struct sweep *sw)
{
	loop_timer_stop(&sw->again);
	if (sw->waits)
		TAILQ_REMOVE(&sw->en->sweeps.waiting, sw, entry);
	sw->waits = false;
}
