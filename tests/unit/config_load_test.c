/*
 * config_load_test - whole configs: what comes out, and what is said about
 * those that are wrong.
 */
#include "config_try.h"
#include "try_main.h"

/* --- what a file means -----------------------------------------------------
 */

START_TEST(nothing_is_needed)
{
	must_load("[reeve]");
	ck_assert_uint_eq(cf->nprograms, 0);
	ck_assert_uint_eq(errs.warnings.n, 0);
	ck_assert_str_eq(cf->identifier, "reeve");
	ck_assert_uint_eq(cf->socket_mode, 0600);
	ck_assert_uint_eq(cf->umask, 022);
	ck_assert_int_eq(cf->loglevel, LOG_INFO);
	ck_assert_int_eq(cf->logfile_maxbytes, 50 * 1024 * 1024);
	ck_assert(!cf->socket_set);
	ck_assert(!cf->logfile_set);
	ck_assert_str_eq(cf->ctl_socket, cf->socket);
	ck_assert_str_eq(cf->here, "/etc");
}
END_TEST

START_TEST(paths_for_root_and_others)
{
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_STATE_HOME", "/home/x/st", 1);
	must_load("[reeve]");
	if (geteuid() == 0) {
		ck_assert_str_eq(cf->socket, "/run/reeve/reeve.sock");
		ck_assert_str_eq(cf->pidfile, "/run/reeve/reeve.pid");
		ck_assert_str_eq(cf->state_dir, "/var/lib/reeve");
		ck_assert_str_eq(cf->logfile, "/var/log/reeve/reeve.log");
		ck_assert_str_eq(cf->childlogdir, "/var/log/reeve");
	} else {
		ck_assert_str_eq(cf->socket, "/run/user/7/reeve/reeve.sock");
		ck_assert_str_eq(cf->pidfile, "/run/user/7/reeve/reeve.pid");
		ck_assert_str_eq(cf->state_dir, "/home/x/st/reeve");
		ck_assert_str_eq(cf->logfile, "/home/x/st/reeve/reeve.log");
		ck_assert_str_eq(cf->childlogdir, "/home/x/st/reeve");
	}
	must_load("[reeve]\nsocket = a.sock\nlogfile = log/r.log\n"
		  "[reevectl]\nsocket = /c\n");
	ck_assert_str_eq(cf->socket, "/etc/a.sock");
	ck_assert(cf->socket_set);
	ck_assert_str_eq(cf->pidfile, "/etc/a.pid");
	ck_assert_str_eq(cf->logfile, "/etc/log/r.log");
	ck_assert_str_eq(cf->childlogdir, "/etc/log");
	ck_assert_str_eq(cf->ctl_socket, "/c");
	must_load("[reeve]\nlogfile = NONE\nchildlogdir = /l\n");
	ck_assert_ptr_null(cf->logfile);
	ck_assert(cf->logfile_set);
	ck_assert_str_eq(cf->childlogdir, "/l");
}
END_TEST

START_TEST(a_program_and_its_defaults)
{
	const struct config_program *p;

	must_load("[reeve]\n[program: web ]\ncommand = sh\n");
	ck_assert_uint_eq(cf->nprograms, 1);
	p = config_program_find(cf, "web");
	ck_assert_ptr_eq(p, cf->programs[0]);
	ck_assert_str_eq(p->command, "sh");
	ck_assert_str_eq(p->file, "/etc/r.conf");
	ck_assert_int_eq(p->line, 2);
	ck_assert_ptr_null(p->group);
	ck_assert_int_eq(p->workers, 1);
	ck_assert_int_eq(p->umask, -1);
	ck_assert_uint_eq(p->reeve_umask, 022);
	ck_assert(p->nice == INT64_MIN);
	ck_assert_int_eq(p->startretries, -1);
	ck_assert_int_eq(p->startsecs_ms, 1000);
	ck_assert_int_eq(p->backoff_min_ms, 500);
	ck_assert_int_eq(p->rare->exitcodes[0], 1);
	ck_assert(p->killasgroup && !p->stopasgroup && p->autostart);
	ck_assert_int_eq(p->autorestart, AUTORESTART_TRUE);
	ck_assert_str_eq(p->out.path, "AUTO");
	ck_assert_int_eq(p->err.backups, 10);
	ck_assert_ptr_null(config_program_find(cf, "we"));
}
END_TEST

