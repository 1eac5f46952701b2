/*
 * reeve-pool - what its files share.  One thread, the loop's, owns all of it;
 * the pool's threads see their job alone.
 */
#ifndef REEVE_POOL_DAEMON_H
#define REEVE_POOL_DAEMON_H

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop.h"
#include "pool/board.h"
#include "pool/plugin.h"
#include "pool/pool.h"
#include "pool/proto.h"
#include "pool/run.h"

#define NAME_MAX_LEN 64
#define HIST_BUCKETS 160
#define PEER_BUCKETS 1024
#define TOLD_MAX     256 /* of those that ran here: fewer than BOARD_JOBS */

/* --- settings.c: what the file says ------------------------------------------
 */

struct set_pool {
	char name[NAME_MAX_LEN]; /* "" for [pool] */
	unsigned threads, queue;
	uint32_t grace_ms;
};

struct set_job {
	char kind[NAME_MAX_LEN];
	char *plugin; /* NULL: built in */
	char *pool;   /* NULL: the one without a name */
	unsigned concurrency;
	uint32_t queue_timeout_ms, run_timeout_ms;
};

struct settings {
	struct set_pool *pools; /* the first is [pool] */
	size_t npools;
	struct set_job *jobs;
	size_t njobs;
	/* Beside root and the pool's own user; guarded false: whoever the
	 * socket's mode lets in. */
	bool guarded;
	uid_t *uids;
	size_t nuids;
};

/* file NULL: the defaults.  -1: nothing is kept. */
int settings_load(struct settings *s, const char *file, struct err *err);
void settings_fini(struct settings *s);

/* --- stats.c -----------------------------------------------------------------
 */

