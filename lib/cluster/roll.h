/*
 * roll - the replacement of a program's instances, as one transaction.
 *
 * Pure: knows slots by index, acts through ops, is told what happened, holds
 * no timer and no descriptor.  One slot first (the canary); then batches.
 *
 *	surge > 0   replace: a new instance beside the old one
 *		    -> roll_ready -> retire: the old one drains -> roll_gone
 *	surge == 0  retire first -> roll_gone -> replace -> roll_ready
 *
 * At most batch slots are under way at once, and at most surge instances
 * beyond the program's number exist at any moment (draining ones count), so
 * a step waits for the old instances of the step before.  With a canary that
 * is ready, soak: it must stay up that long before the next slot is touched.
 *
 * A new instance that fails (roll_failed: exit, time-out, could not start)
 * aborts: every new one that is not ready yet is discarded, the untouched old
 * ones go on, and end() tells why, at once: it does not wait for old ones
 * that were told to go before.  Slots that were replaced before stay
 * replaced; what they run then is the caller's decision (rolled back when
 * the roll came from a new config).  With surge == 0 an abort can leave slots
 * empty (ROLL_OLD, retire was called): the caller fills them.
 *
 * Every roll_* may be called from inside an op: what it says is acted on when
 * the op has returned (a dropped slot is never named again, from that call
 * on).  News that do not fit the phase of the slot are ignored: ready twice,
 * gone without retire, whatever comes after end().
 */
#ifndef CLUSTER_ROLL_H
#define CLUSTER_ROLL_H

#include <stdbool.h>
#include <stdint.h>

struct roll;

enum roll_end {
	ROLL_DONE,
	ROLL_ABORTED
};

/* What became of one slot, for the state table and for people. */
enum roll_phase {
	ROLL_OLD,      /* not touched yet */
	ROLL_STARTING, /* the new one is there, not ready */
	ROLL_SOAKING,  /* canary: ready, on trial; the old one still serves */
	ROLL_RETIRING, /* the old one is stopping */
	ROLL_NEW,      /* done */
};

struct roll_ops {
	void (*replace)(void *arg, int slot);
	void (*retire)(void *arg, int slot);
	/* The new one is to go, if there is one; also for the one that failed.
	 */
	void (*discard)(void *arg, int slot);
	/* Call roll_soaked after ms; called again replaces, 0 cancels. */
	void (*soak)(void *arg, int64_t ms);
	/* phase of a slot changed: note it, tell who listens; before the op
	 * that comes with it, but after a discard */
	void (*moved)(void *arg, int slot, enum roll_phase phase);
	/* Last call of a roll; it may be freed from here on (not inside).
	 * reason: "" when done. */
	void (*end)(void *arg, enum roll_end end, const char *reason);
};

struct roll_params {
	int nslots;
	int batch;       /* >= 1 */
	int surge;       /* >= 0 */
	int64_t soak_ms; /* >= 0 */
};

/*
 * phases: nslots of them, to go on with a roll after a restart of the engine;
 * NULL: from the start.  Acts only from roll_start on, and then does not
 * repeat an op: a slot given as STARTING has its new instance (else it is
 * OLD), one given as RETIRING was told (say roll_gone when it is gone
 * already); only the soak begins anew.
 */
struct roll *roll_new(const struct roll_params *params,
    const enum roll_phase *phases, const struct roll_ops *ops, void *arg);
void roll_free(struct roll *r);
void roll_start(struct roll *r);
void roll_ready(struct roll *r, int slot);
void roll_failed(struct roll *r, int slot, const char *reason);
/* The old instance of a slot that retire was called for is gone. */
void roll_gone(struct roll *r, int slot);
void roll_soaked(struct roll *r);
/* A slot left the program (scale, stop): it counts as done, no op is called
 * for it, not even discard or moved. */
void roll_drop(struct roll *r, int slot);
/* By order of a person, or because the program stops. */
void roll_abort(struct roll *r, const char *reason);
enum roll_phase roll_phase_of(const struct roll *r, int slot);
/* Slots in ROLL_NEW. */
int roll_progress(const struct roll *r);
const char *roll_phase_name(enum roll_phase phase);

#endif