START_TEST(a_program_outlives_its_config)
{
	struct config_program *p;

	must_load("[reeve]\nenvironment = A=1\n[program:web]\ncommand = sh\n");
	p = config_program_ref(cf->programs[0]);
	config_free(cf);
	cf = NULL;
	ck_assert_str_eq(p->name, "web");
	ck_assert_str_eq(p->reeve_environment.v[0], "A=1");
	config_program_unref(p);
}
END_TEST

START_TEST(numbers_of_workers)
{
	static const struct {
		const char *key;
		int cpus, want;
	} rows[] = {
		{ "workers = 3", 8, 3 },
		{ "workers = 0", 8, 0 },
		{ "workers = auto", 8, 8 },
		{ "workers = auto\ncpu_set = 0", 8, 1 },
		{ "workers_per_cpu = 2\ncpu_set = 0", 8, 2 },
		{ "workers_per_cpu = 2", 8, 16 },
		{ "workers_per_cpu = 1000", 64, CONFIG_WORKERS_MAX },
		{ "numprocs = 5", 8, 5 },
		{ "", 8, 1 },
	};
	char *text;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text = xasprintf(
		    "[reeve]\n[program:web]\ncommand = sh\n%s\n", rows[i].key);
		must_load(text);
		free(text);
		ck_assert_int_eq(
		    config_program_workers(cf->programs[0], rows[i].cpus),
		    rows[i].want);
	}
}
END_TEST

START_TEST(order_of_programs)
{
	static const char *const want[] = { "late", "b", "a", "z", "first" };

	must_load("[reeve]\n"
		  "[program:first]\ncommand = sh\npriority = 2000\n"
		  "[program:a]\ncommand = sh\n"
		  "[program:b]\ncommand = sh\npriority = 7\n"
		  "[program:z]\ncommand = sh\n"
		  "[program:late]\ncommand = sh\npriority = 5000\n"
		  "[group:g]\nprograms = late\npriority = 1\n");
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(cf->programs[i]->name, want[i]);
	ck_assert_str_eq(cf->programs[0]->group, "g");
	ck_assert_int_eq(cf->programs[0]->group_priority, 1);
	ck_assert_uint_eq(cf->ngroups, 1);
	ck_assert_str_eq(cf->groups[0].name, "g");
}
END_TEST

START_TEST(a_section_may_be_in_parts)
{
	must_load("[program:web]\ncommand = sh\n[reeve]\n"
		  "[program:web]\nstartsecs = 7\n");
	ck_assert_uint_eq(cf->nprograms, 1);
	ck_assert_int_eq(cf->programs[0]->startsecs_ms, 7000);
}
END_TEST

START_TEST(names_are_expanded_at_load)
{
	setenv("REEVE_TEST", "12", 1);
	must_load("[reeve]\nsocket = %(here)s/s\n"
		  "environment = H=\"%(ENV_REEVE_TEST)s%%\"\n"
		  "[program:web]\ncommand = sh\nstartsecs = "
		  "%(ENV_REEVE_TEST)s\nsocket = "
		  "unix:%(here)s/%(program_name)s.%(group_name)s\n"
		  "[group:g]\nprograms = web\n");
	ck_assert_str_eq(cf->socket, "/etc/s");
	ck_assert_str_eq(cf->environment.v[0], "H=12%");
	ck_assert_int_eq(cf->programs[0]->startsecs_ms, 12000);
	ck_assert_str_eq(cf->programs[0]->sockets.v[0].path, "/etc/web.g");
}
END_TEST

