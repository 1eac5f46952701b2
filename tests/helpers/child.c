/*
 * child - a program that misbehaves on order.
 *
 * child WORD...: each word is a step, done in order; after the last one it
 * exits 0.  So "child ignore-term ready sleep" is a server that does not
 * stop, and "child first 3 FILE exit 1 ready sleep" one that comes up at the
 * fourth try.  Tests and benchmarks run it under reeved.
 */
/* lint: size: many small words that have nothing but the table in common */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOMB_GENERATIONS 20000 /* it ends by itself if nobody ends it */

extern char **environ;

/* Where the words are read from; a step takes its arguments itself. */
static char **next_word;

static void die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("child: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(99);
}

static const char *
arg(void)
{
	if (*next_word == NULL)
		die("an argument is missing at the end");
	return *next_word++;
}

static long
arg_number(void)
{
	const char *s = arg();
	char *end;
	long n = strtol(s, &end, 10);

	switch (*end) {
	case 'k':
		n *= 1024;
		end++;
		break;
	case 'M':
		n *= 1024 * 1024;
		end++;
		break;
	default:
		break;
	}
	if (end == s || *end != '\0')
		die("%s: not a number", s);
	return n;
}

static void
wait_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

static void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return;
		p += done;
		n -= (size_t)done;
	}
}

/* One write, so that lines of several processes do not mix. */
static void
append_line(const char *path, const char *text)
{
	char line[4096];
	int fd, n;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd == -1)
		die("open %s: %s", path, strerror(errno));
	n = snprintf(line, sizeof line, "%s\n", text);
	if (n > 0 && (size_t)n < sizeof line)
		write_all(fd, line, (size_t)n);
	close(fd);
}

static void
append_pid(const char *path)
{
	char text[32];

	snprintf(text, sizeof text, "%d", (int)getpid());
	append_line(path, text);
}

static void
sleep_for_ever(void)
{
	for (;;)
		pause();
}

/* --- ends ------------------------------------------------------------------
 */

static void
do_sleep(void)
{
	sleep_for_ever();
}

static void
do_pause(void)
{
	wait_ms(arg_number());
}

static void
do_exit(void)
{
	exit((int)arg_number());
}

static void
do_exit_after(void)
{
	wait_ms(arg_number());
	exit((int)arg_number());
}

static void
do_kill(void)
{
	long sig = arg_number();

	signal((int)sig, SIG_DFL);
	kill(getpid(), (int)sig);
	wait_ms(1000);
}