/* Microseconds, a bucket for each eighth of a power of two. */
struct hist {
	uint64_t n, sum, max;
	uint32_t at[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t us);
uint64_t hist_percentile(const struct hist *h, unsigned percent);

/* --- kinds and pools
 * ---------------------------------------------------------- */

struct daemon;
struct peer;

struct pd_pool {
	struct daemon *d;
	char name[NAME_MAX_LEN];
	struct pool *pool;
	struct loop_io io;
	struct loop_timer timer;
};

struct pd_kind {
	char name[NAME_MAX_LEN];
	const struct reeve_job_plugin *plugin;
	struct job_plugin *loaded; /* NULL: built in */
	struct pool_class cls;
	struct pd_pool *pool;
	uint32_t queue_timeout_ms, run_timeout_ms;
	uint64_t print; /* of the plugin's file */
	uint64_t results[PR_N];
	struct hist wait, run;
};

/* kinds.c */
int kinds_set(struct daemon *d, const struct settings *s, struct err *err);
struct pd_kind *kinds_find(struct daemon *d, const char *name);
void kinds_free(struct daemon *d);

/* Memory of a client, as long as it or a job of it is there. */
struct pd_buffer {
	int fd;
	unsigned refs;
};

/* --- jobs.c
 * -------------------------------------------------------------------- */

struct pd_job {
	struct pool_job pj;         /* first, and aligned */
	struct pd_job *next, *prev; /* of its peer */
	struct pd_job *chain;       /* of its peer's table */
	struct peer *peer;          /* NULL: it went away */
	struct pd_kind *kind;
	uint64_t id;     /* its client's */
	uint64_t serial; /* ours */
	uint16_t flags;  /* enum pool_submit_flags */
	int fds[POOL_MSG_FDS], nfds;
	struct pd_buffer *buffers[2]; /* or NULL */
	struct board_job board;
	struct board_entry *entry; /* since it runs */
	atomic_bool running;
	bool stays; /* it can't be given back to a client */
	struct job_spec spec;
	struct job_progress progress;
	uint32_t told_seq, told_percent;
	const char *args[JOB_ARGS_MAX];
	char *strings; /* of the message; inline, or its own */
	/* what its thread leaves */
	enum job_result result;
	struct err *err; /* or NULL */
	char *answer;    /* or NULL */
	uint64_t bytes_in, bytes_out;
	char room[512]; /* last: not cleared */
};

/* Takes the descriptors.  -1: the peer broke the rules, *why. */
int job_submit(struct peer *peer, const struct pool_msg *m, const int *fds,
    const char **why);
void job_cancel(struct peer *peer, uint64_t id);
/* All of a peer that has gone: nobody wants them. */
void job_forget_all(struct peer *peer);
struct pd_job *job_find(struct peer *peer, uint64_t id); /* or NULL */
/* It is that peer's from now on. */
void job_give(struct pd_job *j, struct peer *peer);
/* Those that are done are answered; what the board knows of them is kept
 * until jobs_tell has sent the answers. */
void jobs_collect(struct pd_pool *pool);
void jobs_tell(struct daemon *d);
/* Those that have not begun go back to their clients. */
void jobs_move(struct daemon *d);
void job_thread_begin(void *arg, unsigned index);
void job_thread_end(void *arg, unsigned index);
void job_crashed(int sig, const struct job_run *run);
void jobs_progress(struct daemon *d);
void jobs_free_spare(struct daemon *d);

/* --- peer.c
 * -------------------------------------------------------------------- */

struct peer {
	struct daemon *d;
	struct peer *next, *prev;
	int fd;
	bool hello, closing;
	bool guest, late; /* see guest.c */
	uid_t uid;        /* of a guest */
	bool looked;      /* for the dead, since it is there */
	bool keeps;       /* its jobs have PS_KEEP */
	uint8_t session[POOL_SESSION];
	struct loop_io io;
	struct buf in, out;
	size_t out_at;
	int fds[256]; /* received, of messages that are not yet whole */
	size_t nfds;
	struct pd_buffer *buffers[POOL_BUFFERS]; /* or NULL */
	struct pd_job *jobs, *table[PEER_BUCKETS];
	size_t njobs;
};

int peers_listen(struct daemon *d, int fd, struct err *err);
void peers_stop_listening(struct daemon *d);
/* Descriptors were given back: those that were not read may be. */
void peers_resume(struct daemon *d);
void peer_message(struct peer *p, uint16_t type, uint64_t id, const void *body,
    size_t n, const char *text);
void peers_flush(struct daemon *d);
/* Those that wait for nothing are let go. */
void peers_close_idle(struct daemon *d);

/* PM_BYE, and then it is closed; the second logs it. */
void peer_end(struct peer *p, int error, const char *why);
void peer_bye(struct peer *p, const char *why);

/* --- guest.c
 * -------------------------------------------------------------------- */

/* -1: it was told that it may not, and closed. */
int guest_look(struct daemon *d, int fd, bool *guest, uid_t *uid);
/* NULL: it may say that. */
const char *guest_forbids(const struct peer *p, const struct pool_msg *m);
/* There is one that has not said hello, perhaps. */
void guests_mute(struct daemon *d);
void guests_on_timer(struct loop_timer *t, void *arg);
/* Other settings: who may not any more is let go. */
void guests_check(struct daemon *d);

void buffer_unref(struct daemon *d, struct pd_buffer *b);

/* --- kept.c
 * --------------------------------------------------------------------- */

/* Jobs with PS_KEEP whose client has gone are nobody's. */
struct peer *kept_nobody(struct daemon *d);
bool kept_is_nobody(const struct peer *p);
void kept_end(struct daemon *d, uint64_t id, const struct pool_result *r,
    const char *text);
/* Its result goes to p, now or when there is one. */
void kept_wait(struct peer *p, uint64_t id);
void kept_free(struct daemon *d);

/* --- report.c
 * ------------------------------------------------------------------- */

/* NULL: no such thing.  The caller frees. */
char *report_make(struct daemon *d, const char *what);

/* --- main.c
 * --------------------------------------------------------------------- */

struct daemon {
	struct loop *lp;
	struct settings set;
	struct board *board;
	struct pd_pool *pools;
	size_t npools;
	struct pd_kind *kinds;
	size_t nkinds;
	int listen_fd;
	struct loop_io listen_io;
	struct peer *peers;
	size_t npeers, nguests;
	struct log_quota wrongs; /* of clients, in the log */
	struct loop_timer mute;  /* runs while a guest has said no hello */
	struct loop_task flush;
	struct loop_timer progress;
	struct board_entry **told; /* answered, not yet sent */
	size_t ntold, told_room;
	bool tidy;         /* some of them are of pools that have died */
	struct kept *kept; /* NULL: not used yet */
	struct pd_job *spare;
	uint64_t serial;
	size_t nspare, njobs, watched;
	size_t nstuck;       /* of them, answered; their threads are awaited */
	size_t fds, fds_max; /* held for jobs and buffers */
	bool paused;         /* peers are not read */
	bool draining;
	bool flushing;
	bool recycled; /* it was asked for */
	const char *file;
};

/* May what a client did wrong be logged?  Else it is counted. */
bool daemon_log_room(struct daemon *d);
void daemon_flush_soon(struct daemon *d);
/* After a stuck job: please start another one. */
void daemon_recycle(struct daemon *d);
/* When draining: ends once nothing is left. */
void daemon_check_end(struct daemon *d);

#endif