/* inih alone would cut these. */
START_TEST(long_names_and_commands)
{
	static const int sizes[] = { 1, 49, 50, 51, CONFIG_NAME_MAX };
	char *text;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		text = xasprintf(
		    "[reeve]\n[program:%0*d]\ncommand = sh\n", sizes[i], 7);
		must_load(text);
		ck_assert_uint_eq(
		    strlen(cf->programs[0]->name), (size_t)sizes[i]);
		free(text);
	}
	text = xasprintf(
	    "[reeve]\n[program:%0*d]\ncommand = sh\n", CONFIG_NAME_MAX + 1, 7);
	load(text);
	ck_assert_ptr_null(cf);
	free(text);

	text = xasprintf("[reeve]\n[program:web]\ncommand = sh -c 'a=b ; c' "
			 "--x=%0100000d\n",
	    7);
	must_load(text);
	ck_assert_uint_eq(strlen(cf->programs[0]->command), 100020);
	ck_assert(str_starts(cf->programs[0]->command, "sh -c 'a=b ; c' "));
	free(text);
}
END_TEST

/* --- what is wrong ---------------------------------------------------------
 */

#define WEB "[reeve]\n[program:web]\ncommand = sh\n"

/* The lines of each text are numbered from 1; WEB has three. */
static const struct {
	const char *text;
	const char *error; /* "LINE: ..." as the only error begins */
} wrong[] = {
	{ "", "1: not a reeve config: there is no [reeve] section" },
	{ "[supervisord]\nfoo\n[program:x]\nfoo=1\n",
	    "1: [supervisord]: this is a supervisord config" },
	{ "[reeve]\nloglvl = info\n",
	    "2: unknown key 'loglvl' in [reeve], did you mean 'loglevel'?" },
	{ "[reeve]\n[program:web]\ncomand = sh\n",
	    "3: unknown key 'comand' in [program:web], did you mean "
	    "'command'?" },
	{ WEB "xyzzyplugh = 1\n",
	    "4: unknown key 'xyzzyplugh' in [program:web]" },
	{ WEB "loglevel = info\n",
	    "4: key 'loglevel' is not for [program:web], it belongs in "
	    "[reeve]" },
	{ WEB "[progam:x]\n",
	    "4: unknown section [progam:x], did you mean [program:NAME]?" },
	{ WEB "[eventlistener:x]\n",
	    "4: unknown section [eventlistener:x]; known are" },
	{ WEB "[program]\n", "4: [program] needs a name: [program:NAME]" },
	{ "[reeve:x]\n[reeve]\n", "1: [reeve:x]: this section has no name" },
	{ WEB "startsecs = 1\nStartSecs = 2\n",
	    "5: key 'startsecs' of [program:web] is already defined at "
	    "/etc/r.conf:4" },
	{ WEB "[program:web]\ncommand = x\n",
	    "5: key 'command' of [program:web] is already defined at "
	    "/etc/r.conf:3" },
	{ WEB "startsecs = soon\n",
	    "4: [program:web] startsecs: 'soon' is not a duration" },
	{ WEB "startsecs = %(nothere)s\n",
	    "4: [program:web] startsecs: unknown name %(nothere)s" },
	{ "[reeve]\nenvironment = A=50%\n",
	    "2: [reeve] environment: '%': a % that is meant" },

	{ WEB "depends_on = wbe\n",
	    "4: [program:web] depends_on: there is no program 'wbe'" },
	{ WEB "depends_on = dbb\n[program:db]\ncommand = sh\n",
	    "4: [program:web] depends_on: there is no program 'dbb', did you "
	    "mean 'db'?" },
	{ WEB "bind_to = nothing\n",
	    "4: [program:web] bind_to: there is no program 'nothing'" },
	{ WEB "depends_on = web:started\n",
	    "4: [program:web] depends_on: it cannot wait for itself" },
	{ WEB "depends_on = m:done\n[program:m]\ncommand = sh\n",
	    "4: [program:web] depends_on: m:done can never be: 'm' is always "
	    "restarted" },
	{ WEB "depends_on = m\n[program:m]\ncommand = sh\nbind_to = web\n",
	    "7: [program:m] bind_to: they wait for each other: m -> web -> m" },
	{ "[reeve]\n[program:a]\ncommand = sh\ndepends_on = d, b:started\n"
	  "[program:b]\ncommand = sh\ndepends_on = c\n[program:c]\n"
	  "command = sh\ndepends_on = a:started\n"
	  "[program:d]\ncommand = sh\n",
	    "4: [program:a] depends_on: they wait for each other: a -> b -> c "
	    "-> a" },

	{ "[reeve]\n[program:web]\n",
	    "2: [program:web] command: it is missing" },
	{ "[reeve]\n[program:web]\ncommand =\n",
	    "3: [program:web] command: it is empty" },
	{ "[reeve]\n[program:web]\ncommand = sh -c 'x\n",
	    "3: [program:web] command: the quote at 'x is never closed" },
	{ "[reeve]\n[program:web]\ncommand = sh %(proces_num)d\n",
	    "3: [program:web] command: unknown name %(proces_num)d, did you "
	    "mean 'process_num'?" },
	{ "[reeve]\n[program:web]\ncommand = sh %(fd:http)s\n",
	    "3: [program:web] command: %(fd:http)s: the program has no "
	    "socket" },
	{ WEB "environment = A=%(process_name)s\n",
	    "4: [program:web] environment: unknown name" },
	{ WEB "directory = %(fd:web)s\nsocket = 80\n",
	    "4: [program:web] directory: %(fd:web)s stands for nothing" },
	{ WEB "process_name = a/b\n",
	    "4: [program:web] process_name: 'a/b' is no name" },

	{ "[reeve]\n[program:a.b]\ncommand = sh\n",
	    "2: [program:a.b]: a name is 1 to 63 letters" },
	{ "[reeve]\n[program:all]\ncommand = sh\n",
	    "2: [program:all]: 'all' stands for every program" },
	{ WEB "workers = 2\nworkers_per_cpu = 1\n",
	    "5: [program:web] has workers and workers_per_cpu" },
	{ WEB "workers = 2\nnumprocs = 2\n",
	    "5: [program:web] has numprocs and workers:" },
	{ WEB "numprocs = 2\nworkers_per_cpu = 1\n",
	    "4: [program:web] has numprocs and workers_per_cpu:" },
	{ WEB "stopasgroup = true\nkillasgroup = false\n",
	    "5: [program:web] stopasgroup = true needs killasgroup" },
	{ WEB "backoff_min = 1m\n",
	    "4: [program:web] backoff_min is longer than backoff_max" },
	{ WEB "ready = fd:4\nsocket = a=80,b=81\n",
	    "4: [program:web] ready = fd:4: descriptors 3 to 4 are its "
	    "sockets, use fd:5 or more" },
	{ WEB "ready = tcp:example.org:80\n",
	    "4: [program:web] ready: 'example.org' is not an address: use an "
	    "address or localhost, names are not looked up" },
	{ WEB "ready = tcp:web\n",
	    "4: [program:web] ready: 'web' has no port" },
	{ WEB "ready = tcp:0\n",
	    "4: [program:web] ready: '0' is not a port from 1 to 65535" },
	{ WEB "ready = tcp:[::1\n",
	    "4: [program:web] ready: '[::1' is not [ADDR]:PORT" },
	{ WEB "workers = 2\nready = tcp:6553%(process_num)d5\n",
	    "5: [program:web] ready: '655305' is not a port" },
	{ WEB "ready = http:80/a%%20b 700\n",
	    "4: [program:web] ready: '700' is no range of HTTP" },
	{ WEB "ready = http:80/ 300-200\n",
	    "4: [program:web] ready: '300-200' is no range of HTTP" },
	{ WEB "ready = http:/x\n", "4: [program:web] ready: it has no port" },
	{ WEB "ready = http:80?x\n",
	    "4: [program:web] ready: a path begins with /" },
	{ WEB "ready = http+unix:\n",
	    "4: [program:web] ready: 'unix:' has no path" },
	{ WEB "ready = log:a(b\n",
	    "4: [program:web] ready: pattern 'a(b': Unmatched (" },
	{ WEB "ready = log:50%\n", "4: [program:web] ready: " },
	{ WEB "health_action = restart\n",
	    "4: [program:web] health_action: there is no health=" },
	{ WEB "health = watchdog\nhealth_timeout = 1\n",
	    "5: [program:web] health_timeout: a watchdog is not asked" },
	{ WEB "health = tcp:example.org:80\n",
	    "4: [program:web] health: 'example.org' is not an address" },
	{ WEB "health = exec:'\n", "4: [program:web] health: " },
	{ WEB "ready_interval = 1\n",
	    "4: [program:web] ready_interval is for ready = tcp:" },
	{ WEB "wait_port_timeout = 1\n",
	    "4: [program:web] wait_port_timeout: there is no wait_port_free=" },
	{ WEB "wait_port_free = 80, unix:/x\n",
	    "4: [program:web] wait_port_free: 'unix:/x' is not a port, " },
	{ WEB "wait_port_free = 80?backlog=1\n",
	    "4: [program:web] wait_port_free: '80?backlog=1' is not a port" },
	{ WEB "wait_port_free = web\n",
	    "4: [program:web] wait_port_free: 'web' is not tcp://" },
	{ WEB "wait_port_free = ,\n",
	    "4: [program:web] wait_port_free: it names no port" },
	{ WEB "wait_port_free = %(ENV_NONE)s\n",
	    "4: [program:web] wait_port_free: " },
	{ WEB "wait_port_free = 80\nworkers = 2\n",
	    "4: [program:web] wait_port_free: tcp://*:80 is of several "
	    "workers, of which only one can have it" },
	{ WEB "wait_port_free = 81, tcp://127.0.0.1:80\nsocket = 80\n",
	    "4: [program:web] wait_port_free: tcp://127.0.0.1:80 is in socket= "
	    "of [program:web]" },
	{ WEB "process_name = x\nworkers = 2\n",
	    "4: [program:web] process_name: with several workers it needs" },
	{ WEB "process_name = x\nworkers = auto\n",
	    "4: [program:web] process_name: with several workers it needs" },
	{ WEB "rlimit_nofile = 9:8\n",
	    "4: [program:web] rlimit_nofile: '9:8': the soft limit" },

	{ WEB "[group:g]\nprograms = web,wbe\n",
	    "5: [group:g] names 'wbe', but there is no such program; did you "
	    "mean 'web'?" },
	{ WEB "[group:g]\nprograms = web\n[group:h]\nprograms = web\n",
	    "7: program 'web' is in [group:g] already" },
	{ WEB "[group:g]\n", "4: [group:g] needs programs" },
	{ WEB "[program:api]\ncommand = sh\n[group:web]\nprograms = api\n",
	    "6: [group:web] has the name of a program that is not in it" },

	{ WEB "socket = 80\n[program:x]\ncommand = sh\nsocket = 80\n",
	    "7: [program:x] socket tcp://*:80 is in use by program 'web' "
	    "(/etc/r.conf:4)" },
	{ WEB "socket = tcp://localhost:80\n[program:x]\ncommand = sh\n"
	      "socket = 80\n",
	    "7: [program:x] socket tcp://*:80 is in use by program 'web'" },
	{ WEB "socket = a=80,b=tcp://127.0.0.1:80\n",
	    "4: [program:web] socket tcp://127.0.0.1:80 overlaps" },
	{ WEB "socket = unix:s\n[program:x]\ncommand = sh\n"
	      "socket = unix:/etc/s\n",
	    "7: [program:x] socket unix:/etc/s is in use by program 'web'" },
	{ "[reeve]\nsocket = /etc/s\n[program:x]\ncommand = sh\n"
	  "socket = unix:s\n",
	    "5: [program:x] socket unix:/etc/s is reeved's own" },
	{ WEB "stdout_logfile = /l\n[program:x]\ncommand = sh\n"
	      "stderr_logfile = /l\n",
	    "7: [program:x] stderr_logfile: /l is a log of program 'web'" },
	{ WEB "[include]\nfiles = x\n", "4: [include] needs a config that is" },
};

