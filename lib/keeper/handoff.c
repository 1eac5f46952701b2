/*
 * handoff - what an engine is told.
 *
 * A new one gets everything: who we are, the descriptors, the children, and
 * then what has not been acknowledged.  After that, what is marked.  Nothing
 * is queued here: when the channel is full the walk stops where it is and
 * goes on when there is room, so that a slow engine costs no memory.
 */
#include <unistd.h>

#include "base/log.h"
#include "keeper/keeper_priv.h"

/* false: the channel is full, or gone; the walk has to stop. */
static bool
handoff_send(struct keeper *kp, enum msg_type type, const struct mw *w, int fd)
{
	switch (chan_send(kp->ch, type, w, &fd, fd != -1 ? 1 : 0)) {
	case CHAN_SENT:
		return true;
	case CHAN_FULL:
		return false;
	case CHAN_BROKEN:
		return false; /* its death is reported by the reaper */
	}
	return false;
}

static bool
handoff_welcome(struct keeper *kp)
{
	uint8_t mem[80 + 4096];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u32(&w, MSG_VERSION);
	mw_u32(&w, kp->incarnation);
	mw_u32(&w, (uint32_t)getpid());
	mw_i64(&w, kp->started_ms);
	mw_u64(&w, kp->cfg->soft_nofile);
	mw_u8(&w, kp->notify_fd != -1);
	mw_str(&w, kp->cfg->self);
	mw_u32(&w, TABLES_VERSION);
	mw_u32(&w, (uint32_t)kp->origin.pid);
	mw_u64(&w, kp->origin.start);
	return handoff_send(kp, MSG_K_WELCOME, &w, -1);
}

static bool
handoff_fd(struct keeper *kp, uint32_t slot)
{
	uint8_t mem[FDSTORE_NAME_MAX + 16];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u32(&w, slot);
	mw_str(&w, kp->store.slots[slot].name);
	return handoff_send(kp, MSG_K_FD, &w, kp->store.slots[slot].fd);
}

static bool
handoff_child(struct keeper *kp, const struct child *c)
{
	uint8_t mem[SPEC_LABEL_MAX + 64];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, c->id);
	mw_u32(&w, c->state == CHILD_SPAWNING ? 0 : (uint32_t)c->pid);
	mw_i64(&w, c->started_ms);
	mw_str(&w, c->label);
	mw_u8(&w, c->kill_group);
	return handoff_send(kp, MSG_K_CHILD, &w, -1);
}

static bool
handoff_spawned(struct keeper *kp, const struct child *c)
{
	uint8_t mem[32];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, c->id);
	mw_u32(&w, (uint32_t)c->pid);
	mw_i64(&w, c->started_ms);
	return handoff_send(kp, MSG_K_SPAWNED, &w, -1);
}

static bool
handoff_exited(struct keeper *kp, const struct child *c)
{
	uint8_t mem[64];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, c->id);
	mw_u32(&w, (uint32_t)c->pid);
	mw_i64(&w, c->told_spawned ? -1 : c->started_ms);
	mw_u8(&w, (uint8_t)c->code);
	mw_u8(&w, (uint8_t)c->signo);
	mw_u8(&w, c->core);
	mw_i64(&w, c->died_ms);
	mw_i64(&w, c->max_rss_kb);
	return handoff_send(kp, MSG_K_EXITED, &w, -1);
}

static bool
handoff_failed(struct keeper *kp, const struct child *c)
{
	uint8_t mem[32];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, c->id);
	mw_u16(&w, (uint16_t)c->err.stage);
	mw_u32(&w, (uint32_t)c->err.errnum);
	return handoff_send(kp, MSG_K_SPAWN_FAILED, &w, -1);
}

static bool
handoff_lost(struct keeper *kp, struct child *c)
{
	uint8_t mem[16];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, c->id);
	mw_u32(&w, (uint32_t)c->lost_signo);
	mw_u32(&w, (uint32_t)c->lost_errno);
	if (!handoff_send(kp, MSG_K_SIGNAL_FAILED, &w, -1))
		return false;
	c->lost_signo = 0;
	return true;
}

