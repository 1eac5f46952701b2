/*
 * local_open - the file of the queue is opened, made, or moved aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "queue/local_priv.h"

#define DB_APPLICATION 0x72656576 /* "reev" */
#define DB_VERSION     1
#define DB_WAIT_MS     2000 /* for an engine before us to be gone */

/* In the order of row_read. */
#define COLUMNS                                                                \
	"id, uid, state, key, grp, command, reason, tail, host, after, "       \
	"priority, retries, tries, cancelled, timeout_ms, not_before, added, " \
	"started, ended, ran_ms, exit_code, exit_signal, errnum, max_rss_kb, " \
	"timed_out, on_crash, stage, path "

/* Of a named task: not its uid's alone. */
#define NAMED "instr(key, '/') > 0"

static const char db_schema[] =
    "CREATE TABLE task (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " uid INTEGER NOT NULL, state INTEGER NOT NULL, key TEXT,"
    " grp TEXT NOT NULL, command TEXT, reason TEXT, tail TEXT, host TEXT,"
    " after TEXT, priority INTEGER NOT NULL, retries INTEGER NOT NULL,"
    " tries INTEGER NOT NULL, cancelled INTEGER NOT NULL,"
    " timeout_ms INTEGER NOT NULL, not_before INTEGER NOT NULL,"
    " added INTEGER NOT NULL, started INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, ran_ms INTEGER NOT NULL,"
    " exit_code INTEGER NOT NULL, exit_signal INTEGER NOT NULL,"
    " errnum INTEGER NOT NULL, max_rss_kb INTEGER NOT NULL,"
    " timed_out INTEGER NOT NULL DEFAULT 0,"
    " on_crash INTEGER NOT NULL DEFAULT 0,"
    " stage INTEGER NOT NULL DEFAULT 0, path TEXT);"
    "CREATE UNIQUE INDEX task_key ON task (uid, key) WHERE key IS NOT NULL;"
    "CREATE INDEX task_live ON task (id) WHERE state < 2;"
    "CREATE TABLE spec (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE grp (uid INTEGER, name TEXT, parallel INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, PRIMARY KEY (uid, name)) WITHOUT ROWID;"
    "PRAGMA application_id = 1919247734;"
    "PRAGMA user_version = 1;";

/* Came later; a reeve that does not know them does without. */
static const char db_named[] =
    "CREATE TABLE IF NOT EXISTS named (name TEXT PRIMARY KEY, spec TEXT,"
    " due INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS act (id INTEGER PRIMARY KEY);";

_Static_assert(DB_APPLICATION == 1919247734, "as in the schema");
_Static_assert(DB_VERSION == 1, "as in the schema");
_Static_assert(QS_RUNNING < 2 && QS_DONE == 2, "state < 2 in the statements");