START_TEST(one_mistake_is_one_error)
{
	char want[256];

	load(wrong[_i].text);
	ck_assert_ptr_null(cf);
	ck_assert_msg(errs.errors.n == 1, "%zu errors: %s, %s", errs.errors.n,
	    errs.errors.v[0], errs.errors.n > 1 ? errs.errors.v[1] : "");
	snprintf(want, sizeof want, "/etc/r.conf:%s", wrong[_i].error);
	ck_assert_msg(
	    str_starts(errs.errors.v[0], want), "%s", errs.errors.v[0]);
}
END_TEST

START_TEST(five_mistakes_are_five_errors)
{
	load("[reeve]\nloglevel = loud\n"   /* 2 */
	     "[program:web]\ncomand = sh\n" /* 4 */
	     "startsecs = soon\n"           /* 5 */
	     "[program:api]\n"              /* 6: no command */
	     "user = no-such-user\n"        /* 7 */
	     "[program:ok]\ncommand = sh\n");
	ck_assert_ptr_null(cf);
	ck_assert_uint_eq(errs.errors.n, 5);
	ck_assert(str_starts(errs.errors.v[0], "/etc/r.conf:2: "));
	ck_assert(str_starts(errs.errors.v[1], "/etc/r.conf:4: "));
	ck_assert(str_starts(errs.errors.v[2], "/etc/r.conf:5: "));
	ck_assert(str_starts(errs.errors.v[3], "/etc/r.conf:6: "));
	ck_assert(str_starts(errs.errors.v[4], "/etc/r.conf:7: "));
}
END_TEST

