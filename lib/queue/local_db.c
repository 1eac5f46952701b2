/*
 * local_db - the file of the queue: SQLite, in the backend's thread.
 *
 * Write-ahead log, one fsync a transaction, and what waits together is one
 * transaction.  A file that is no queue or is damaged is moved aside and a new
 * one begun; one of a newer reeve is left alone.  What is run (words,
 * environment) stands in a table of its own, so that a list reads little.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "queue/local_priv.h"

#define DB_VACUUM_FROM 50 /* removed at once */

/* --- rows -------------------------------------------------------------------
 */

static char *
row_text(sqlite3_stmt *st, int i)
{
	const unsigned char *s = sqlite3_column_text(st, i);

	return s != NULL ? xstrdup((const char *)s) : NULL;
}

/* "3 17 18" */
static void
row_after(struct queue_task *t, const char *s)
{
	char *end;

	for (; s != NULL && *s != '\0'; s = end) {
		t->after =
		    xreallocarray(t->after, t->nafter + 1, sizeof *t->after);
		t->after[t->nafter++] = strtoull(s, &end, 10);
	}
}

static void
row_read(sqlite3_stmt *st, struct queue_task *t)
{
	int64_t state = sqlite3_column_int64(st, 2);
	int i = 3, crash;

	t->id = (uint64_t)sqlite3_column_int64(st, 0);
	t->uid = (uid_t)sqlite3_column_int64(st, 1);
	t->state =
	    state >= 0 && state < QS__N ? (enum queue_state)state : QS_FAILED;
	t->key = row_text(st, i++);
	t->group = row_text(st, i++);
	t->command = row_text(st, i++);
	t->reason = row_text(st, i++);
	t->tail = row_text(st, i++);
	t->host = row_text(st, i++);
	row_after(t, (const char *)sqlite3_column_text(st, i++));
	t->priority = sqlite3_column_int(st, i++);
	t->retries = sqlite3_column_int(st, i++);
	t->tries = sqlite3_column_int(st, i++);
	t->cancelled = sqlite3_column_int(st, i++) != 0;
	t->timeout_ms = sqlite3_column_int64(st, i++);
	t->not_before = sqlite3_column_int64(st, i++);
	t->added = sqlite3_column_int64(st, i++);
	t->started = sqlite3_column_int64(st, i++);
	t->ended = sqlite3_column_int64(st, i++);
	t->ran_ms = sqlite3_column_int64(st, i++);
	t->exit_code = sqlite3_column_int(st, i++);
	t->exit_signal = sqlite3_column_int(st, i++);
	t->errnum = sqlite3_column_int(st, i++);
	t->max_rss_kb = sqlite3_column_int64(st, i++);
	t->timed_out = sqlite3_column_int(st, i++) != 0;
	crash = sqlite3_column_int(st, i++);
	t->on_crash =
	    crash >= 0 && crash < QC__N ? (enum queue_crash)crash : QC_ADOPT;
	t->stage = sqlite3_column_int(st, i++);
	t->path = row_text(st, i);
}