static void
do_segv(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void
do_abort(void)
{
	abort();
}

/* --- signals ---------------------------------------------------------------
 */

static int term_code;
static int term_drain_ms;
static const char *term_file;
static const char *term_text;
static size_t term_text_len;

/* Only calls that are safe here. */
static void
on_term(int signo)
{
	(void)signo;
	if (term_file != NULL) {
		int fd = open(
		    term_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

		if (fd != -1) {
			write_all(fd, term_text, term_text_len);
			close(fd);
		}
	}
	if (term_drain_ms > 0)
		poll(NULL, 0, term_drain_ms);
	_exit(term_code);
}

static void
do_on_term(void)
{
	const char *what = arg();
	char *line;

	if (strcmp(what, "ignore") == 0) {
		signal(SIGTERM, SIG_IGN);
		return;
	}
	if (strcmp(what, "exit") == 0) {
		term_code = (int)arg_number();
	} else if (strcmp(what, "drain") == 0) {
		term_drain_ms = (int)arg_number();
	} else if (strcmp(what, "append") == 0) {
		const char *file = arg();

		if (asprintf(&line, "%s\n", arg()) == -1)
			die("no memory");
		term_text = line;
		term_text_len = strlen(line);
		term_file = file;
	} else {
		die("on-term %s: exit N, drain MS, append FILE TEXT, ignore",
		    what);
	}
	signal(SIGTERM, on_term);
}

static void
do_ignore_term(void)
{
	signal(SIGTERM, SIG_IGN);
}

static void
do_ignore_all(void)
{
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
}

/* --- processes -------------------------------------------------------------
 */

static void
grandchild(const char *file, bool own_session, bool own_parent)
{
	pid_t pid;
	int p[2];
	char c;

	/* The file is complete before the next step. */
	if (pipe2(p, O_CLOEXEC) == -1)
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == -1)
		die("fork: %s", strerror(errno));
	if (pid > 0) {
		close(p[1]);
		while (read(p[0], &c, 1) == -1 && errno == EINTR)
			;
		close(p[0]);
		return;
	}
	close(p[0]);
	if (own_session)
		setsid();
	if (own_parent && fork() != 0)
		_exit(0);
	append_pid(file);
	close(p[1]);
	sleep_for_ever();
}

static void
do_fork_grandchild(void)
{
	grandchild(arg(), false, false);
}

static void
do_setsid_grandchild(void)
{
	grandchild(arg(), true, false);
}

static void
do_daemon_grandchild(void)
{
	grandchild(arg(), true, true);
}

/* The well-known mistake: what was started exits, the rest goes on. */
static void
do_daemonise(void)
{
	const char *file = arg();

	if (fork() != 0)
		_exit(0);
	setsid();
	if (fork() != 0)
		_exit(0);
	append_pid(file);
}

static void
do_fork_bomb(void)
{
	long n = arg_number();

	for (long i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		/* Nobody who lists processes ever sees a living one. */
		for (int g = 0; g < BOMB_GENERATIONS; g++) {
			if (g % 3 == 0)
				setsid();
			wait_ms(1);
			if (fork() > 0)
				_exit(0);
		}
		_exit(0);
	}
}

/* --- output ----------------------------------------------------------------
 */

static void
do_flood(void)
{
	static const char line[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				   "0123456789abcdefghijklmnopq\n";
	char block[64 * 1024];
	long left = arg_number();

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = line[i % (sizeof line - 1)];
	while (left > 0) {
		long n = left < (long)sizeof block ? left : (long)sizeof block;

		write_all(1, block, (size_t)n);
		left -= n;
	}
}

static void
print(int fd, const char *text)
{
	char *line;
	int n = asprintf(&line, "%s\n", text);

	if (n == -1)
		die("no memory");
	write_all(fd, line, (size_t)n);
	free(line);
}

static void
do_print(void)
{
	print(1, arg());
}

static void
do_print_err(void)
{
	print(2, arg());
}

static void
do_print_lines(void)
{
	long n = arg_number();
	char line[64];

	for (long i = 1; i <= n; i++) {
		snprintf(line, sizeof line, "line %ld", i);
		print(1, line);
	}
}

static void
do_close_stdout(void)
{
	close(1);
}

static void
do_close_stderr(void)
{
	close(2);
}

static void
do_close_stdin(void)
{
	close(0);
}

/* --- ready -----------------------------------------------------------------
 */

static void
notify(const char *data, size_t len)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t salen;
	int fd;

	if (name == NULL || strlen(name) >= sizeof sa.sun_path)
		die("NOTIFY_SOCKET is not set");
	memcpy(sa.sun_path, name, strlen(name));
	salen =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || sendto(fd, data, len, MSG_NOSIGNAL,
			    (struct sockaddr *)&sa, salen) == -1)
		die("notify %s: %s", name, strerror(errno));
	close(fd);
}

static void
do_ready(void)
{
	notify("READY=1\n", 8);
}

static void
do_ready_after(void)
{
	wait_ms(arg_number());
	do_ready();
}

static void
do_ready_twice(void)
{
	do_ready();
	do_ready();
}

static void
do_ready_junk(void)
{
	char big[60000];

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7919 >> 3);
	notify("", 0);
	notify("\0\0\0", 3);
	notify("=\n=\n==\nREADY", 12);
	notify("READY=2\nREADY=\nREADY=1x\nMAINPID=1\n", 34);
	notify("STATUS=\033[31mred\001\n", 17);
	notify(big, sizeof big);
}

static void
do_ready_fd(void)
{
	int fd = (int)arg_number();

	write_all(fd, "\n", 1);
	close(fd);
}

static void
do_write_fd(void)
{
	int fd = (int)arg_number();
	const char *text = arg();

	write_all(fd, text, strlen(text));
}

static void
do_notify(void)
{
	const char *text = arg();

	notify(text, strlen(text));
}

static void
do_status(void)
{
	char *text;
	int n = asprintf(&text, "STATUS=%s\n", arg());

	if (n == -1)
		die("no memory");
	notify(text, (size_t)n);
	free(text);
}

/* --- dump ------------------------------------------------------------------
 */

static void
dump_fds(FILE *f)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	char target[512];

	if (d == NULL)
		die("open /proc/self/fd: %s", strerror(errno));
	while ((e = readdir(d)) != NULL) {
		int fd = atoi(e->d_name);
		ssize_t n;

		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		fprintf(f, "fd.%d=%s\n", fd, target);
	}
	closedir(d);
}