/* --- what may be wrong -----------------------------------------------------
 */

static const struct {
	const char *text;
	const char *warning; /* NULL: none */
} doubtful[] = {
	{ WEB, NULL },
	{ "[reeve]\n[program:web]\ncommand = no-such-tool\n",
	    "3: [program:web] command: can't find command 'no-such-tool'" },
	{ WEB "directory = /no/such\n",
	    "4: [program:web] directory /no/such: No such file" },
	{ WEB " autorestart = true\n",
	    "3: 'autorestart = true' is indented and so it is part of key "
	    "'command'" },
	{ WEB "  [program:x]\n", "3: '[program:x]' is indented" },
	{ WEB "  [x] --color=y\n", NULL },
	{ WEB "roll_surge = 0\nsocket = 80\n",
	    "4: [program:web] has one worker and roll_surge = 0" },
	{ WEB "roll_surge = 0\nsocket = 80\nworkers = 2\n", NULL },
	{ WEB "workers = 2\nstdout_logfile = /l\n",
	    "5: [program:web] stdout_logfile: all slots rotate the same" },
	{ WEB "stdout_logfile = /l\nstderr_logfile = /l\n",
	    "5: [program:web] stderr_logfile: stdout and stderr rotate" },
	{ WEB "stdout_logfile = /l\n[program:x]\ncommand = sh\n"
	      "stdout_logfile = /l\nstdout_logfile_maxbytes = 0\n",
	    NULL },
	{ WEB "stdout_logfile = /dev/stdout\n[program:x]\ncommand = sh\n"
	      "stdout_logfile = /dev/stdout\n",
	    NULL },
	{ WEB "env_file = /no/such\nenvironment = A=\"%(ENV_FROM_FILE)s\"\n",
	    "4: [program:web] env_file /no/such: No such file" },
	{ WEB "env_file = -/no/such\n", NULL },
	{ WEB "stderr_logfile = /no/such/x.log\n",
	    "4: [program:web] stderr_logfile: folder /no/such: No such" },
};