static void
bind_text(sqlite3_stmt *st, int i, const char *s)
{
	if (s == NULL)
		sqlite3_bind_null(st, i);
	else
		sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

static void
bind_int(sqlite3_stmt *st, int i, int64_t v)
{
	sqlite3_bind_int64(st, i, v);
}

static int64_t
uid_number(uid_t uid)
{
	return uid == QUEUE_ANY_UID ? -1 : (int64_t)uid;
}

/* A statement without rows. */
static int
db_do(struct local_db *db, enum db_stmt which, struct err *err)
{
	int rc = sqlite3_step(db->stmt[which]);

	if (rc != SQLITE_DONE)
		db_error(db, err, "write to");
	sqlite3_reset(db->stmt[which]);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int
db_rows(struct local_db *db, enum db_stmt which, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[which];
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		row_read(st, queue_req_task(req));
	if (rc != SQLITE_DONE)
		db_error(db, &req->err, "read");
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* 1: it is there, and appended to the answer; 0: it is not. */
static int
db_one(struct local_db *db, struct queue_req *req, uint64_t id, uid_t uid)
{
	size_t before = req->ntasks;

	bind_int(db->stmt[ST_ONE], 1, (int64_t)id);
	bind_int(db->stmt[ST_ONE], 2, uid_number(uid));
	bind_int(db->stmt[ST_ONE], 3, req->named);
	if (db_rows(db, ST_ONE, req) == -1)
		return -1;
	return req->ntasks > before ? 1 : 0;
}

/* All of them, in their order. */
static int
db_each(
    struct local_db *db, struct queue_req *req, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = db_one(db, req, ids[i], req->uid);

		if (rc == -1)
			return -1;
		if (rc == 0) {
			req->no_such_id = true;
			return err_set(&req->err, "there is no task %llu",
			    (unsigned long long)ids[i]);
		}
	}
	return 0;
}

/* --- requests ---------------------------------------------------------------
 */

static int
db_groups(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_GROUPS];
	struct queue_group *g;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		req->groups = xreallocarray(
		    req->groups, req->ngroups + 1, sizeof *req->groups);
		g = &req->groups[req->ngroups++];
		g->uid = (uid_t)sqlite3_column_int64(st, 0);
		g->name = row_text(st, 1);
		g->parallel = sqlite3_column_int(st, 2);
		g->paused = sqlite3_column_int(st, 3) != 0;
	}
	if (rc != SQLITE_DONE)
		db_error(db, &req->err, "read");
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int
db_dues(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_DUES];
	struct queue_due *d;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		req->dues =
		    xreallocarray(req->dues, req->ndues + 1, sizeof *req->dues);
		d = &req->dues[req->ndues++];
		d->name = row_text(st, 0);
		d->spec = row_text(st, 1);
		d->due = sqlite3_column_int64(st, 2);
	}
	if (rc != SQLITE_DONE)
		db_error(db, &req->err, "read");
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* Did one of those that it waits for end otherwise than well? */
static int
db_doom(struct local_db *db, struct queue_req *req, struct queue_task *t)
{
	struct queue_req seen = { .uid = QUEUE_ANY_UID };
	int rc = 0;

	for (size_t i = 0; i < t->nafter && rc != -1 && !t->doomed; i++) {
		rc = db_one(db, &seen, t->after[i], QUEUE_ANY_UID);
		if (rc == 1 && seen.ntasks > 0) {
			struct queue_task *by = &seen.tasks[seen.ntasks - 1];

			t->doomed = queue_state_is_end(by->state) &&
				    by->state != QS_DONE;
			t->doomed_by = by->id;
		}
	}
	if (rc == -1)
		req->err = seen.err;
	for (size_t i = 0; i < seen.ntasks; i++)
		queue_task_fini(&seen.tasks[i]);
	free(seen.tasks);
	return rc == -1 ? -1 : 0;
}

static int
db_load(struct local_db *db, struct queue_req *req)
{
	size_t live;

	bind_int(db->stmt[ST_LIVE], 1, -1);
	bind_int(db->stmt[ST_LIVE], 2, 0);
	if (db_rows(db, ST_LIVE, req) == -1 || db_groups(db, req) == -1)
		return -1;
	for (size_t i = 0; i < req->ntasks; i++)
		if (db_doom(db, req, &req->tasks[i]) == -1)
			return -1;
	live = req->ntasks;
	if (db_rows(db, ST_ACTING, req) == -1 || db_dues(db, req) == -1)
		return -1;
	for (size_t i = live; i < req->ntasks; i++)
		req->tasks[i].acts = true;
	return 0;
}

/* 1: there is one with the key. */
static int
db_known(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_KEY];
	int rc, found = 0;

	if (req->task.key == NULL)
		return 0;
	bind_int(st, 1, (int64_t)req->task.uid);
	bind_text(st, 2, req->task.key);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		req->task.id = (uint64_t)sqlite3_column_int64(st, 0);
		found = 1;
	} else if (rc != SQLITE_DONE) {
		found = db_error(db, &req->err, "read");
	}
	sqlite3_reset(st);
	return found;
}

static int
db_insert(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_ADD];
	struct queue_task *t = &req->task;
	struct buf after;
	int rc;

	buf_init(&after);
	for (size_t i = 0; i < t->nafter; i++)
		buf_addf(&after, "%s%llu", i > 0 ? " " : "",
		    (unsigned long long)t->after[i]);
	bind_int(st, 1, (int64_t)t->uid);
	bind_text(st, 2, t->key);
	bind_text(st, 3, t->group);
	bind_text(st, 4, t->command);
	bind_text(st, 5, t->nafter > 0 ? buf_str(&after) : NULL);
	bind_int(st, 6, t->priority);
	bind_int(st, 7, t->retries);
	bind_int(st, 8, t->timeout_ms);
	bind_int(st, 9, t->not_before);
	bind_int(st, 10, t->added);
	bind_int(st, 11, t->on_crash);
	rc = db_do(db, ST_ADD, &req->err);
	buf_fini(&after);
	if (rc == -1)
		return -1;
	t->id = (uint64_t)sqlite3_last_insert_rowid(db->sq);
	st = db->stmt[ST_ADD_SPEC];
	bind_int(st, 1, (int64_t)t->id);
	sqlite3_bind_blob64(st, 2, t->spec, t->spec_len, SQLITE_STATIC);
	return db_do(db, ST_ADD_SPEC, &req->err);
}

