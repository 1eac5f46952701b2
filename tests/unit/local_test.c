/* local_test - the file of the queue: requests, durability, bad files. */
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "queue/local_priv.h"

static char dir[64], path[128];
static struct local_db *db;

static void
setup(void)
{
	snprintf(dir, sizeof dir, "/tmp/reeve-local.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/queue.db", dir);
	log_init("test", LOG__N);
	db = local_db_new(path);
}

static void
teardown(void)
{
	char pattern[160];
	glob_t g;

	local_db_free(db);
	snprintf(pattern, sizeof pattern, "%s/*", dir);
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	rmdir(dir);
}

/* Another process's view: what was not durable is gone. */
static void
reopen(void)
{
	local_db_free(db);
	db = local_db_new(path);
}

static struct queue_req *
request(enum queue_kind kind)
{
	return queue_req_new(kind, NULL, NULL);
}

static struct queue_req *
add(const char *key, uid_t uid)
{
	struct queue_req *r = request(QR_ADD);

	r->task.uid = uid;
	r->task.key = xstrdup(key);
	r->task.group = xstrdup("default");
	r->task.command = xasprintf("echo %s", key);
	r->task.spec = xstrdup("spec");
	r->task.spec_len = 5;
	r->task.added = 1000;
	return r;
}

static void
run(struct queue_req *r)
{
	r->next = NULL;
	local_db_run(db, r);
}

static uint64_t
added(const char *key)
{
	struct queue_req *r = add(key, 7);
	uint64_t id;

	run(r);
	ck_assert_int_eq(r->rc, 0);
	id = r->task.id;
	queue_req_free(r);
	return id;
}

static void
start(uint64_t id, int32_t tries)
{
	struct queue_req *r = request(QR_START);

	r->task.id = id;
	r->task.tries = tries;
	r->task.started = 2000;
	r->task.host = xstrdup("host");
	run(r);
	ck_assert_int_eq(r->rc, 0);
	ck_assert_uint_eq(r->task.spec_len, 5);
	ck_assert_str_eq(r->task.spec, "spec");
	queue_req_free(r);
}

static void
end(uint64_t id, enum queue_state state)
{
	struct queue_req *r = request(QR_END);

	r->task.id = id;
	r->task.state = state;
	r->task.exit_code = 3;
	r->task.tries = 1;
	r->task.reason = xstrdup("exited with 3");
	run(r);
	ck_assert_int_eq(r->rc, 0);
	queue_req_free(r);
}

static struct queue_req *
load(void)
{
	struct queue_req *r = request(QR_LOAD);

	run(r);
	ck_assert_int_eq(r->rc, 0);
	return r;
}

START_TEST(an_add_is_kept_and_done_once)
{
	struct queue_req *r = add("a", 7), *again = add("a", 7),
			 *other = add("a", 8);

	r->task.after = xcalloc(1, sizeof *r->task.after);
	r->task.priority = -4;
	r->task.on_crash = QC_FAIL;
	run(r);
	reopen();
	run(again);
	run(other);
	ck_assert_uint_eq(r->task.id, 1);
	ck_assert_uint_eq(again->task.id, 1);
	ck_assert(again->known && !r->known);
	ck_assert_uint_eq(other->task.id, 2);
	queue_req_free(r);
	queue_req_free(again);
	queue_req_free(other);
	r = load();
	ck_assert_uint_eq(r->ntasks, 2);
	ck_assert_int_eq(r->tasks[0].priority, -4);
	ck_assert_int_eq(r->tasks[0].on_crash, QC_FAIL);
	ck_assert_int_eq(r->tasks[1].on_crash, QC_ADOPT);
	ck_assert_str_eq(r->tasks[1].command, "echo a");
	queue_req_free(r);
}
END_TEST

START_TEST(a_life_over_openings)
{
	struct queue_req *r;

	added("a");
	start(1, 1);
	reopen();
	r = load();
	ck_assert_int_eq(r->tasks[0].state, QS_RUNNING);
	ck_assert_str_eq(r->tasks[0].host, "host");
	ck_assert_int_eq(r->tasks[0].tries, 1);
	queue_req_free(r);
	end(1, QS_QUEUED);
	start(1, 2);
	end(1, QS_FAILED);
	reopen();
	r = load();
	ck_assert_uint_eq(r->ntasks, 0);
	queue_req_free(r);
	r = request(QR_LIST);
	r->all = true;
	run(r);
	ck_assert_uint_eq(r->ntasks, 1);
	ck_assert_int_eq(r->tasks[0].state, QS_FAILED);
	ck_assert_int_eq(r->tasks[0].exit_code, 3);
	ck_assert_str_eq(r->tasks[0].reason, "exited with 3");
	queue_req_free(r);
}
END_TEST

START_TEST(others_are_not_seen)
{
	struct queue_req *r = request(QR_GET);

	added("a");
	r->ids = xcalloc(1, sizeof *r->ids);
	r->ids[0] = 1;
	r->nids = 1;
	r->uid = 8;
	run(r);
	ck_assert_int_eq(r->rc, -1);
	ck_assert(r->no_such_id);
	queue_req_free(r);
	r = request(QR_LIST);
	r->uid = 8;
	run(r);
	ck_assert_uint_eq(r->ntasks, 0);
	queue_req_free(r);
}
END_TEST