START_TEST(doubts_are_warnings)
{
	char want[256];

	must_load(doubtful[_i].text);
	if (doubtful[_i].warning == NULL) {
		ck_assert_msg(errs.warnings.n == 0, "%s", errs.warnings.v[0]);
		return;
	}
	ck_assert_uint_eq(errs.warnings.n, 1);
	snprintf(want, sizeof want, "/etc/r.conf:%s", doubtful[_i].warning);
	ck_assert_msg(
	    str_starts(errs.warnings.v[0], want), "%s", errs.warnings.v[0]);
}
END_TEST

START_TEST(only_root_becomes_another_user)
{
	char *text = xasprintf(WEB "user = %u\n", (unsigned)geteuid());

	must_load(text);
	free(text);
	load(WEB "user = root\n");
	if (geteuid() == 0) {
		ck_assert_ptr_nonnull(cf);
		return;
	}
	ck_assert_uint_eq(errs.errors.n, 1);
	ck_assert_str_eq(errs.errors.v[0],
	    "/etc/r.conf:4: [program:web] user = root: only root can become "
	    "another user");
}
END_TEST

static const struct {
	const char *line, *error;
} rights[] = {
	{ "nice = -1", "nice: only root with CAP_SYS_NICE" },
	{ "group = 12345", "group: only root with CAP_SETGID can change the "
			   "group: run reeved as root, or remove the key" },
	{ "supplementary_groups = none",
	    "supplementary_groups: only root with CAP_SETGID can" },
	{ "chroot = /", "chroot: only root with CAP_SYS_CHROOT can" },
	{ "private_tmp = true", "private_tmp: only root with CAP_SYS_ADMIN" },
	{ "read_only = /usr", "read_only: only root with CAP_SYS_ADMIN can" },
	{ "ioprio = realtime:4", "ioprio: only root with CAP_SYS_NICE can" },
	{ "capabilities = none", "capabilities: only root with CAP_SETPCAP" },
	{ "capabilities = all", "capabilities: reeved has none to pass on" },
};

