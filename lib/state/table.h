/*
 * table - the crash-proof state table, a memfd that the keeper holds too.
 *
 * One record a slot (and one a program with a roll), fixed size, two copies
 * each with a serial and a CRC: a write goes to the older copy, so that an
 * engine killed in the middle of it leaves the one before.  Everything in a
 * record can be lost and the engine is still correct, if forgetful.
 * Monotonic times stay valid: the table does not outlive the boot.
 */
#ifndef STATE_TABLE_H
#define STATE_TABLE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

#define TABLE_NAME_MAX   80
#define TABLE_DEATHS     5
#define TABLE_PAST       20 /* deaths that restart_limit= can count */
#define TABLE_REASON_MAX 96
#define TABLE_NONE       UINT32_MAX

/* One death, without its texts. */
struct table_death {
	wall_ms at_ms; /* 0: none */
	int64_t ran_ms;
	int64_t max_rss_kb;
	uint32_t generation;
	int32_t pid;
	int16_t code; /* -1: by signal, or never ran */
	uint8_t signo;
	uint8_t cause; /* enum death_cause */
	uint8_t core, killed, by_person;
	uint8_t oom;   /* enum death_oom */
	uint8_t stage; /* of DEATH_NO_START */
	int32_t errnum;
	uint32_t by_uid;
	int32_t by_pid;
};

/* When a slot died by itself: the last time, and what lay between them. */
struct table_past {
	mono_ms at_ms;
	uint32_t gap_ms[TABLE_PAST]; /* newest first; UINT32_MAX: or more */
	uint8_t n;                   /* deaths; up to TABLE_PAST + 1 */
};

struct table_inst {
	uint64_t id; /* 0: none */
	uint32_t generation;
	uint8_t ready, stopping, killed, cause;
	uint8_t by_person;
	uint8_t unhealthy;
	uint32_t watchdog_ms;
	uint32_t by_uid;
	int32_t by_pid;
	/* Of the stop; while it is not to stop, of health_grace.  0: none */
	mono_ms deadline_ms;
	int64_t oom_kills; /* see struct inst */
};

/* Of the last start by order, by CLOCK_MONOTONIC; 0: not yet, or not known. */
struct table_times {
	mono_ms ordered_ms;
	mono_ms free_ms;  /* what it depends on was as it should be */
	mono_ms start_ms; /* there was a process, the first */
	mono_ms up_ms;    /* ready, the first time */
	mono_ms done_ms;  /* ended as expected */
};

/*
 * What stands from past on is kept apart from the rest (see table.c), and
 * takes no room while it is all 0, as it is for most.
 */
struct table_slot {
	char name[TABLE_NAME_MAX];
	uint8_t state, wanted, start_again;
	uint8_t leaving; /* 2: with its program, which is made again */
	uint32_t generation;
	uint32_t failures;
	uint32_t alone_generation; /* see struct slot */
	uint64_t restarts;
	mono_ms retry_at_ms;
	uint64_t roll_id;   /* of the last roll it was in; 0: none */
	uint8_t roll_phase; /* in that, enum roll_phase */
	uint8_t budgeted;   /* see struct slot */
	uint32_t health_losses;
	struct table_inst cur, next;
	struct table_times times;
	struct table_past past;
	char note[TABLE_REASON_MAX]; /* why it is in its state */
	char reason[TABLE_REASON_MAX];
	struct table_inst drain; /* the last of those that leave */
	struct table_death deaths[TABLE_DEATHS];
};

/* A roll under way. */
struct table_roll {
	char program[TABLE_NAME_MAX];
	uint8_t again;     /* one more was asked for */
	uint8_t preparing; /* before_roll has not succeeded yet */
	uint8_t by_person;
	uint32_t by_uid;
	int32_t by_pid;
	wall_ms begun_ms;
	uint32_t alone;             /* slot + 1: of that one only; 0: of all */
	char why[TABLE_REASON_MAX]; /* alone: why it is replaced */
	uint32_t nslots;            /* where each is: see table_slot */
	uint64_t id;                /* no other roll has it */
	uint64_t cause,
	    cause_again; /* tasks that it follows, and one more; 0 */
};

/* What restart_rate of a group has given out; see policy_budget. */
struct table_budget {
	char group[TABLE_NAME_MAX];
	int64_t us[2];
};

/* A program that was scaled to 0: no slot of it is left to tell. */
struct table_empty {
	char program[TABLE_NAME_MAX];
};

#define TABLE_ACTED 16

/* reeved as a whole. */
struct table_self {
	uint8_t stopping; /* a shutdown is under way */
	uint8_t kill_now; /* ... and patience is at its end */
	uint8_t started;  /* what starts by itself was ordered to */
	uint8_t by_person;
	uint32_t by_uid;
	int32_t by_pid;
	uint64_t next_id;   /* of children: never given twice */
	mono_ms startup_ms; /* what starts by itself was ordered to; 0: not */
	uint8_t exit_code;  /* that reeved will have */
	char essential[TABLE_NAME_MAX]; /* slot whose end is all; "": none */
	int64_t budget_us[2];           /* see policy_budget */
	uint64_t acted[TABLE_ACTED];    /* tasks whose orders were given */
	uint32_t stop_serial; /* of the last signal that was an order to stop */
};

struct table;

/* A new table, or (fd != -1, borrowed) the one of the engine before. */
struct table *table_open(int fd, struct err *err);
void table_close(struct table *tb);
int table_fd(const struct table *tb); /* borrowed */
uint32_t table_layout(void);          /* another one can't be read */

/* Index of the record of that name, made when create; TABLE_NONE: none. */
uint32_t table_find_slot(struct table *tb, const char *name, bool create);
/* false: never written, or both copies are corrupt. */
bool table_get_slot(struct table *tb, uint32_t rec, struct table_slot *out);
void table_put_slot(
    struct table *tb, uint32_t rec, const struct table_slot *in);
void table_drop_slot(struct table *tb, uint32_t rec);

/* Rolls are few: by program name. */
bool table_get_roll(
    struct table *tb, const char *program, struct table_roll *out);
void table_put_roll(struct table *tb, const struct table_roll *in);
void table_drop_roll(struct table *tb, const char *program);
/* Zeroes when there is none. */
void table_get_budget(
    struct table *tb, const char *group, struct table_budget *out);
void table_put_budget(struct table *tb, const struct table_budget *in);
void table_drop_budget(struct table *tb, const char *group);
bool table_is_empty(const struct table *tb, const char *program);
void table_set_empty(struct table *tb, const char *program, bool is_empty);
bool table_get_self(struct table *tb, struct table_self *out);
void table_put_self(struct table *tb, const struct table_self *in);

/* --- the event ring (event.h), another memfd --------------------------------
 */

struct event_log;

struct event_log *event_open(int fd, struct err *err); /* as table_open */
void event_close(struct event_log *el);
int event_fd(const struct event_log *el);
uint32_t event_layout(void); /* as table_layout */
/* Cut to fit; calls the watchers. */
void event_add(
    struct event_log *el, const char *name, const char *kind, const char *text);

#endif