START_TEST(after)
{
	struct queue_req *r = add("b", 7);

	added("a");
	r->task.after = xcalloc(2, sizeof *r->task.after);
	r->task.after[0] = 1;
	r->task.nafter = 1;
	run(r);
	ck_assert_int_eq(r->rc, 0);
	ck_assert_uint_eq(r->ntasks, 1);
	ck_assert_int_eq(r->tasks[0].state, QS_QUEUED);
	queue_req_free(r);
	/* One that is not there: refused, and nothing is kept. */
	r = add("c", 7);
	r->task.after = xcalloc(2, sizeof *r->task.after);
	r->task.after[0] = 1;
	r->task.after[1] = 99;
	r->task.nafter = 2;
	run(r);
	ck_assert_int_eq(r->rc, -1);
	ck_assert(r->no_such_id && !r->world);
	queue_req_free(r);
	end(1, QS_FAILED);
	reopen();
	r = load();
	ck_assert_uint_eq(r->ntasks, 1);
	ck_assert_uint_eq(r->tasks[0].after[0], 1);
	ck_assert(r->tasks[0].doomed);
	ck_assert_uint_eq(r->tasks[0].doomed_by, 1);
	queue_req_free(r);
}
END_TEST

START_TEST(removed_ids_are_not_used_again)
{
	struct queue_req *r;

	added("a");
	for (int i = 0; i < 2; i++) {
		r = request(QR_REMOVE);
		r->ids = xcalloc(1, sizeof *r->ids);
		r->ids[0] = 1;
		r->nids = 1;
		run(r);
		ck_assert_int_eq(r->rc, i == 0 ? -1 : 0);
		queue_req_free(r);
		if (i == 0)
			end(1, QS_CANCELLED);
	}
	ck_assert_uint_eq(added("b"), 2);
}
END_TEST

START_TEST(groups)
{
	struct queue_req *r = request(QR_GROUP);

	r->group = (struct queue_group){ 7, xstrdup("g"), 3, false };
	run(r);
	queue_req_free(r);
	r = request(QR_GROUP);
	r->group = (struct queue_group){ 7, xstrdup("g"), -1, true };
	run(r);
	queue_req_free(r);
	reopen();
	r = load();
	ck_assert_uint_eq(r->ngroups, 1);
	ck_assert_int_eq(r->groups[0].parallel, 3);
	ck_assert(r->groups[0].paused);
	queue_req_free(r);
}
END_TEST

/* One bad request among many spoils no other. */
START_TEST(a_batch)
{
	struct queue_req *r[3] = { add("a", 7), add("b", 7), add("c", 7) };

	r[1]->task.after = xcalloc(1, sizeof(uint64_t));
	r[1]->task.after[0] = 99;
	r[1]->task.nafter = 1;
	r[0]->next = r[1];
	r[1]->next = r[2];
	local_db_run(db, r[0]);
	ck_assert_int_eq(r[0]->rc, 0);
	ck_assert_int_eq(r[1]->rc, -1);
	ck_assert_int_eq(r[2]->rc, 0);
	ck_assert_uint_eq(r[2]->task.id, 2);
	for (int i = 0; i < 3; i++)
		queue_req_free(r[i]);
}
END_TEST

static void
put_file(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	fclose(f);
}

static size_t
aside(void)
{
	char pattern[160];
	size_t n = 0;
	glob_t g;

	snprintf(pattern, sizeof pattern, "%s/queue.db.bad-*", dir);
	if (glob(pattern, 0, NULL, &g) == 0) {
		n = g.gl_pathc;
		globfree(&g);
	}
	return n;
}

START_TEST(rubbish_is_moved_aside)
{
	char rubbish[8192];

	memset(rubbish, 'x', sizeof rubbish);
	put_file(rubbish, sizeof rubbish);
	ck_assert_uint_eq(added("a"), 1);
	ck_assert_uint_eq(aside(), 1);
}
END_TEST

START_TEST(a_damaged_queue_is_moved_aside)
{
	char hole[3000];
	int fd;

	added("a");
	local_db_free(db);
	memset(hole, 0x55, sizeof hole);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, hole, sizeof hole, 150), sizeof hole);
	close(fd);
	db = local_db_new(path);
	ck_assert_uint_eq(added("b"), 1);
	ck_assert_uint_eq(aside(), 1);
}
END_TEST