static void
dump_limits(FILE *f)
{
	static const struct {
		const char *name;
		int what;
	} limits[] = {
		{ "as", RLIMIT_AS },
		{ "core", RLIMIT_CORE },
		{ "cpu", RLIMIT_CPU },
		{ "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE },
		{ "memlock", RLIMIT_MEMLOCK },
		{ "nofile", RLIMIT_NOFILE },
		{ "nproc", RLIMIT_NPROC },
		{ "rtprio", RLIMIT_RTPRIO },
		{ "stack", RLIMIT_STACK },
	};
	struct rlimit rl;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		getrlimit((__rlimit_resource_t)limits[i].what, &rl);
		/* -1 is unlimited */
		fprintf(f, "rlimit.%s=%lld:%lld\n", limits[i].name,
		    (long long)rl.rlim_cur, (long long)rl.rlim_max);
	}
}

/* Some lines of a file in /proc, as "prefix.Key=value". */
static void
dump_proc(FILE *f, const char *path, const char *prefix, const char *keys)
{
	FILE *in = fopen(path, "re");
	char line[4096];

	if (in == NULL)
		return;
	while (fgets(line, sizeof line, in) != NULL) {
		char *value = strchr(line, ':');

		if (value == NULL)
			continue;
		*value++ = '\0';
		value += strspn(value, " \t");
		if (strstr(keys, line) != NULL)
			fprintf(f, "%s.%s=%s", prefix, line, value);
	}
	fclose(in);
}

static void
dump_ids(FILE *f)
{
	gid_t groups[256];
	int n = getgroups(256, groups);

	fprintf(f, "pid=%d\nppid=%d\npgid=%d\nsid=%d\n", (int)getpid(),
	    (int)getppid(), (int)getpgid(0), (int)getsid(0));
	fprintf(f, "uid=%d\neuid=%d\ngid=%d\negid=%d\ngroups=", (int)getuid(),
	    (int)geteuid(), (int)getgid(), (int)getegid());
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%d", i > 0 ? "," : "", (int)groups[i]);
	fputc('\n', f);
}

static void
dump_cpus(FILE *f)
{
	const char *sep = "";
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof set, &set);
	fputs("affinity=", f);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		fprintf(f, "%s%d", sep, i);
		sep = ",";
	}
	fputc('\n', f);
}

static void
dump_line_of(FILE *f, const char *path, const char *key)
{
	FILE *in = fopen(path, "re");
	char line[512] = "\n";

	if (in != NULL && fgets(line, sizeof line, in) == NULL)
		line[0] = '\0';
	if (in != NULL)
		fclose(in);
	fprintf(f, "%s=%s", key, line);
}

static int main_argc;
static char **main_argv;

static void
do_dump(void)
{
	const char *path = arg();
	char *text = NULL, *tmp, cwd[4096];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (f == NULL)
		die("no memory");
	dump_fds(f);
	for (int i = 0; i < main_argc; i++)
		fprintf(f, "argv.%d=%s\n", i, main_argv[i]);
	for (char **e = environ; *e != NULL; e++)
		fprintf(f, "env.%s\n", *e);
	fprintf(f, "cwd=%s\numask=%04o\nnice=%d\n",
	    getcwd(cwd, sizeof cwd) != NULL ? cwd : "?", (unsigned)mask,
	    getpriority(PRIO_PROCESS, 0));
	dump_ids(f);
	dump_limits(f);
	dump_cpus(f);
	dump_line_of(f, "/proc/self/oom_score_adj", "oom_score_adj");
	dump_proc(f, "/proc/self/status", "status",
	    " SigBlk SigIgn SigCgt ShdPnd Seccomp NoNewPrivs ");
	fputs("end=1\n", f);
	fclose(f);
	/* The file is there when it is complete. */
	if (asprintf(&tmp, "%s.%d", path, (int)getpid()) == -1)
		die("no memory");
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd == -1)
		die("open %s: %s", tmp, strerror(errno));
	write_all(fd, text, len);
	close(fd);
	if (rename(tmp, path) == -1)
		die("rename %s: %s", path, strerror(errno));
	free(tmp);
	free(text);
}

/* --- files -----------------------------------------------------------------
 */

