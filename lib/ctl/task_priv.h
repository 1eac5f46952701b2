/* task_priv - what cmd_task.c and cmd_task_log.c share. */
#ifndef CTL_TASK_PRIV_H
#define CTL_TASK_PRIV_H

#include "ctl/ctl_priv.h"
#include "engine/named.h"
#include "engine/queued.h"

#define TASK_FIELDS_MAX 32

/* A request of a client's that waits for the queue. */
struct asked {
	struct ctl_req *r; /* NULL: the client is gone */
	struct engine *en;
	uid_t uid; /* whose tasks it may see */
	uint64_t *ids;
	size_t nids;
	bool asking; /* the queue has a request of ours */
	bool again;  /* something ended meanwhile */
	bool cancel; /* they are to be cancelled first */
	bool watching;
	struct queued_watch watch;
	void (*answer)(struct asked *a, struct queue_req *req);
	/* of task_list: members as numbers */
	uint8_t fields[TASK_FIELDS_MAX];
	size_t nfields;
	bool only_done;     /* of task_rm */
	bool groups;        /* are told as well */
	char group[72];     /* of task_list; "": all */
	struct strv states; /* of task_watch */
	/* of task_log */
	bool follow, ended;
	int64_t offset;
	struct loop_timer poll;
};

/* It is r's priv from now on. */
struct asked *asked_new(struct ctl_req *r);
/* For queued_send; answer is not called when the client has gone or the
 * request failed, which it is told. */
struct queue_req *asked_req(struct asked *a, enum queue_kind kind,
    void (*answer)(struct asked *a, struct queue_req *req));
void asked_watch(struct asked *a, void (*ended)(void *arg, uint64_t id));
/* Freed; the request is the caller's to answer. */
struct ctl_req *asked_end(struct asked *a);

/* "ids", strings; *ids is the caller's. */
void task_ids(
    struct args *a, const char *name, bool required, uint64_t **ids, size_t *n);
/* "tasks" of an answer. */
void tasks_put(struct jw *w, struct engine *en, const struct queue_req *req);
bool task_group_ok(const char *name);

#endif