static int
db_add(struct local_db *db, struct queue_req *req)
{
	int rc = db_known(db, req);

	req->known = rc == 1;
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if (db_each(db, req, req->task.after, req->task.nafter) == -1)
		return -1;
	return db_insert(db, req);
}

static int
db_spec(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_SPEC];
	struct queue_task *t = &req->task;
	size_t n;
	int rc;

	bind_int(st, 1, (int64_t)t->id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		n = (size_t)sqlite3_column_bytes(st, 0);
		freep(&t->spec);
		t->spec = xmalloc(n + 1);
		memcpy(t->spec, sqlite3_column_blob(st, 0), n);
		t->spec_len = n;
	} else if (rc == SQLITE_DONE) {
		err_set(&req->err, "what it is to run is not in the queue");
	} else {
		db_error(db, &req->err, "read");
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int
db_start(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_START];
	struct queue_task *t = &req->task;

	bind_int(st, 1, (int64_t)t->id);
	bind_int(st, 2, t->tries);
	bind_int(st, 3, t->started);
	bind_text(st, 4, t->host);
	if (db_do(db, ST_START, &req->err) == -1)
		return -1;
	return db_spec(db, req);
}

static int
db_end(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_END];
	struct queue_task *t = &req->task;

	bind_int(st, 1, (int64_t)t->id);
	bind_int(st, 2, t->state);
	bind_text(st, 3, t->reason);
	bind_text(st, 4, t->tail);
	bind_int(st, 5, t->ended);
	bind_int(st, 6, t->ran_ms);
	bind_int(st, 7, t->exit_code);
	bind_int(st, 8, t->exit_signal);
	bind_int(st, 9, t->errnum);
	bind_int(st, 10, t->max_rss_kb);
	bind_int(st, 11, t->not_before);
	bind_int(st, 12, t->tries);
	bind_int(st, 13, t->timed_out);
	bind_int(st, 14, t->stage);
	bind_text(st, 15, t->path);
	if (db_do(db, ST_END, &req->err) == -1)
		return -1;
	if (!queue_state_is_end(t->state))
		return 0;
	bind_int(db->stmt[ST_DROP_SPEC], 1, (int64_t)t->id);
	bind_int(db->stmt[ST_LAST], 1, (int64_t)t->id);
	bind_int(db->stmt[ST_ACT], 1, (int64_t)t->id);
	if (db_do(db, ST_DROP_SPEC, &req->err) == -1 ||
	    db_do(db, ST_LAST, &req->err) == -1)
		return -1;
	return t->acts ? db_do(db, ST_ACT, &req->err) : 0;
}

static int
db_due(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_DUE];

	bind_text(st, 1, req->due.name);
	bind_text(st, 2, req->due.spec);
	bind_int(st, 3, req->due.due);
	return db_do(db, ST_DUE, &req->err);
}

static int
db_remove(struct local_db *db, struct queue_req *req)
{
	if (db_each(db, req, req->ids, req->nids) == -1)
		return -1;
	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *t = &req->tasks[i];

		if (!queue_state_is_end(t->state))
			return err_set(&req->err,
			    "task %llu is %s: cancel it first",
			    (unsigned long long)t->id,
			    queue_state_name(t->state));
	}
	for (size_t i = 0; i < req->ntasks; i++) {
		bind_int(db->stmt[ST_REMOVE], 1, (int64_t)req->tasks[i].id);
		if (db_do(db, ST_REMOVE, &req->err) == -1)
			return -1;
	}
	/* What they had goes back to the file system, a few pages at a time. */
	if (req->nids >= DB_VACUUM_FROM &&
	    db_exec(db, "PRAGMA incremental_vacuum(256)") == -1)
		return db_error(db, &req->err, "write to");
	return 0;
}

static int
db_old_ids(
    struct local_db *db, struct queue_req *req, wall_ms before, int64_t most)
{
	sqlite3_stmt *st = db->stmt[ST_OLD];
	int rc;

