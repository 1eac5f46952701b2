/*
 * ctl_priv - what server.c, session.c and the commands share.
 *
 * A request is born in session.c when its line has been read, and ends with
 * ctl_result_end() or ctl_fail(), which free it.  One that stays (an order, a
 * follower) sets close, and drain if it has more to say when the client has
 * read what was sent.  Nothing is written to a client from inside a call:
 * bytes wait in the session's buffer and leave at the end of the loop's turn.
 */
#ifndef CTL_CTL_PRIV_H
#define CTL_CTL_PRIV_H

#include <sys/queue.h>

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "ctl/acl.h"
#include "ctl/jw.h"
#include "ctl/server.h"
#include "engine/engine.h"
#include "loop/loop.h"

/* More than that waiting: followers hold back, requests are not read. */
#define CTL_OUT_HIGH   (256 * 1024)
#define CTL_FDS_MAX    8
#define CTL_SPARE      4 /* clients that are heard when descriptors are out */
#define CTL_STALL_MS   10000 /* so long may a client hold up its own requests */
#define CTL_NAME_SHOWN 96    /* bytes of a name in a refusal */
#define CTL_NO_ROOM    64    /* bytes of a refused client's reason */

/* JSON-RPC's own codes, and ours, which go with an exit code of reevectl. */
enum ctl_code {
	CTL_E_PARSE = -32700,
	CTL_E_REQUEST = -32600,
	CTL_E_METHOD = -32601,
	CTL_E_PARAMS = -32602,
	CTL_E_FAILED = -32001, /* exit 1 */
	CTL_E_NAME = -32003,   /* exit 3 */
	CTL_E_DENIED = -32005, /* exit 5 */
	CTL_E_BUSY = -32006,   /* exit 1: a limit is reached */
};

struct ctl_session;
struct ctl_req;
struct ctl_cmd;
struct args;

typedef void ctl_handler(struct ctl_req *r, struct args *a);

struct ctl_cmd {
	const char *name;
	enum verb verb;
	bool reads; /* changes nothing */
	const char *params;
	const char *help;
	ctl_handler *handler;
};

struct ctl_req {
	TAILQ_ENTRY(ctl_req) link;
	struct ctl_session *s;
	const struct ctl_cmd *cmd;
	char *id; /* JSON text; NULL: a notification, answered by nothing */
	void (*drain)(struct ctl_req *r);
	void (*close)(struct ctl_req *r); /* the client is gone: let go */
	/* What a reload took away from it: a name, borrowed; "": the verb;
	 * NULL: nothing.  Without it the request goes on whatever allow= says.
	 */
	const char *(*lost)(const struct ctl_req *r);
	void *priv;
};

TAILQ_HEAD(ctl_sessions, ctl_session);

struct ctl_server {
	unsigned magic;
	struct loop *lp;
	struct engine *en;
	int listen_fd;                /* -1: not listening */
	struct event_watcher watcher; /* for reloads */
	struct loop_task regrant;
	struct jobs *jobs; /* NULL: not used yet */
	struct loop_io io;
	struct loop_timer again; /* after EMFILE */
	int spare[CTL_SPARE];    /* given up, one for each client, then */
	struct ctl_sessions sessions;
	unsigned nsessions;
	struct log_quota told; /* what clients do wrong */
};

struct ctl_session {
	unsigned magic;
	TAILQ_ENTRY(ctl_session) link;
	struct ctl_server *srv;
	int fd;
	struct loop_io io;
	struct loop_task flush;
	struct loop_timer more;  /* lines are left for the next turn */
	struct loop_timer stall; /* runs while CTL_OUT_HIGH stops requests */
	struct loop_timer slow;  /* runs while half a request is here */
	struct engine_who who;
	char worker[CONFIG_NAME_MAX + 1]; /* the program it is of, or "" */
	gid_t *groups; /* the supplementary ones, since it connected */
	size_t ngroups;
	int fds[CTL_FDS_MAX]; /* came with the request that is read */
	size_t nfds;
	struct buf in;
	size_t scanned; /* bytes of in that hold no newline */
	struct buf out;
	size_t out_off; /* bytes of out that were sent */
	size_t mark;    /* where the answer being written begins */
	struct jw jw;
	TAILQ_HEAD(, ctl_req) reqs;
	unsigned nreqs;
	bool eof;     /* it sends no more, but may still read */
	bool closing; /* send what is waiting, then close */
	bool dead;    /* close at the end of this turn */
};

/* server.c */
/* A descriptor is free again. */
void ctl_server_refill(struct ctl_server *srv);
/* May what a client did wrong be logged?  Else it is counted. */
bool ctl_log_room(struct ctl_server *srv);