START_TEST(keys_that_need_rights)
{
	const char *forks = getenv("CK_FORK");
	char *text = xasprintf(WEB "%s\n", rights[_i].line), *want;

	if (geteuid() == 0) {
		must_load(text);
		if (forks != NULL && strcmp(forks, "no") == 0)
			return;
		ck_assert_int_eq(setresgid(65534, 65534, 65534), 0);
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	}
	load(text);
	free(text);
	ck_assert_ptr_null(cf);
	ck_assert_uint_eq(errs.errors.n, 1);
	want = xasprintf("/etc/r.conf:4: [program:web] %s", rights[_i].error);
	ck_assert_msg(
	    str_starts(errs.errors.v[0], want), "%s", errs.errors.v[0]);
	free(want);
}
END_TEST

/* Root of a container may lack that right, too. */
START_TEST(a_limit_beyond_our_own)
{
	const char *forks = getenv("CK_FORK");
	struct rlimit rl;

	ck_assert_int_eq(getrlimit(RLIMIT_RTPRIO, &rl), 0);
	if (rl.rlim_max >= 50 ||
	    (geteuid() == 0 && forks != NULL && strcmp(forks, "no") == 0))
		return;
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	load(WEB "rlimit_rtprio = 50\n");
	ck_assert_ptr_null(cf);
	ck_assert_msg(
	    str_starts(errs.errors.v[0],
		"/etc/r.conf:4: [program:web] rlimit_rtprio: only root with"),
	    "%s", errs.errors.v[0]);
}
END_TEST

/* These need none. */
START_TEST(an_ordinary_box)
{
	char *text = xasprintf(WEB "group = %u\nno_new_privs = true\n"
				   "ioprio = idle\ncpu_set = 0\n",
	    (unsigned)getegid());

	must_load(text);
	free(text);
	ck_assert(!cf->programs[0]->rare->identity.set);
}
END_TEST

static const struct {
	const char *lines, *error;
} boxes[] = {
	{ "cpu_set = 0,4095",
	    "4: [program:web] cpu_set: there is no CPU 4095" },
	{ "cpu_affinity = 4095",
	    "4: [program:web] cpu_affinity: there is no CPU 4095" },
	{ "cpu_set = 0\ncpu_affinity = 0,1",
	    "5: [program:web] cpu_affinity: CPU 1 is not in cpu_set" },
	{ "rlimit_nofile = 2000000000",
	    "4: [program:web] rlimit_nofile: more than the kernel allows" },
	{ "user = 0:0\ngroup = 7",
	    "5: [program:web] group: user = 0:0 names another group" },
	{ "private_tmp = true\ndirectory = /tmp/x",
	    "4: [program:web] private_tmp: hides directory /tmp/x" },
	{ "private_tmp = true\nread_only = /tmp",
	    "5: [program:web] read_only: /tmp: with private_tmp there is" },
	{ "private_tmp = true\nread_only = /var/tmp/x",
	    "5: [program:web] read_only: /var/tmp/x: with private_tmp" },
};

