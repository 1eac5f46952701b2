/*
 * listener_test - real sockets, on 127.0.0.1 and in a folder of the test's
 * own: what is tested is what this kernel does with SO_REUSEPORT.
 */
#include "cluster/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/sys_fake.h"
#include "base/fd.h"

#define MIGRATE_CTL "/proc/sys/net/ipv4/tcp_migrate_req"

static char dir[64];
static char host4[] = "127.0.0.1";
static char host6[] = "::1";
static char path_sock[] = "sock";
static struct err err;

static struct config_socket
tcp(uint16_t port)
{
	struct config_socket s = {
		.family = FAMILY_TCP,
		.host = host4,
		.port = port,
		.backlog = 4096,
	};

	return s;
}

static struct config_socket
local(void)
{
	struct config_socket s = {
		.family = FAMILY_UNIX,
		.path = path_sock,
		.mode = 0660,
		.backlog = 16,
	};

	return s;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;

	ck_assert_int_eq(getsockname(fd, (void *)&in, &len), 0);
	return ntohs(in.sin_port);
}

/* A listener of somebody else's; port 0: the kernel finds one. */
static int
foreign(uint16_t port, bool reuseport)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, (void *)&in, sizeof in) == -1 || listen(fd, 16) == -1)
		fd_closep(&fd);
	return fd;
}

static void
group_open(struct config_socket *s, int *fds, int n)
{
	*s = tcp(0);
	for (int i = 0; i < n; i++) {
		fds[i] = listener_bind(s, true, i == 0, &err);
		ck_assert_msg(fds[i] != -1, "%s", err.text);
		s->port = port_of(fds[0]);
	}
	for (int i = 0; i < n; i++)
		ck_assert_msg(
		    listener_listen(fds[i], s, &err) == 0, "%s", err.text);
}

static void
fds_close(int *fds, int n)
{
	for (int i = 0; i < n; i++)
		fd_closep(&fds[i]);
}

static void
connect_all(uint16_t port, int *fds, int n)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(fds[i], (void *)&in, sizeof in), 0);
	}
}