static const char *const db_text[ST__N] = {
	[ST_LIVE] = "SELECT " COLUMNS "FROM task WHERE state < 2 AND"
		    " (uid = ?1 OR ?1 = -1 OR (?2 AND " NAMED ")) ORDER BY id",
	[ST_ALL] = "SELECT " COLUMNS "FROM task WHERE"
		   " (uid = ?1 OR ?1 = -1 OR (?2 AND " NAMED ")) ORDER BY id",
	[ST_ONE] = "SELECT " COLUMNS "FROM task WHERE id = ?1 AND"
		   " (uid = ?2 OR ?2 = -1 OR (?3 AND " NAMED "))",
	[ST_KEY] = "SELECT id FROM task WHERE uid = ?1 AND key = ?2",
	[ST_ADD] = "INSERT INTO task (uid, state, key, grp, command, after,"
		   " priority, retries, tries, cancelled, timeout_ms,"
		   " not_before, added, started, ended, ran_ms, exit_code,"
		   " exit_signal, errnum, max_rss_kb, on_crash) VALUES (?1, 0,"
		   " ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, ?9, ?10, 0, 0, -1, -1,"
		   " 0, 0, -1, ?11)",
	[ST_ADD_SPEC] = "INSERT INTO spec VALUES (?1, ?2)",
	[ST_START] = "UPDATE task SET state = 1, tries = ?2, started = ?3,"
		     " host = ?4, reason = NULL, errnum = 0, stage = 0,"
		     " path = NULL WHERE id = ?1 AND state < 2",
	[ST_SPEC] = "SELECT data FROM spec WHERE id = ?1",
	[ST_END] = "UPDATE task SET state = ?2, reason = ?3, tail = ?4,"
		   " ended = ?5, ran_ms = ?6, exit_code = ?7,"
		   " exit_signal = ?8, errnum = ?9, max_rss_kb = ?10,"
		   " not_before = ?11, tries = ?12, timed_out = ?13,"
		   " stage = ?14, path = ?15, host = NULL"
		   " WHERE id = ?1 AND state < 2",
	[ST_DROP_SPEC] = "DELETE FROM spec WHERE id = ?1",
	[ST_CANCEL] = "UPDATE task SET cancelled = 1 WHERE id = ?1",
	[ST_REMOVE] = "DELETE FROM task WHERE id = ?1",
	[ST_OLD] = "SELECT id FROM task WHERE state > 1 AND"
		   " (?1 = 0 OR state = 2) AND ended <= ?2 AND"
		   " (uid = ?3 OR ?3 = -1) AND (?4 = 0 OR"
		   " id NOT IN (SELECT id FROM act UNION ALL"
		   " SELECT last FROM named WHERE last IS NOT NULL))"
		   " ORDER BY id LIMIT ?5",
	[ST_ENDED] = "SELECT count(*), min(ended) FROM task WHERE state > 1",
	[ST_GROUPS] = "SELECT uid, name, parallel, paused FROM grp",
	[ST_PARALLEL] = "INSERT INTO grp VALUES (?1, ?2, ?3, 0) ON CONFLICT"
			" DO UPDATE SET parallel = ?3",
	[ST_ACTING] = "SELECT " COLUMNS "FROM task WHERE state > 1 AND id IN"
		      " (SELECT id FROM act) ORDER BY id",
	[ST_ACT] = "INSERT OR IGNORE INTO act VALUES (?1)",
	[ST_ACTED] = "DELETE FROM act WHERE id = ?1",
	[ST_DUES] = "SELECT name, spec, due FROM named WHERE due <> 0",
	[ST_DUE] = "INSERT INTO named (name, spec, due) VALUES (?1, ?2, ?3)"
		   " ON CONFLICT DO UPDATE SET spec = ?2, due = ?3",
	[ST_LAST] = "INSERT INTO named (name, last) SELECT substr(key,"
		    " instr(key, '/') + 1), id FROM task WHERE id = ?1 AND"
		    " " NAMED " ON CONFLICT DO UPDATE SET last = ?1",
	[ST_NAMED] = "SELECT " COLUMNS "FROM task WHERE id IN"
		     " (SELECT last FROM named) ORDER BY id",
	[ST_PAUSE] = "INSERT INTO grp VALUES (?1, ?2, 0, ?3) ON CONFLICT"
		     " DO UPDATE SET paused = ?3",
};

struct local_db *
local_db_new(const char *path)
{
	struct local_db *db = xcalloc(1, sizeof *db);

	db->path = path;
	return db;
}

void
db_close(struct local_db *db)
{
	for (size_t i = 0; i < ST__N; i++) {
		sqlite3_finalize(db->stmt[i]);
		db->stmt[i] = NULL;
	}
	sqlite3_close(db->sq);
	db->sq = NULL;
}

void
local_db_free(struct local_db *db)
{
	db_close(db);
	free(db);
}

int
db_error(struct local_db *db, struct err *err, const char *verb)
{
	int rc = sqlite3_extended_errcode(db->sq);
	int sys = 0;

	db->later = true;
	rc &= 0xff;
	if (rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN || rc == SQLITE_FULL)
		sys = sqlite3_system_errno(db->sq);
	if (rc == SQLITE_BUSY)
		return err_set(err,
		    "%s the queue %s: another reeved has it open; give this "
		    "one another state_dir= in [reeve]",
		    verb, db->path);
	return err_set(err, "%s the queue %s: %s%s%s", verb, db->path,
	    sqlite3_errmsg(db->sq), sys != 0 ? ": " : "",
	    sys != 0 ? strerror(sys) : "");
}

static bool
db_is_rubbish(const struct local_db *db)
{
	int rc = sqlite3_errcode(db->sq) & 0xff;

	return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT;
}

int
db_exec(struct local_db *db, const char *sql)
{
	return sqlite3_exec(db->sq, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
									: -1;
}

/* The number that a pragma or a count gives; -1: failed. */
static int
db_number(struct local_db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = -1;

	if (sqlite3_prepare_v2(db->sq, sql, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW) {
		*out = sqlite3_column_int64(st, 0);
		rc = 0;
	}
	sqlite3_finalize(st);
	return rc;
}

/* Ours alone to read, with what it is named in the folder made durable. */
static int
db_create_file(struct local_db *db, struct err *err)
{
	char *dir = xstrdup(db->path), *slash = strrchr(dir, '/');
	int fd;

	fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) {
		free(dir);
		db->later = true;
		return err_sys(err, "open the queue %s", db->path);
	}
	fd_closep(&fd);
	if (slash != NULL)
		*slash = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1)
		fsync(fd);
	fd_closep(&fd);
	free(dir);
	return 0;
}