static void
foreign(const char *sql)
{
	sqlite3 *sq;

	ck_assert_int_eq(sqlite3_open(path, &sq), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(sq, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sq);
}

START_TEST(a_foreign_database_is_moved_aside)
{
	foreign("CREATE TABLE other (a)");
	ck_assert_uint_eq(added("a"), 1);
	ck_assert_uint_eq(aside(), 1);
}
END_TEST

START_TEST(a_newer_one_is_left_alone)
{
	struct queue_req *r = add("b", 7);

	added("a");
	local_db_free(db);
	foreign("PRAGMA user_version = 9");
	db = local_db_new(path);
	run(r);
	ck_assert_int_eq(r->rc, -1);
	ck_assert(r->world);
	ck_assert_ptr_nonnull(strstr(r->err.text, "of a newer reeve"));
	ck_assert_uint_eq(aside(), 0);
	queue_req_free(r);
}
END_TEST

/* One from before a task said what its loss means. */
START_TEST(an_older_one_gets_what_it_lacks)
{
	struct queue_req *r;

	added("a");
	local_db_free(db);
	foreign("ALTER TABLE task DROP COLUMN on_crash;"
		"ALTER TABLE task DROP COLUMN stage;"
		"ALTER TABLE task DROP COLUMN path");
	db = local_db_new(path);
	ck_assert_uint_eq(added("b"), 2);
	r = load();
	ck_assert_uint_eq(r->ntasks, 2);
	ck_assert_int_eq(r->tasks[0].on_crash, QC_ADOPT);
	ck_assert_int_eq(r->tasks[0].stage, 0);
	ck_assert_ptr_null(r->tasks[0].path);
	queue_req_free(r);
	ck_assert_uint_eq(aside(), 0);
}
END_TEST

static struct queue_req *
get(uint64_t id)
{
	struct queue_req *r = request(QR_GET);

	r->ids = xcalloc(1, sizeof *r->ids);
	r->ids[0] = id;
	r->nids = 1;
	run(r);
	ck_assert_int_eq(r->rc, 0);
	ck_assert_uint_eq(r->ntasks, 1);
	return r;
}

/* Why it was not started, until it is. */
START_TEST(a_failed_start_is_kept)
{
	struct queue_req *r = request(QR_END);
	uint64_t id = added("a");

	start(id, 1);
	r->task.id = id;
	r->task.state = QS_QUEUED;
	r->task.errnum = 2;
	r->task.stage = 14;
	r->task.path = xstrdup("/nowhere");
	r->task.tries = 1;
	run(r);
	queue_req_free(r);
	reopen();
	r = get(id);
	ck_assert_int_eq(r->tasks[0].errnum, 2);
	ck_assert_int_eq(r->tasks[0].stage, 14);
	ck_assert_str_eq(r->tasks[0].path, "/nowhere");
	queue_req_free(r);
	start(id, 2);
	r = get(id);
	ck_assert_int_eq(r->tasks[0].errnum, 0);
	ck_assert_int_eq(r->tasks[0].stage, 0);
	ck_assert_ptr_null(r->tasks[0].path);
	queue_req_free(r);
}
END_TEST

START_TEST(what_it_runs_is_there_until_it_has_ended)
{
	struct queue_req *r = request(QR_SPEC);
	uint64_t id = added("a");

	start(id, 1);
	r->task.id = id;
	run(r);
	ck_assert_int_eq(r->rc, 0);
	ck_assert_str_eq(r->task.spec, "spec");
	queue_req_free(r);
	end(id, QS_FAILED);
	r = request(QR_SPEC);
	r->task.id = id;
	run(r);
	ck_assert_int_eq(r->rc, -1);
	ck_assert_ptr_null(r->task.spec);
	queue_req_free(r);
}
END_TEST

START_TEST(the_file_is_its_owners)
{
	struct stat st;

	added("a");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

/* No room: refused with the reason; with room again it works. */
START_TEST(a_folder_that_is_not_there)
{
	struct queue_req *r = add("a", 7);
	char moved[160];

	snprintf(moved, sizeof moved, "%s.moved", dir);
	ck_assert_int_eq(rename(dir, moved), 0);
	run(r);
	ck_assert_int_eq(r->rc, -1);
	ck_assert(r->world);
	ck_assert_ptr_nonnull(strstr(r->err.text, "No such file"));
	queue_req_free(r);
	ck_assert_int_eq(rename(moved, dir), 0);
	ck_assert_uint_eq(added("a"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("local");
	TCase *tc = tcase_create("local");
	SRunner *sr;
	int bad;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_add_is_kept_and_done_once);
	tcase_add_test(tc, a_life_over_openings);
	tcase_add_test(tc, others_are_not_seen);
	tcase_add_test(tc, after);
	tcase_add_test(tc, removed_ids_are_not_used_again);
	tcase_add_test(tc, groups);
	tcase_add_test(tc, a_batch);
	tcase_add_test(tc, rubbish_is_moved_aside);
	tcase_add_test(tc, a_damaged_queue_is_moved_aside);
	tcase_add_test(tc, a_foreign_database_is_moved_aside);
	tcase_add_test(tc, a_newer_one_is_left_alone);
	tcase_add_test(tc, an_older_one_gets_what_it_lacks);
	tcase_add_test(tc, a_failed_start_is_kept);
	tcase_add_test(tc, what_it_runs_is_there_until_it_has_ended);
	tcase_add_test(tc, the_file_is_its_owners);
	tcase_add_test(tc, a_folder_that_is_not_there);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