static bool
handoff_news(struct keeper *kp, struct child *c)
{
	switch (c->state) {
	case CHILD_SPAWNING:
		return true;
	case CHILD_FAILED:
		return handoff_failed(kp, c);
	case CHILD_ALIVE:
	case CHILD_EXITED:
		break;
	}
	/* Of one that is over already both are told at once. */
	if (c->state == CHILD_EXITED) {
		if (!handoff_exited(kp, c))
			return false;
		c->told_spawned = true;
		return true;
	}
	if (!c->told_spawned && !handoff_spawned(kp, c))
		return false;
	c->told_spawned = true;
	return c->lost_signo == 0 || handoff_lost(kp, c);
}

static bool
handoff_signals(struct keeper *kp)
{
	uint8_t mem[16];
	struct mw w;

	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		if (kp->pending[i].serial == 0 || kp->pending[i].told)
			continue;
		mw_init(&w, mem, sizeof mem);
		mw_u32(&w, kp->pending[i].serial);
		mw_u32(&w, (uint32_t)kp->pending[i].signo);
		if (!handoff_send(kp, MSG_K_SIGNALLED, &w, -1))
			return false;
		kp->pending[i].told = true;
	}
	return true;
}

static bool
handoff_upgraded(struct keeper *kp)
{
	uint8_t mem[sizeof kp->upgrade_text + 16];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u8(&w, kp->upgrade_code);
	mw_str(&w, kp->upgrade_text);
	return handoff_send(kp, MSG_K_UPGRADED, &w, -1);
}

/* true: this step of the hand-off is complete. */
static bool
handoff_step(struct keeper *kp)
{
	struct handoff *h = &kp->handoff;

	switch (h->phase) {
	case HANDOFF_WELCOME:
		return handoff_welcome(kp);
	case HANDOFF_FDS:
		for (; h->slot < kp->store.n; h->slot++)
			if (kp->store.slots[h->slot].fd != -1 &&
			    !handoff_fd(kp, h->slot))
				return false;
		return true;
	case HANDOFF_CHILDREN:
		for (; h->child != NULL; h->child = TAILQ_NEXT(h->child, all))
			if (h->child != kp->engine &&
			    !handoff_child(kp, h->child))
				return false;
		return true;
	case HANDOFF_SYNCED:
		return handoff_send(kp, MSG_K_SYNCED, NULL, -1);
	case HANDOFF_NONE:
	case HANDOFF_DONE:
		break;
	}
	return false;
}

/*
 * Goes on where the channel was full.  Children can come and go meanwhile
 * only by the engine's order, and it gives none before K_SYNCED; one that
 * dies stays in the table and is marked.
 */
static void
handoff_go_on(struct keeper *kp)
{
	while (kp->handoff.phase != HANDOFF_DONE && handoff_step(kp))
		kp->handoff.phase++;
	kp->synced = kp->handoff.phase == HANDOFF_DONE;
}

void
handoff_start(struct keeper *kp)
{
	struct child *c;

	kp->handoff.phase = HANDOFF_WELCOME;
	kp->handoff.slot = 0;
	kp->handoff.child = TAILQ_FIRST(&kp->children.all);
	TAILQ_FOREACH(c, &kp->children.all, all) {
		if (c == kp->engine)
			continue;
		c->told_spawned = c->state != CHILD_SPAWNING;
		if (c->state == CHILD_EXITED || c->state == CHILD_FAILED)
			child_mark(&kp->children, c);
	}
	for (int i = 0; i < KEEPER_SIGNALS; i++)
		kp->pending[i].told = false;
	handoff_flush(kp);
}

void
handoff_flush(struct keeper *kp)
{
	struct child *c;

	if (kp->ch == NULL || kp->handoff.phase == HANDOFF_NONE)
		return;
	handoff_go_on(kp);
	if (!kp->synced)
		return;
	while ((c = TAILQ_FIRST(&kp->children.dirty)) != NULL) {
		if (!handoff_news(kp, c))
			return;
		TAILQ_REMOVE(&kp->children.dirty, c, dirty);
		c->is_dirty = false;
	}
	if (handoff_signals(kp) && kp->upgrade_news && handoff_upgraded(kp))
		kp->upgrade_news = false;
}