START_TEST(boxes_that_contradict)
{
	char *text = xasprintf(WEB "%s\n", boxes[_i].lines), *want;
	bool found = false;

	if (geteuid() != 0)
		return;
	load(text);
	free(text);
	ck_assert_ptr_null(cf);
	want = xasprintf("/etc/r.conf:%s", boxes[_i].error);
	for (size_t i = 0; i < errs.errors.n; i++)
		found = found || str_starts(errs.errors.v[i], want);
	ck_assert_msg(found, "%s", errs.errors.v[0]);
	free(want);
}
END_TEST

static const struct {
	const char *lines;
	bool set;
	gid_t gid;
	size_t n;
	gid_t groups[3];
} identities[] = {
	{ "", false, 0, 0, { 0 } },
	{ "user = 0", false, 0, 0, { 0 } },
	{ "user = 12345:12346", true, 12346, 1, { 12346 } },
	{ "user = 12345:12346\ngroup = 12346", true, 12346, 1, { 12346 } },
	{ "user = 0:7", true, 7, 1, { 7 } },
	{ "group = 7", true, 7, 1, { 7 } },
	{ "supplementary_groups = 8,9", true, 0, 3, { 0, 8, 9 } },
	{ "supplementary_groups = none", true, 0, 1, { 0 } },
	{ "user = 12345:7\nsupplementary_groups = none,7,8", true, 7, 2,
	    { 7, 8 } },
};

START_TEST(who_a_program_is)
{
	char *text = xasprintf(WEB "%s\n", identities[_i].lines);
	const struct config_identity *id;

	if (geteuid() != 0)
		return;
	must_load(text);
	free(text);
	id = &cf->programs[0]->rare->identity;
	ck_assert_int_eq(id->set, identities[_i].set);
	ck_assert_uint_eq(id->ngroups, identities[_i].n);
	if (!id->set)
		return;
	ck_assert_uint_eq(id->gid, identities[_i].gid);
	for (size_t i = 0; i < id->ngroups; i++)
		ck_assert_uint_eq(id->groups[i], identities[_i].groups[i]);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, nothing_is_needed);
	tcase_add_test(tc, paths_for_root_and_others);
	tcase_add_test(tc, a_program_and_its_defaults);
	tcase_add_test(tc, a_program_outlives_its_config);
	tcase_add_test(tc, numbers_of_workers);
	tcase_add_test(tc, order_of_programs);
	tcase_add_test(tc, a_section_may_be_in_parts);
	tcase_add_test(tc, names_are_expanded_at_load);
	tcase_add_test(tc, long_names_and_commands);
	tcase_add_loop_test(
	    tc, one_mistake_is_one_error, 0, sizeof wrong / sizeof *wrong);
	tcase_add_test(tc, five_mistakes_are_five_errors);
	tcase_add_loop_test(
	    tc, doubts_are_warnings, 0, sizeof doubtful / sizeof *doubtful);
	tcase_add_test(tc, only_root_becomes_another_user);
	tcase_add_loop_test(tc, keys_that_need_rights, 0,
	    (int)(sizeof rights / sizeof *rights));
	tcase_add_test(tc, a_limit_beyond_our_own);
	tcase_add_test(tc, an_ordinary_box);
	tcase_add_loop_test(
	    tc, boxes_that_contradict, 0, (int)(sizeof boxes / sizeof *boxes));
	tcase_add_loop_test(tc, who_a_program_is, 0,
	    (int)(sizeof identities / sizeof *identities));
}

int
main(void)
{
	return try_main("config", add_tests, setup, teardown);
}