static void
do_touch(void)
{
	const char *path = arg();
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd == -1)
		die("open %s: %s", path, strerror(errno));
	close(fd);
}

static void
do_append(void)
{
	const char *path = arg();

	append_line(path, arg());
}

static void
do_append_pid(void)
{
	append_pid(arg());
}

static void
do_wait_file(void)
{
	const char *path = arg();

	while (access(path, F_OK) == -1)
		wait_ms(5);
}

/* --- conditions: whether the next word is done -----------------------------
 */

static void run_word(bool doing);

static void
do_if_file(void)
{
	run_word(access(arg(), F_OK) == 0);
}

static void
do_if_equal(void)
{
	const char *a = arg();

	run_word(strcmp(a, arg()) == 0);
}

static void
do_first(void)
{
	long n = arg_number();
	const char *path = arg();
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	struct stat st;

	if (fd == -1 || write(fd, ".", 1) != 1 || fstat(fd, &st) == -1)
		die("count in %s: %s", path, strerror(errno));
	close(fd);
	run_word(st.st_size <= n);
}

/* --- load ------------------------------------------------------------------
 */

static void
do_alloc(void)
{
	size_t n = (size_t)arg_number() * 1024 * 1024;
	char *p = malloc(n);

	if (p == NULL)
		die("no memory");
	for (size_t i = 0; i < n; i += 4096)
		((volatile char *)p)[i] = 1;
}

static volatile sig_atomic_t serve_stop;

static void
on_serve_term(int signo)
{
	(void)signo;
	serve_stop = 1;
}

/* One request a connection, answered at once: pid and what was asked. */
static void
serve_one(int lfd)
{
	char in[4096], out[512], body[128];
	int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC), n;

	if (fd == -1)
		return;
	if (read(fd, in, sizeof in) > 0) {
		n = snprintf(
		    body, sizeof body, "pid %d fd %d\n", (int)getpid(), lfd);
		n = snprintf(out, sizeof out,
		    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
		    "Connection: close\r\n\r\n%s",
		    n, body);
		write_all(fd, out, (size_t)n);
		shutdown(fd, SHUT_WR);
		while (read(fd, in, sizeof in) > 0)
			;
	}
	close(fd);
}

static void
do_serve(void)
{
	const char *count = getenv("LISTEN_FDS");
	int n = count != NULL ? atoi(count) : 0;
	struct pollfd p[64];
	struct sigaction sa = { .sa_handler = on_serve_term };
	sigset_t term, old;

	if (n < 1 || n > 64)
		die("LISTEN_FDS is not set");
	sigaction(SIGTERM, &sa, NULL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	for (int i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = 3 + i, .events = POLLIN };
		fcntl(3 + i, F_SETFL, O_NONBLOCK);
	}
	while (!serve_stop) {
		if (ppoll(p, (nfds_t)n, NULL, &old) <= 0)
			continue;
		for (int i = 0; i < n; i++) {
			if (p[i].revents != 0)
				serve_one(p[i].fd);
		}
	}
	exit(0);
}

/* A port of 127.0.0.1, or a path. */
static int
listen_at(const char *where)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	bool un = strchr(where, '/') != NULL;
	int fd, on = 1;

	sin.sin_port = htons((uint16_t)atoi(where));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", where);
	if (un)
		unlink(where);
	fd = socket(un ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, un ? (struct sockaddr *)&sun : (struct sockaddr *)&sin,
		un ? sizeof sun : sizeof sin) == -1 ||
	    listen(fd, 64) == -1)
		die("listen at %s: %s", where, strerror(errno));
	return fd;
}

/* What the file says: a status; "hang" answers nothing. */
static void
do_http(void)
{
	int lfd = listen_at(arg());
	const char *file = arg();
	char in[4096], out[128], say[32];

	for (;;) {
		int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC), f;
		ssize_t n = -1;

		if (fd == -1)
			continue;
		f = open(file, O_RDONLY | O_CLOEXEC);
		if (f != -1)
			n = read(f, say, sizeof say - 1);
		close(f);
		say[n > 0 ? n : 0] = '\0';
		say[strcspn(say, "\n")] = '\0';
		if (strcmp(say, "hang") == 0)
			continue; /* and leaks it */
		snprintf(out, sizeof out,
		    "HTTP/1.1 %s x\r\nContent-Length: 0\r\n\r\n",
		    n > 0 ? say : "200");
		if (read(fd, in, sizeof in) > 0)
			write_all(fd, out, strlen(out));
		close(fd);
	}
}