static void
db_aside(struct local_db *db, const char *why)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char *to = xasprintf(
	    "%s.bad-%lld", db->path, (long long)clock_wall_ms() / 1000);

	db_close(db);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		char *a = xasprintf("%s%s", db->path, ends[i]);
		char *b = xasprintf("%s%s", to, ends[i]);

		if (rename(a, b) == -1 && errno != ENOENT)
			log_error("move %s to %s", a, b);
		free(a);
		free(b);
	}
	log_errorx("the queue %s %s: it is now %s, and a new, empty queue is "
		   "begun; its tasks are not run",
	    db->path, why, to);
	free(to);
}

/* 0; 1: it is no queue, and was moved aside; -1. */
static int
db_schema_check(struct local_db *db, struct err *err)
{
	int64_t app, version, tables;

	if (db_number(db, "PRAGMA application_id", &app) == -1 ||
	    db_number(db, "PRAGMA user_version", &version) == -1 ||
	    db_number(db, "SELECT count(*) FROM sqlite_master", &tables) == -1)
		return -1;
	if (app == DB_APPLICATION && version > DB_VERSION) {
		db->later = true;
		return err_set(err,
		    "the queue %s is of a newer reeve (version %lld, this one "
		    "knows %d)",
		    db->path, (long long)version, DB_VERSION);
	}
	if (app == DB_APPLICATION && version == DB_VERSION)
		return 0;
	if (app != 0 || version != 0 || tables != 0) {
		db_aside(db, "is a database of something else");
		return 1;
	}
	if (db_exec(db, "BEGIN IMMEDIATE") == 0 &&
	    db_exec(db, db_schema) == 0 && db_exec(db, "COMMIT") == 0)
		return 0;
	return -1;
}

static int
db_prepare(struct local_db *db)
{
	for (size_t i = 0; i < ST__N; i++)
		if (sqlite3_prepare_v3(db->sq, db_text[i], -1,
			SQLITE_PREPARE_PERSISTENT, &db->stmt[i],
			NULL) != SQLITE_OK)
			return -1;
	return 0;
}

/* What must be said before the first write of a new file, and is a write (of a
 * disk that may be full) of any other. */
static int
db_before_new(struct local_db *db)
{
	int64_t pages;

	if (db_number(db, "PRAGMA page_count", &pages) == -1)
		return -1;
	return pages != 0 ? 0 : db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL");
}

static int
db_add_column(struct local_db *db, const char *name, const char *type)
{
	char sql[128];
	int64_t n;

	snprintf(sql, sizeof sql,
	    "SELECT count(*) FROM pragma_table_info('task') WHERE name = '%s'",
	    name);
	if (db_number(db, sql, &n) == -1)
		return -1;
	snprintf(
	    sql, sizeof sql, "ALTER TABLE task ADD COLUMN %s %s", name, type);
	return n > 0 ? 0 : db_exec(db, sql);
}

/* Those that came later, as well. */
static int
db_add_columns(struct local_db *db)
{
	static const struct {
		const char *name, *type;
	} later[] = {
		{ "on_crash", "INTEGER NOT NULL DEFAULT 0" },
		{ "stage", "INTEGER NOT NULL DEFAULT 0" },
		{ "path", "TEXT" },
	};

	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (db_add_column(db, later[i].name, later[i].type) == -1)
			return -1;
	return 0;
}

static int
db_try_open(struct local_db *db, struct err *err)
{
	int64_t ok = 0;
	int rc;

	err_set(err, "%s", "");
	if (db_create_file(db, err) == -1)
		return -1;
	rc = sqlite3_open_v2(db->path, &db->sq,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (db->sq == NULL)
		return err_set(err, "open the queue: out of memory");
	sqlite3_busy_timeout(db->sq, DB_WAIT_MS);
	if (rc != SQLITE_OK ||
	    db_exec(db, "PRAGMA locking_mode = EXCLUSIVE") == -1 ||
	    db_before_new(db) == -1 ||
	    db_exec(db, "PRAGMA journal_mode = WAL") == -1 ||
	    db_exec(db, "PRAGMA synchronous = FULL") == -1)
		return -1;
	rc = db_schema_check(db, err);
	if (rc != 0)
		return rc;
	if (db_exec(db, db_named) == -1 || db_add_columns(db) == -1 ||
	    db_prepare(db) == -1 ||
	    db_number(db, "SELECT count(*) FROM grp", &ok) == -1)
		return -1;
	return 0;
}

int
db_open(struct local_db *db, struct err *err)
{
	for (int tries = 0; db->sq == NULL && tries < 3; tries++) {
		int rc = db_try_open(db, err);

		if (rc == 0)
			return 0;
		if (rc == 1)
			continue;
		if (db->sq != NULL && db_is_rubbish(db)) {
			db_aside(db, "is damaged or no database");
			continue;
		}
		if (err->text[0] == '\0')
			db_error(db, err, "open");
		db_close(db);
		return -1;
	}
	return db->sq != NULL ? 0 : -1;
}