	bind_int(st, 1, req->only_done);
	bind_int(st, 2, before);
	bind_int(st, 3, uid_number(req->uid));
	bind_int(st, 4, req->spare_last);
	bind_int(st, 5, most < QUEUE_OLD_MAX ? most : QUEUE_OLD_MAX);
	req->ids = xreallocarray(req->ids, QUEUE_OLD_MAX, sizeof *req->ids);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		req->ids[req->nids++] = (uint64_t)sqlite3_column_int64(st, 0);
	if (rc != SQLITE_DONE)
		db_error(db, &req->err, "read");
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* Those that are too old, else those that are too many. */
static int
db_old(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[ST_ENDED];
	int64_t n = 0;
	int rc = sqlite3_step(st);

	req->nids = 0;
	if (rc == SQLITE_ROW) {
		n = sqlite3_column_int64(st, 0);
		req->oldest = sqlite3_column_int64(st, 1);
	} else {
		db_error(db, &req->err, "read");
	}
	sqlite3_reset(st);
	if (rc != SQLITE_ROW)
		return -1;
	if (req->before != 0 &&
	    db_old_ids(db, req, req->before, QUEUE_OLD_MAX) == -1)
		return -1;
	if (req->nids == 0 && req->keep != -1 && n > req->keep)
		return db_old_ids(db, req, INT64_MAX, n - req->keep);
	return 0;
}

static int
db_group(struct local_db *db, struct queue_req *req)
{
	const struct queue_group *g = &req->group;
	enum db_stmt which = g->parallel >= 0 ? ST_PARALLEL : ST_PAUSE;
	sqlite3_stmt *st = db->stmt[which];

	bind_int(st, 1, (int64_t)g->uid);
	bind_text(st, 2, g->name);
	bind_int(st, 3, g->parallel >= 0 ? g->parallel : g->paused);
	return db_do(db, which, &req->err);
}

static int
db_request(struct local_db *db, struct queue_req *req)
{
	sqlite3_stmt *st = db->stmt[req->all ? ST_ALL : ST_LIVE];

	switch (req->kind) {
	case QR_LOAD:
		return db_load(db, req);
	case QR_ADD:
		return db_add(db, req);
	case QR_START:
		return db_start(db, req);
	case QR_SPEC:
		return db_spec(db, req);
	case QR_END:
		return db_end(db, req);
	case QR_ACTED:
		bind_int(db->stmt[ST_ACTED], 1, (int64_t)req->task.id);
		return db_do(db, ST_ACTED, &req->err);
	case QR_DUE:
		return db_due(db, req);
	case QR_NAMED:
		return db_rows(db, ST_NAMED, req);
	case QR_CANCEL:
		bind_int(db->stmt[ST_CANCEL], 1, (int64_t)req->task.id);
		return db_do(db, ST_CANCEL, &req->err);
	case QR_LIST:
		bind_int(st, 1, uid_number(req->uid));
		bind_int(st, 2, req->named);
		if (db_rows(db, req->all ? ST_ALL : ST_LIVE, req) == -1)
			return -1;
		return db_groups(db, req);
	case QR_GET:
		return db_each(db, req, req->ids, req->nids);
	case QR_REMOVE:
		return db_remove(db, req);
	case QR_GROUP:
		return db_group(db, req);
	case QR_OLD:
		return db_old(db, req);
	}
	return -1;
}

/* --- transactions -----------------------------------------------------------
 */

/* From the first to before end, at once; -1: nothing of it was done. */
static int
db_transaction(struct local_db *db, struct queue_req *from,
    const struct queue_req *end, struct err *err)
{
	int rc = 0, why;

	db->later = false;
	if (db_open(db, err) == -1)
		return -1;
	if (db_exec(db, "BEGIN IMMEDIATE") == -1)
		rc = db_error(db, err, "write to");
	for (struct queue_req *r = from; r != end && rc == 0; r = r->next) {
		queue_req_reset(r);
		r->rc = db_request(db, r);
		if (db->later) {
			*err = r->err;
			rc = -1;
		}
	}
	if (rc == 0 && db_exec(db, "COMMIT") == -1)
		rc = db_error(db, err, "write to");
	if (rc == 0)
		return 0;
	why = sqlite3_errcode(db->sq) & 0xff;
	db_exec(db, "ROLLBACK");
	/* A full disk leaves it as it was; after all else it is read anew. */
	if (why != SQLITE_FULL)
		db_close(db);
	return -1;
}

static void
db_tell(struct local_db *db, const struct err *err)
{
	if (err != NULL && !db->trouble)
		log_errorx("%s; it is tried again", err->text);
	else if (err == NULL && db->trouble)
		log_warnx("the queue %s works again", db->path);
	db->trouble = err != NULL;
}

static void
db_refuse(struct queue_req *r, const struct err *err)
{
	queue_req_reset(r);
	r->rc = -1;
	r->world = true;
	r->err = *err;
}

void
local_db_run(struct local_db *db, struct queue_req *reqs)
{
	struct err err = { .text = "" }, first = { .text = "" };
	bool closed = db_open(db, &first) == -1;

	if (!closed && db_transaction(db, reqs, NULL, &err) == 0) {
		db_tell(db, NULL);
		return;
	}
	for (struct queue_req *r = reqs; r != NULL; r = r->next) {
		if (!closed && db_transaction(db, r, r->next, &err) == 0)
			continue;
		if (first.text[0] == '\0')
			first = err;
		db_refuse(r, closed ? &first : &err);
	}
	db_tell(db, first.text[0] != '\0' ? &first : NULL);
}