/* --- the words -------------------------------------------------------------
 */

static const struct word {
	const char *name;
	int args;
	const char *help;
	void (*step)(void);
} words[] = {
	{ "sleep", 0, "for ever", do_sleep },
	{ "pause", 1, "MS, then on", do_pause },
	{ "exit", 1, "N", do_exit },
	{ "exit-after", 2, "MS N", do_exit_after },
	{ "kill", 1, "SIG, itself", do_kill },
	{ "segv", 0, "", do_segv },
	{ "abort", 0, "", do_abort },
	{ "on-term", 1, "exit N | drain MS | append FILE TEXT | ignore",
	    do_on_term },
	{ "ignore-term", 0, "", do_ignore_term },
	{ "ignore-all", 0, "every signal that can be", do_ignore_all },
	{ "fork-grandchild", 1, "FILE: its pid is appended",
	    do_fork_grandchild },
	{ "setsid-grandchild", 1, "FILE", do_setsid_grandchild },
	{ "daemon-grandchild", 1, "FILE: own session, forked twice",
	    do_daemon_grandchild },
	{ "daemonise", 1, "FILE: goes on in the background", do_daemonise },
	{ "fork-bomb", 1, "N processes that each live 1 ms and fork",
	    do_fork_bomb },
	{ "flood", 1, "BYTES (k, M) to stdout", do_flood },
	{ "print", 1, "TEXT", do_print },
	{ "print-err", 1, "TEXT", do_print_err },
	{ "print-lines", 1, "N: 'line 1' to 'line N'", do_print_lines },
	{ "close-stdin", 0, "", do_close_stdin },
	{ "close-stdout", 0, "", do_close_stdout },
	{ "close-stderr", 0, "", do_close_stderr },
	{ "ready", 0, "READY=1 to NOTIFY_SOCKET", do_ready },
	{ "ready-after", 1, "MS", do_ready_after },
	{ "ready-twice", 0, "", do_ready_twice },
	{ "ready-junk", 0, "datagrams that mean nothing", do_ready_junk },
	{ "ready-fd", 1, "N: a newline, and closes it", do_ready_fd },
	{ "write-fd", 2, "N TEXT", do_write_fd },
	{ "notify", 1, "TEXT to NOTIFY_SOCKET", do_notify },
	{ "status", 1, "TEXT to NOTIFY_SOCKET", do_status },
	{ "dump", 1, "FILE: what it sees of itself", do_dump },
	{ "touch", 1, "FILE", do_touch },
	{ "append", 2, "FILE TEXT", do_append },
	{ "append-pid", 1, "FILE", do_append_pid },
	{ "wait-file", 1, "FILE: until it is there", do_wait_file },
	{ "if-file", 1, "FILE WORD: WORD only if FILE is there", do_if_file },
	{ "if-equal", 2, "A B WORD", do_if_equal },
	{ "first", 2, "N FILE WORD: WORD the first N times", do_first },
	{ "alloc", 1, "MB, and touches it", do_alloc },
	{ "http", 2, "PORT|PATH FILE: status in it, hang, or 200", do_http },
	{ "serve", 0, "HTTP on LISTEN_FDS until TERM", do_serve },
};

static void
usage(void)
{
	puts("usage: child WORD...\n\nEach word is a step; after the last one "
	     "it exits 0.\n");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		printf("    %-18s %s\n", words[i].name, words[i].help);
}

/* on-term has more arguments than the one that says what. */
static void
skip_args(const struct word *w)
{
	for (int i = 0; i < w->args; i++) {
		const char *s = arg();

		if (w->step != do_on_term)
			continue;
		if (strcmp(s, "append") == 0)
			arg();
		if (strcmp(s, "ignore") != 0)
			arg();
	}
	if (w->step == do_if_file || w->step == do_if_equal ||
	    w->step == do_first)
		run_word(false);
}

static void
run_word(bool doing)
{
	const char *name = arg();

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(words[i].name, name) != 0)
			continue;
		if (doing)
			words[i].step();
		else
			skip_args(&words[i]);
		return;
	}
	die("%s: no such word, see child --help", name);
}

int
main(int argc, char **argv)
{
	main_argc = argc;
	main_argv = argv;
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		usage();
		return argc < 2 ? 64 : 0;
	}
	next_word = argv + 1;
	while (*next_word != NULL)
		run_word(true);
	return 0;
}