/* session.c */
void ctl_session_new(struct ctl_server *srv, int fd);
/* Sends what it can, lets go of every request, closes, frees. */
void ctl_session_free(struct ctl_session *s);
/* Whether followers may write now; they are told by drain when they may. */
bool ctl_session_room(const struct ctl_session *s);

/* Of the descriptors that came with the request: takes one; -1: none. */
int ctl_take_fd(struct ctl_req *r, size_t i);
/* The writer stands where the value of "result" goes. */
struct jw *ctl_result_begin(struct ctl_req *r);
void ctl_result_end(struct ctl_req *r);
/* The writer stands inside "params", after "id". */
struct jw *ctl_note_begin(struct ctl_req *r);
void ctl_note_end(struct ctl_req *r);
/* Takes back what ctl_result_begin wrote, if it did; the request ends. */
void ctl_fail(struct ctl_req *r, enum ctl_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the members of "data" that JSON text more gives. */
void ctl_fail_data(struct ctl_req *r, enum ctl_code code, const char *more,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* grant.c: what allow= of the config in force says, now. */
/* 0, or -1: the request was refused and is gone. */
int ctl_grant(struct ctl_req *r, json_t *params);
/* For r's verb: on a slot (NULL: on the program), on anything, on all. */
bool ctl_may(const struct ctl_req *r, const char *program, const char *slot);
bool ctl_may_some(const struct ctl_req *r);
bool ctl_may_all(const struct ctl_req *r);
/* Heard as a worker with allow_jobs alone, not by allow=. */
bool ctl_is_guest(const struct ctl_req *r);
/* Another verb, on all. */
bool ctl_may_verb(const struct ctl_req *r, enum verb verb);
/* name: a program's, a slot's; "": the daemon's own. */
bool ctl_may_name(const struct ctl_req *r, const char *name);
/* Fails the request; name NULL: the verb itself is not allowed. */
void ctl_deny(struct ctl_req *r, const char *name);
/* A lost: the verb itself, which has no names. */
const char *ctl_lost_verb(const struct ctl_req *r);
/* Ends what may not go on. */
void ctl_regrant(struct ctl_session *s);

/* peer.c */
/* Fills who, groups and ngroups from s->fd. */
void ctl_peer_init(struct ctl_session *s);
/* May one more be served?  If not, why has what there are too many of. */
bool ctl_peer_has_room(
    const struct ctl_server *srv, int fd, char why[CTL_NO_ROOM]);
/* As recvmsg, descriptors go to s->fds; not whole: some had no room. */
ssize_t ctl_peer_recv(struct ctl_session *s, void *data, size_t n, bool *whole);
void ctl_peer_close_fds(struct ctl_session *s);
/* Takes a client's connection, and what it holds that was not read. */
void ctl_peer_close(int *fdp);

/* cmd.c */
const struct ctl_cmd *ctl_cmd_find(const char *name);
/* NULL: nothing is near. */
const char *ctl_cmd_nearest(const char *name);

/*
 * args: reads the parameters of a request by name.  The first error sticks;
 * args_end fails the request with it, or with the name of a member that
 * nobody asked for.  Strings are borrowed from the request.
 */
struct args {
	struct json_t *obj; /* NULL: no parameters */
	const char *seen[16];
	size_t nseen;
	struct err err;
	bool bad;
};

void args_init(struct args *a, json_t *params);
/* As it came; NULL: it is missing. */
struct json_t *args_json(struct args *a, const char *name);
const char *args_str(struct args *a, const char *name, bool required);
bool args_bool(struct args *a, const char *name, bool dflt);
int64_t args_int(
    struct args *a, const char *name, int64_t min, int64_t max, int64_t dflt);
/* A string or an array of strings, into out, which is empty. */
void args_strv(
    struct args *a, const char *name, bool required, struct strv *out);
void args_error(struct args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* 0, or -1: the request was failed and is gone. */
int args_end(struct args *a, struct ctl_req *r);

#define CMD(name, kind, params, help) ctl_handler cmd_##name;
#include "ctl/cmd.def"
#undef CMD

/* cmd_op.c, cmd_resume.c: begin an order; the request is answered later. */
void ctl_order_start(struct ctl_req *r, enum op_kind kind,
    const struct strv *names, int number, bool wait);
void ctl_order_resume(struct ctl_req *r, enum op_kind kind,
    const struct strv *names, bool wait, uint64_t since);

/* cmd_op.c: "HUP", "SIGHUP", "hup" or a number; 0: no such signal. */
int ctl_signal_number(const char *name);

/* cmd_status.c */
void ctl_put_slot(struct jw *w, const char *key, const struct slot_info *si);

#endif