static void
set_up(void)
{
	fake_reset();
	strcpy(dir, "/tmp/reeve-listener-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
tear_down(void)
{
	unlink("sock");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* --- names and locks ----------------------------------------------------- */

START_TEST(listener_names)
{
	struct config_socket s = tcp(8080);
	char name[64];

	listener_name(&s, name, sizeof name);
	ck_assert_str_eq(name, "tcp 127.0.0.1:8080");
	s.host = NULL;
	listener_name(&s, name, sizeof name);
	ck_assert_str_eq(name, "tcp *:8080");
	s.family = FAMILY_TCP6;
	s.host = host6;
	listener_name(&s, name, sizeof name);
	ck_assert_str_eq(name, "tcp6 [::1]:8080");
	s = local();
	listener_name(&s, name, sizeof name);
	ck_assert_str_eq(name, "unix sock");
}
END_TEST

START_TEST(listener_lock_keeps_a_second_reeved_out)
{
	struct config_socket s = tcp(7), other = tcp(9);
	char want[128];
	int a, b, c;

	a = listener_lock(&s, &err);
	ck_assert_msg(a != -1, "%s", err.text);
	ck_assert_int_eq(fcntl(a, F_GETFD), FD_CLOEXEC);
	c = listener_lock(&other, &err);
	ck_assert_int_ne(c, -1);
	ck_assert_int_eq(listener_lock(&s, &err), -1);
	snprintf(want, sizeof want,
	    "tcp 127.0.0.1:7 is served by another reeved, held by "
	    "listener_test (pid %d)",
	    getpid());
	ck_assert_str_eq(err.text, want);
	ck_assert_int_eq(err.errnum, EADDRINUSE);
	fd_closep(&a);
	b = listener_lock(&s, &err);
	ck_assert_int_ne(b, -1);
	fd_closep(&b);
	fd_closep(&c);
}
END_TEST

START_TEST(listener_lock_of_a_long_path)
{
	struct config_socket s = local();
	char path[107], other[107];
	int a, b;

	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	memcpy(other, path, sizeof path);
	other[sizeof path - 2] = 'y';
	s.path = path;
	a = listener_lock(&s, &err);
	ck_assert_int_ne(a, -1);
	ck_assert_int_eq(listener_lock(&s, NULL), -1);
	s.path = other;
	b = listener_lock(&s, &err);
	ck_assert_int_ne(b, -1);
	fd_closep(&a);
	fd_closep(&b);
}
END_TEST

/* --- TCP ----------------------------------------------------------------- */

START_TEST(listener_binds_and_listens)
{
	struct config_socket s = tcp(0);
	int fd = listener_bind(&s, false, true, &err), c[2];

	ck_assert_msg(fd != -1, "%s", err.text);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	s.port = port_of(fd);
	ck_assert_int_eq(listener_queued(fd), -1); /* does not listen */
	ck_assert_int_eq(listener_listen(fd, &s, &err), 0);
	ck_assert_int_eq(listener_queued(fd), 0);
	connect_all(s.port, c, 2);
	ck_assert_int_eq(listener_queued(fd), 2);
	ck_assert_int_eq(listener_queued(-1), -1);
	ck_assert_int_eq(listener_queued(c[0]), -1);
	fds_close(c, 2);
	fd_closep(&fd);
}
END_TEST

/* reuseport: of the foreign one; group: ours is to be one of a group. */
static const struct {
	bool reuseport;
	bool group;
} foreign_rows[] = { { false, false }, { false, true }, { true, false },
	{ true, true } };

START_TEST(listener_names_a_foreign_listener)
{
	int other = foreign(0, foreign_rows[_i].reuseport);
	struct config_socket s = tcp(port_of(other));
	char want[128];

	ck_assert_int_eq(
	    listener_bind(&s, foreign_rows[_i].group, true, &err), -1);
	snprintf(want, sizeof want,
	    "bind tcp 127.0.0.1:%u: in use by listener_test (pid %d)", s.port,
	    getpid());
	ck_assert_str_eq(err.text, want);
	ck_assert_int_eq(err.errnum, EADDRINUSE);
	s.host = NULL; /* any address is taken as well */
	ck_assert_int_eq(
	    listener_bind(&s, foreign_rows[_i].group, true, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "in use by listener_test"));
	fd_closep(&other);
}
END_TEST

/* The other way round: who comes later without the option is kept out. */
START_TEST(listener_is_free_when_nobody_listens)
{
	int fd = foreign(0, false);
	struct config_socket s = tcp(port_of(fd)), any = s, v6 = s;
	char want[96];

	any.host = NULL;
	v6.family = FAMILY_TCP6;
	v6.host = host6;
	snprintf(want, sizeof want,
	    "bind tcp 127.0.0.1:%u: in use by listener_test (pid %d)", s.port,
	    getpid());
	ck_assert(!listener_is_free(&s, &err));
	ck_assert_str_eq(err.text, want);
	ck_assert(!listener_is_free(&s, NULL));
	ck_assert(!listener_is_free(&any, NULL));
	ck_assert(listener_is_free(&v6, NULL));
	fd_closep(&fd);
	ck_assert(listener_is_free(&s, &err));
	ck_assert(listener_is_free(&any, &err));
	/* What is wrong otherwise is not ours to find. */
	fake_fail(FAKE_BIND, 1, EACCES);
	ck_assert(listener_is_free(&s, &err));
	fake_fail(FAKE_SOCKET, 1, EMFILE);
	ck_assert(listener_is_free(&s, &err));
}
END_TEST

START_TEST(listener_keeps_its_address)
{
	struct config_socket s = tcp(0);
	int fd = listener_bind(&s, false, true, &err);

	s.port = port_of(fd);
	ck_assert_int_eq(listener_listen(fd, &s, &err), 0);
	ck_assert_int_eq(foreign(s.port, false), -1);
	ck_assert_int_eq(foreign(s.port, true), -1);
	fd_closep(&fd);
}
END_TEST

/* Both were bound before either listened. */
START_TEST(listener_listen_names_who_was_faster)
{
	struct config_socket s = tcp(0);
	int a = listener_bind(&s, false, true, &err), b;

	s.port = port_of(a);
	b = listener_bind(&s, false, true, &err);
	ck_assert_int_ne(b, -1);
	ck_assert_int_eq(listener_listen(a, &s, &err), 0);
	ck_assert_int_eq(listener_listen(b, &s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, ": in use by listener_test"));
	ck_assert_int_eq(strncmp(err.text, "listen on tcp 127.", 18), 0);
	fd_closep(&a);
	fd_closep(&b);
}
END_TEST

START_TEST(listener_group_balances)
{
	int fds[4], c[400], sum = 0;
	struct config_socket s;

	group_open(&s, fds, 4);
	connect_all(s.port, c, 400);
	for (int i = 0; i < 4; i++) {
		int n = listener_queued(fds[i]);

		/* 100 on average: 50 is more than five sigmas away */
		ck_assert_int_gt(n, 50);
		sum += n;
	}
	ck_assert_int_eq(sum, 400);
	fds_close(c, 400);
	fds_close(fds, 4);
}
END_TEST

/* A slot that comes later joins the group that already serves. */
START_TEST(listener_group_grows)
{
	int fds[3], c[200];
	struct config_socket s;

	group_open(&s, fds, 2);
	fds[2] = listener_bind(&s, true, false, &err);
	ck_assert_msg(fds[2] != -1, "%s", err.text);
	ck_assert_int_eq(listener_listen(fds[2], &s, &err), 0);
	connect_all(s.port, c, 200);
	ck_assert_int_gt(listener_queued(fds[2]), 20);
	fds_close(c, 200);
	fds_close(fds, 3);
}
END_TEST

START_TEST(listener_steers_away)
{
	int fds[4], c[200], total = 0;
	struct config_socket s;

	group_open(&s, fds, 4);
	ck_assert_msg(listener_steer(fds[1], 3, 4, &err) == 0, "%s", err.text);
	connect_all(s.port, c, 200);
	ck_assert_int_eq(listener_queued(fds[3]), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_gt(listener_queued(fds[i]), 30);
		total += listener_queued(fds[i]);
	}
	ck_assert_int_eq(total, 200);
	fds_close(c, 200);
	/* and back; twice, because there is no program then */
	ck_assert_int_eq(listener_steer(fds[0], 4, 4, &err), 0);
	ck_assert_int_eq(listener_steer(fds[0], 4, 4, &err), 0);
	connect_all(s.port, c, 200);
	ck_assert_int_gt(listener_queued(fds[3]), 20);
	fds_close(c, 200);
	ck_assert_int_eq(listener_steer(fds[0], 1, 4, &err), 0);
	fds_close(fds, 4);
}
END_TEST

START_TEST(listener_steer_may_fail)
{
	int fd = open("/dev/null", O_RDONLY);

	ck_assert_int_eq(listener_steer(fd, 1, 2, &err), -1);
	ck_assert_str_eq(err.text, "steer connections to 1 of 2 sockets: "
				   "Socket operation on non-socket");
	fd_closep(&fd);
}
END_TEST

static char
migrate_ctl(void)
{
	int fd = open(MIGRATE_CTL, O_RDONLY);
	char c = '?';

	if (fd != -1 && read(fd, &c, 1) != 1)
		c = '?';
	fd_closep(&fd);
	return c;
}

/* Accepts all that waits and answers one byte; returns how many. */
static int
serve(int fd)
{
	int n = 0, c;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((c = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		ck_assert_int_eq(write(c, "x", 1), 1);
		close(c);
		n++;
	}
	return n;
}

START_TEST(listener_migrates_what_is_queued)
{
	int fds[3], c[90], before, keeper;
	struct config_socket s;
	char was = migrate_ctl(), x;

	if (was == '?' || (was == '0' && access(MIGRATE_CTL, W_OK) != 0)) {
		printf("# skipped: may not turn %s on\n", MIGRATE_CTL);
		return;
	}
	group_open(&s, fds, 3);
	connect_all(s.port, c, 90);
	ck_assert_int_eq(listener_steer(fds[0], 2, 3, &err), 0);
	before = listener_queued(fds[2]);
	ck_assert_int_gt(before, 5);
	keeper = dup(fds[2]); /* who else holds it does not matter */
	ck_assert(listener_migrate(fds[2]));
	ck_assert_int_eq(migrate_ctl(), was);
	ck_assert_int_eq(listener_queued(fds[0]) + listener_queued(fds[1]), 90);
	fd_closep(&fds[2]);
	fd_closep(&keeper);
	ck_assert_int_eq(serve(fds[0]) + serve(fds[1]), 90);
	for (int i = 0; i < 90; i++)
		ck_assert_int_eq(read(c[i], &x, 1), 1); /* none was reset */
	fds_close(c, 90);
	fds_close(fds, 2);
}
END_TEST

START_TEST(listener_migrate_needs_a_group)
{
	struct config_socket s = tcp(0);
	int fd = listener_bind(&s, false, true, &err), c[1];

	s.port = port_of(fd);
	listener_listen(fd, &s, &err);
	connect_all(s.port, c, 1);
	ck_assert(!listener_migrate(fd));
	ck_assert_int_eq(listener_queued(fd), 1); /* nothing was done */
	fds_close(c, 1);
	fd_closep(&fd);
}
END_TEST

START_TEST(listener_tcp_and_tcp6_share_a_port)
{
	struct config_socket s = tcp(0), s6;
	int fd, fd6;

	s.host = NULL;
	fd = listener_bind(&s, false, true, &err);
	s.port = port_of(fd);
	s6 = s;
	s6.family = FAMILY_TCP6;
	fd6 = listener_bind(&s6, false, true, &err);
	if (fd6 == -1 &&
	    (err.errnum == EAFNOSUPPORT || err.errnum == EADDRNOTAVAIL)) {
		printf("# skipped: no IPv6: %s\n", err.text);
	} else {
		ck_assert_msg(fd6 != -1, "%s", err.text);
		ck_assert_int_eq(listener_listen(fd, &s, &err), 0);
		ck_assert_int_eq(listener_listen(fd6, &s6, &err), 0);
	}
	fd_closep(&fd6);
	fd_closep(&fd);
}
END_TEST

START_TEST(listener_tells_what_is_wrong)
{
	char bad[] = "example.com", elsewhere[] = "192.0.2.1";
	char name[128], long_path[200];
	struct config_socket s = tcp(80);

	s.host = bad;
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	ck_assert_int_eq(strncmp(err.text, "bind tcp example.com:80: ", 25), 0);
	s.host = elsewhere;
	s.port = 8080;
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	ck_assert_str_eq(err.text,
	    "bind tcp 192.0.2.1:8080: Cannot assign requested address");
	s = local();
	ck_assert_int_eq(listener_bind(&s, true, true, &err), -1);
	ck_assert_str_eq(
	    err.text, "bind unix sock: a Unix socket has no group");
	memset(long_path, 'x', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	s.path = long_path;
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "longer than 107 bytes"));
	listener_name(&s, name, sizeof name);
}
END_TEST

/* --- Unix ---------------------------------------------------------------- */

static int
local_connect(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (void *)&un, sizeof un) == -1)
		fd_closep(&fd);
	return fd;
}

START_TEST(listener_unix_has_its_mode_before_it_listens)
{
	struct config_socket s = local();
	struct stat st;
	int fd, c[2];

	umask(0022);
	s.mode = 0622;
	if (geteuid() == 0)
		s.owner = (struct config_owner){
			.set = true, .uid = 1234, .gid = 2345
		};
	fd = listener_bind(&s, false, true, &err);
	ck_assert_msg(fd != -1, "%s", err.text);
	ck_assert_int_eq(local_connect(), -1);
	ck_assert_int_eq(stat("sock", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0622);
	if (geteuid() == 0) {
		ck_assert_int_eq(st.st_uid, 1234);
		ck_assert_int_eq(st.st_gid, 2345);
	}
	ck_assert_int_eq(listener_listen(fd, &s, &err), 0);
	c[0] = local_connect();
	c[1] = local_connect();
	ck_assert_int_ne(c[1], -1);
	ck_assert_int_eq(listener_queued(fd), 2);
	fds_close(c, 2);
	fd_closep(&fd);
}
END_TEST

START_TEST(listener_unix_replaces_a_stale_socket)
{
	struct config_socket s = local();
	int fd = listener_bind(&s, false, true, &err), again;
	char want[128];

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(listener_listen(fd, &s, &err), 0);
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	snprintf(want, sizeof want,
	    "bind unix sock: in use by listener_test (pid %d)", getpid());
	ck_assert_str_eq(err.text, want);
	fd_closep(&fd);
	ck_assert_int_eq(access("sock", F_OK), 0);
	again = listener_bind(&s, false, true, &err);
	ck_assert_msg(again != -1, "%s", err.text);
	fd_closep(&again);
}
END_TEST

START_TEST(listener_unix_leaves_other_files_alone)
{
	struct config_socket s = local();
	int fd = open("sock", O_CREAT | O_WRONLY, 0600);

	fd_closep(&fd);
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	ck_assert_str_eq(err.text, "bind unix sock: File exists");
	ck_assert_int_eq(access("sock", F_OK), 0);
	unlink("sock");
	ck_assert_int_eq(symlink("nowhere", "sock"), 0);
	ck_assert_int_eq(listener_bind(&s, false, true, &err), -1);
	ck_assert_int_eq(unlink("sock"), 0);
}
END_TEST

/* --- failures ------------------------------------------------------------ */

/* Every call fails in turn: an error each time, and no descriptor is left. */
START_TEST(listener_leaks_nothing_when_calls_fail)
{
	struct config_socket rows[3] = { tcp(0), tcp(0), local() };
	int before = fake_fd_count();

	for (int row = 0; row < 3; row++) {
		for (unsigned i = 1;; i++) {
			int lock, fd, rc = -1;

			fake_reset();
			fake_fail_any(i, EMFILE);
			lock = listener_lock(&rows[row], &err);
			fd = listener_bind(&rows[row], row == 1, true, &err);
			if (fd != -1)
				rc = listener_listen(fd, &rows[row], &err);
			fd_closep(&lock);
			fd_closep(&fd);
			unlink("sock");
			ck_assert_int_eq(fake_fd_count(), before);
			if (!fake_fail_hit())
				break;
			ck_assert(lock == -1 || fd == -1 || rc == -1);
			ck_assert_ptr_nonnull(
			    strstr(err.text, "Too many open files"));
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("listener");
	TCase *tc = tcase_create("listener");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, listener_names);
	tcase_add_test(tc, listener_lock_keeps_a_second_reeved_out);
	tcase_add_test(tc, listener_lock_of_a_long_path);
	tcase_add_test(tc, listener_binds_and_listens);
	tcase_add_loop_test(tc, listener_names_a_foreign_listener, 0,
	    sizeof foreign_rows / sizeof foreign_rows[0]);
	tcase_add_test(tc, listener_is_free_when_nobody_listens);
	tcase_add_test(tc, listener_keeps_its_address);
	tcase_add_test(tc, listener_listen_names_who_was_faster);
	tcase_add_test(tc, listener_group_balances);
	tcase_add_test(tc, listener_group_grows);
	tcase_add_test(tc, listener_steers_away);
	tcase_add_test(tc, listener_steer_may_fail);
	tcase_add_test(tc, listener_migrates_what_is_queued);
	tcase_add_test(tc, listener_migrate_needs_a_group);
	tcase_add_test(tc, listener_tcp_and_tcp6_share_a_port);
	tcase_add_test(tc, listener_tells_what_is_wrong);
	tcase_add_test(tc, listener_unix_has_its_mode_before_it_listens);
	tcase_add_test(tc, listener_unix_replaces_a_stale_socket);
	tcase_add_test(tc, listener_unix_leaves_other_files_alone);
	tcase_add_test(tc, listener_leaks_nothing_when_calls_fail);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
