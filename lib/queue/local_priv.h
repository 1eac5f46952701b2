/*
 * local_priv - what the two halves of the local backend share: local.c has
 * the thread and the queues, local_open.c and local_db.c the file.
 */
#ifndef QUEUE_LOCAL_PRIV_H
#define QUEUE_LOCAL_PRIV_H

#include <sqlite3.h>

#include "queue/queue.h"

enum db_stmt {
	ST_LIVE,
	ST_ALL,
	ST_ONE,
	ST_KEY,
	ST_ADD,
	ST_ADD_SPEC,
	ST_START,
	ST_SPEC,
	ST_END,
	ST_DROP_SPEC,
	ST_CANCEL,
	ST_REMOVE,
	ST_OLD,
	ST_ENDED,
	ST_GROUPS,
	ST_PARALLEL,
	ST_PAUSE,
	ST_ACTING,
	ST_ACT,
	ST_ACTED,
	ST_DUES,
	ST_DUE,
	ST_LAST,
	ST_NAMED,
	ST__N
};

struct local_db {
	const char *path;
	sqlite3 *sq; /* NULL: not open */
	sqlite3_stmt *stmt[ST__N];
	bool later;   /* the last failure was the world's */
	bool trouble; /* and has been told */
};

/* Nothing is opened yet.  path: borrowed for its life. */
struct local_db *local_db_new(const char *path);
void local_db_free(struct local_db *db);
/*
 * Carries them out as one transaction, or, when that fails, each by itself.
 * Each has its answer then.
 */
void local_db_run(struct local_db *db, struct queue_req *reqs);

/* --- between local_open.c and local_db.c -----------------------------------
 */

int db_open(struct local_db *db, struct err *err);
void db_close(struct local_db *db);
/* Fills err with what the last call failed of; the world's fault.  -1. */
int db_error(struct local_db *db, struct err *err, const char *verb);
int db_exec(struct local_db *db, const char *sql);

#endif
