/*
 * config_value_test - good and bad values of every type, by a key that has it.
 *
 * A good row tells how the value is written back, which reads the same again;
 * a bad one what the error must say.
 */
#include "config/jobs.h"
#include "config/value.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

struct row {
	enum schema_id key;
	const char *text;
	const char *good; /* NULL: it is bad */
	const char *bad;
};

#define P(key) SCHEMA_PROGRAM_##key
#define K(key) SCHEMA_TASK_##key
#define R(key) SCHEMA_REEVE_##key

static const struct row rows[] = {
	/* BOOL */
	{ P(autostart), "true", "true", NULL },
	{ P(autostart), "YES", "true", NULL },
	{ P(autostart), "on", "true", NULL },
	{ P(autostart), "1", "true", NULL },
	{ P(autostart), "False", "false", NULL },
	{ P(autostart), "no", "false", NULL },
	{ P(autostart), "off", "false", NULL },
	{ P(autostart), "0", "false", NULL },
	{ P(autostart), "y", NULL, "'y' is not true, false, " },
	{ P(autostart), "", NULL, "'' is not true" },

	/* INT, COUNT and their ranges */
	{ P(priority), "-5", "-5", NULL },
	{ P(priority), "+5", "5", NULL },
	{ P(priority), "007", "7", NULL },
	{ P(priority), "1.5", NULL, "'1.5' is not an integer" },
	{ P(priority), "0x10", NULL, "not an integer" },
	{ P(priority), "", NULL, "not an integer" },
	{ P(priority), "9223372036854775808", NULL, "not an integer" },
	{ P(nice), "-20", "-20", NULL },
	{ P(nice), "19", "19", NULL },
	{ P(nice), "20", NULL, "'20' is not within -20 and 19" },
	{ P(nice), "-21", NULL, "not within -20 and 19" },
	{ P(oom_score_adj), "-1000", "-1000", NULL },
	{ P(oom_score_adj), "1001", NULL, "not within -1000 and 1000" },
	{ P(roll_batch), "1", "1", NULL },
	{ P(roll_batch), "0", NULL, "not within 1 and" },
	{ P(roll_surge), "0", "0", NULL },
	{ P(roll_surge), "-1", NULL, "not within 0 and" },
	{ P(stdout_logfile_backups), "10000", "10000", NULL },
	{ P(stdout_logfile_backups), "10001", NULL, "within 0 and 10000" },
	{ R(logfile_backups), "-1", NULL, "within 0 and 10000" },
	{ P(workers_per_cpu), "2", "2", NULL },
	{ P(workers_per_cpu), "0", NULL, "within 1 and" },
	{ P(numprocs), "10000", "10000", NULL },
	{ P(numprocs), "10001", NULL, "within 0 and 10000" },

	/* WORKERS, RETRIES */
	{ P(workers), "auto", "auto", NULL },
	{ P(workers), "Auto", "auto", NULL },
	{ P(workers), "0", "0", NULL },
	{ P(workers), "10001", NULL, "not auto or an integer from 0 to 10000" },
	{ P(workers), "many", NULL, "'many' is not auto or" },
	{ P(startretries), "unlimited", "unlimited", NULL },
	{ P(startretries), "3", "3", NULL },
	{ P(startretries), "-1", NULL, "'-1' is not unlimited or" },

	/* OCTAL, UMASK */
	{ R(socket), "none", "none", NULL },
	{ R(socket), "/r/s", "/r/s", NULL },
	{ R(socket), "", NULL, "no path is given" },
	{ R(socket_chmod), "0660", "0660", NULL },
	{ R(socket_chmod), "660", "0660", NULL },
	{ R(socket_chmod), "0o660", "0660", NULL },
	{ R(socket_chmod), "689", NULL, "'689' is not an octal mode" },
	{ R(socket_chmod), "77777", NULL, "not an octal mode" },
	{ R(socket_chmod), "", NULL, "not an octal mode" },
	{ P(umask), "022", "0022", NULL },
	{ P(umask), "0", "0000", NULL },
	{ P(umask), "rwx", NULL, "not an octal mode" },

	/* DURATION */
	{ P(startsecs), "0", "0", NULL },
	{ P(startsecs), "10", "10", NULL },
	{ P(startsecs), "1.5", "1500ms", NULL },
	{ P(startsecs), "0.25", "250ms", NULL },
	{ P(startsecs), "500ms", "500ms", NULL },
	{ P(startsecs), "2s", "2", NULL },
	{ P(startsecs), "1m30s", "90", NULL },
	{ P(startsecs), "1m 30s", "90", NULL },
	{ P(startsecs), "1 h", "3600", NULL },
	{ P(startsecs), "1.5h", "5400", NULL },
	{ P(startsecs), "2D", "172800", NULL },
	{ P(startsecs), "1m30", NULL, "'1m30' is not a duration" },
	{ P(startsecs), "10 20", NULL, "not a duration" },
	{ P(startsecs), "10x", NULL, "not a duration" },
	{ P(startsecs), "-1", NULL, "not a duration" },
	{ P(startsecs), "", NULL, "not a duration" },
	{ P(startsecs), ".5", NULL, "not a duration" },
	{ P(startsecs), "1.", NULL, "not a duration" },
	{ P(startsecs), "99999999999999999999", NULL, "not a duration" },
	{ P(startsecs), "9999999999d", NULL, "more than 3650 days" },
	{ P(startsecs), "9223372036854775d", NULL, "not a duration" },
	{ P(backoff_min), "1ms", "1ms", NULL },
	{ P(backoff_min), "0", NULL, "'0' is less than 1 ms" },

	/* BYTES */
	{ P(stdout_logfile_maxbytes), "0", "0", NULL },
	{ P(stdout_logfile_maxbytes), "1000", "1000", NULL },
	{ P(stdout_logfile_maxbytes), "50MB", "50MB", NULL },
	{ P(stdout_logfile_maxbytes), "50 mb", "50MB", NULL },
	{ P(stdout_logfile_maxbytes), "1024K", "1MB", NULL },
	{ P(stdout_logfile_maxbytes), "2GiB", "2GB", NULL },
	{ P(stdout_logfile_maxbytes), "3k", "3KB", NULL },
	{ P(stdout_logfile_maxbytes), "unlimited", NULL, "not a size" },
	{ P(stdout_logfile_maxbytes), "-1", NULL, "'-1' is not a size" },
	{ P(stdout_logfile_maxbytes), "1.5MB", NULL, "not a size" },
	{ P(stdout_logfile_maxbytes), "1XB", NULL, "not a size" },
	{ P(stdout_logfile_maxbytes), "9999999999GB", NULL, "not a size" },

	/* RLIMIT, RLIMIT_COUNT */
	{ P(rlimit_as), "1GB", "1GB", NULL },
	{ P(rlimit_as), "512MB:1GB", "512MB:1GB", NULL },
	{ P(rlimit_as), "0:unlimited", "0:unlimited", NULL },
	{ P(rlimit_core), "unlimited", "unlimited", NULL },
	{ P(rlimit_as), "2GB:1GB", NULL, "soft limit is above the hard" },
	{ P(rlimit_as), "unlimited:1", NULL, "soft limit is above" },
	{ P(rlimit_as), "lots", NULL, "'lots' is not a limit" },
	{ P(rlimit_nofile), "1024:4096", "1024:4096", NULL },
	{ P(rlimit_nofile), "64K", NULL, "'64K' is not a limit" },
	{ P(rlimit_nofile), ":", NULL, "not a limit" },

	/* SIGNAL */
	{ P(stopsignal), "TERM", "TERM", NULL },
	{ P(stopsignal), "sigusr2", "USR2", NULL },
	{ P(stopsignal), "15", "TERM", NULL },
	{ P(stopsignal), "SIGRTMIN+2", "RTMIN+2", NULL },
	{ P(stopsignal), "0", NULL, "'0' is not a signal" },
	{ P(stopsignal), "TRM", NULL, "'TRM' is not a signal" },
	{ P(stopsignal), "99", NULL, "not a signal" },

	/* EXITCODES */
	{ P(exitcodes), "0", "0", NULL },
	{ P(exitcodes), "2, 0 ,255", "0,2,255", NULL },
	{ P(exitcodes), "", "", NULL },
	{ P(exitcodes), "SIGTERM,2,int", "2,SIGINT,SIGTERM", NULL },
	{ P(exitcodes), "SIGTRM", NULL, "not a signal such as SIGTERM" },
	{ P(exitcodes), "256", NULL, "'256' is not an exit code" },
	{ P(exitcodes), "0,,1", NULL, "'' is not an exit code" },
	{ P(exitcodes), "one", NULL, "not an exit code" },

	/* words */
	{ P(autorestart), "unexpected", "unexpected", NULL },
	{ P(autorestart), "Yes", "true", NULL },
	{ P(autorestart), "always", "true", NULL },
	{ P(autorestart), "on-failure", "on-failure", NULL },
	{ P(autorestart), "never", "never", NULL },
	{ P(essential), "on-fatal", "on-fatal", NULL },
	{ P(essential), "main", "main", NULL },
	{ R(on_hup), "pass", "pass", NULL },
	{ R(on_usr1), "reload", NULL, "'reload' is not" },
	{ P(stdin), "inherit", "inherit", NULL },
	{ P(stdin), "tty", NULL, "'tty' is not" },
	{ P(output), "inherit", "inherit", NULL },
	{ P(output), "stdout", NULL, "'stdout' is not" },
	{ P(essential), "maybe", NULL, "'maybe' is not" },

	/* RATE */
	{ P(restart_limit), "5/1m", "5/1m", NULL },
	{ P(restart_limit), "none", "none", NULL },
	{ P(restart_limit), "5", NULL, "not a NUMBER/DURATION such as 5/1m" },
	{ P(restart_limit), "0/1m", NULL, "'0'" },
	{ P(restart_limit), "21/1m", NULL, "'21'" },
	{ P(restart_limit), "5/0", NULL, "less than 1 ms" },
	{ P(restart_limit), "5/soon", NULL, "not a duration" },
	{ R(restart_rate), "1000000/1s", "1000000/1s", NULL },
	{ R(cpu_slots), "Auto", "auto", NULL },
	{ R(cpu_slots), "1", "1", NULL },
	{ R(cpu_slots), "0", NULL, "'0' is not auto or an integer from 1" },
	{ R(cpu_slots), "4097", NULL, "to 4096" },
	{ R(jobserver), "FIFO", "fifo", NULL },
	{ R(jobserver), "false", "no", NULL },
	{ R(jobserver), "pipe", NULL,
	    "'pipe' is not auto, fifo, fds, no, yes" },
	{ P(autorestart), "off", "false", NULL },
	{ P(autorestart), "maybe", NULL, "'maybe' is not true, false" },
	{ P(socket_mode), "reuseport", "reuseport", NULL },
	{ P(socket_mode), "node", NULL, "'node' is not shared or reuseport" },
	{ R(loglevel), "DEBUG", "debug", NULL },
	{ R(loglevel), "warning", NULL, "not debug, info, warn or error" },
	{ SCHEMA_CTL_color, "never", "never", NULL },
	{ SCHEMA_CTL_color, "blue", NULL, "not auto, always or never" },

	/* ALLOW */
	{ R(allow), "none", "none", NULL },
	{ R(allow), "read: everyone; stop web: uid 7",
	    "read: everyone; stop web: uid 7", NULL },
	{ R(allow), "raed: everyone", NULL, "did you mean 'read'" },

	/* READY, AFFINITY */
	{ P(ready), "delay", "delay", NULL },
	{ P(ready), "Notify", "notify", NULL },
	{ P(ready), "fd:7", "fd:7", NULL },
	{ P(ready), "fd:2", NULL, "'fd:2' is not delay, notify, ipc, fd:N" },
	{ P(ready), "fd:256", NULL, "N from 3 to 255" },
	{ P(ready), "IPC", "ipc", NULL },
	{ P(ready), "tcp:80", "tcp:80", NULL },
	{ P(ready), "http://[::1]:80%(process_num)d/x 200",
	    "http://[::1]:80%(process_num)d/x 200", NULL },
	{ P(ready), "unix:/run/x", "unix:/run/x", NULL },
	{ P(ready), "log:listening on", "log:listening on", NULL },
	{ P(ready), "log:", NULL, "'log:' is not delay, notify" },
	{ P(ready), "https://x/", NULL, "TLS is not spoken" },
	{ P(ready), "exec:true", "exec:true", NULL },
	{ P(health), "None", "none", NULL },
	{ P(health), "watchdog", "watchdog", NULL },
	{ P(health), "tcp:80", "tcp:80", NULL },
	{ P(health), "exec:test -e x", "exec:test -e x", NULL },
	{ P(health), "notify", NULL, "'notify' is not none, watchdog" },
	{ P(health), "https://x/", NULL, "TLS is not spoken" },
	{ P(health_action), "Restart", "restart", NULL },
	{ P(health_action), "kill", NULL, "'kill' is not roll, restart or" },
	{ P(health_failures), "0", NULL, "within 1 and" },
	{ P(ready), "80", NULL, "'80' is not delay" },
	{ P(cpu_max), "none", "none", NULL },
	{ P(cpu_max), "50%", "50%", NULL },
	{ P(cpu_max), "250%", "250%", NULL },
	{ P(cpu_max), "50000/100000", "50%", NULL },
	{ P(cpu_max), "5000/50000", "5000/50000", NULL },
	{ P(cpu_max), "0%", NULL, "is not none, a percentage" },
	{ P(cpu_max), "50", NULL, "a percentage" },
	{ P(cpu_max), "%", NULL, "a percentage" },
	{ P(cpu_max), "", NULL, "a percentage" },
	{ P(cpu_max), "50000/10", NULL, "QUOTA/PERIOD" },
	{ P(cpu_max), "10/50000", NULL, "QUOTA at least 1000" },
	{ P(cpu_max), "1/2/3", NULL, "QUOTA/PERIOD" },
	{ P(restart_at), "30 4 * * mon-fri", "30 4 * * mon-fri", NULL },
	{ P(restart_at), "@every 12h", "@every 12h", NULL },
	{ K(timezone), "UTC", "UTC", NULL },
	{ K(timezone), "Mars/Olympus", NULL,
	    "there is no time zone 'Mars/Olympus'" },
	{ K(timezone), "../passwd", NULL, "is no name of a time zone" },
	{ K(overlap), "Queue", "queue", NULL },
	{ K(overlap), "wait", NULL, "is not skip, queue or kill" },
	{ K(on_crash), "retry", "retry", NULL },
	{ K(on_crash), "again", NULL, "is not adopt, retry or fail" },
	{ K(catch_up), "all", "all", NULL },
	{ K(catch_up), "yes", NULL, "is not no, once or all" },
	{ K(then), "roll web", "roll web", NULL },
	{ K(then), " task: a ,Restart  b\nstart c, stop d",
	    "task:a, restart b, start c, stop d", NULL },
	{ K(then), "", "", NULL },
	{ K(then), "task a", NULL, "'task a' is not task:NAME, or roll" },
	{ K(then), "roll:web", NULL, "'roll:web' is not" },
	{ K(then), "roll web api", NULL, "'roll web api' is not" },
	{ K(then), "roll", NULL, "'roll' is not" },
	{ K(on_failure), "mail me", NULL, "'mail me' is not" },
	{ K(on_change), "src/**,*.{c,h} !x\n  a\\ b",
	    "src/**, *.{c,h}, !x, a\\ b", NULL },
	{ K(on_change), "", NULL, "there is no pattern" },
	{ K(on_change), "!a", NULL, "the first pattern" },
	{ K(on_change), "[a", NULL, "[ without ]" },
	{ K(on_change), "a, a", NULL, "'a' stands there twice" },
	{ K(on_change_exclude), "/a !b c/", "/a, !b, c/", NULL },
	{ K(on_change_exclude), "{a", NULL, "{ without }" },
	{ P(watch), "src/** ->roll", "src/** -> roll", NULL },
	{ P(watch), "a b -> task:build -> RESTART web",
	    "a, b -> build -> restart web", NULL },
	{ P(watch), "src/**", NULL, "it is PATTERNS -> roll" },
	{ P(watch), "a -> b -> c -> roll", NULL, "it is PATTERNS -> roll" },
	{ P(watch), "a -> build", NULL, "'build' is not roll or restart" },
	{ P(watch), "a -> b c -> roll", NULL, "'b c' is not the name of" },
	{ P(watch), "a -> roll b c", NULL, "'b c' is not the name of" },
	{ P(watch), "-> roll", NULL, "there is no pattern" },
	{ P(restart_at), "30 4", NULL, "day of month is missing" },
	{ P(restart_at), "", NULL, "minute is missing" },
	{ P(cpu_affinity), "none", "none", NULL },
	{ P(cpu_affinity), "auto", "auto", NULL },
	{ P(cpu_affinity), "0,2-4,3", "0,2,3,4", NULL },
	{ P(cpu_affinity), "4-2", NULL, "'4-2' is not none, auto or a list" },
	{ P(cpu_affinity), "", NULL, "not none" },
	{ P(cpu_affinity), "a", NULL, "not none" },

	{ P(cpu_set), "0-2,5,1", "0,1,2,5", NULL },
	{ P(cpu_set), "auto", NULL, "'auto' is not a list of CPUs" },
	{ P(cpu_set), "", NULL, "'' is not a list of CPUs" },
	{ P(cpu_set), "3-1", NULL, "not a list of CPUs such as 0-3,5" },

	/* GROUP, GROUPS */
	{ P(group), "root", "root", NULL },
	{ P(group), "12345", "12345", NULL },
	{ P(group), "", "", NULL },
	{ P(group), "nogrp-x", NULL, "no such group 'nogrp-x'" },
	{ P(supplementary_groups), "root, 12", "root,12", NULL },
	{ P(supplementary_groups), "None, 12", "none,12", NULL },
	{ P(supplementary_groups), "none", "none", NULL },
	{ P(supplementary_groups), "12, none", NULL, "only be the first" },
	{ P(supplementary_groups), "12,nogrp-x", NULL, "no such group" },

	/* CAPS, IOPRIO, PATHS */
	{ P(capabilities), "ALL", "all", NULL },
	{ P(capabilities), "none", "none", NULL },
	{ P(capabilities), "cap_net_raw, CHOWN", "CAP_CHOWN,CAP_NET_RAW",
	    NULL },
	{ P(capabilities), "checkpoint_restore", "CAP_CHECKPOINT_RESTORE",
	    NULL },
	{ P(capabilities), "CAP_NET_BIND_SERVICES", NULL,
	    "did you mean CAP_NET_BIND_SERVICE?" },
	{ P(capabilities), "everything", NULL, "all, none or names of" },
	{ P(capabilities), "all,chown", NULL, "'all' is no capability" },
	{ P(capabilities), "", NULL, "it is empty" },
	{ P(ioprio), "idle", "idle", NULL },
	{ P(ioprio), "3", "idle", NULL },
	{ P(ioprio), "None", "none", NULL },
	{ P(ioprio), "best-effort", "best-effort:4", NULL },
	{ P(ioprio), "2:7", "best-effort:7", NULL },
	{ P(ioprio), "realtime:0", "realtime:0", NULL },
	{ P(ioprio), "best-effort:8", NULL, "with a level from 0" },
	{ P(ioprio), "best-effort:", NULL, "with a level from 0" },
	{ P(ioprio), "4:1", NULL, "is not realtime:LEVEL" },
	{ P(ioprio), "", NULL, "is not realtime:LEVEL" },
	{ P(ioprio), "idle:2", NULL, "idle has no level" },
	{ P(read_only), "/, /srv/x//", "/,/srv/x", NULL },
	{ P(read_only), "", "", NULL },
	{ P(read_only), "srv", NULL, "'srv' is not an absolute path" },
	{ P(read_only), "/a/../b", NULL, "has .. in it" },
	{ P(read_only), "/a/..", NULL, "has .. in it" },
	{ P(read_only), "/a,/a/", NULL, "stands there twice" },
	{ P(chroot), "jail", "/here/jail", NULL },
	{ P(chroot), "", NULL, "no path" },

	/* USER, OWNER */
	{ P(user), "root", "root", NULL },
	{ P(user), "0", "0", NULL },
	{ P(user), "no-such-user", NULL, "no such user 'no-such-user'" },
	{ P(user), "4000000000", NULL, "its group must be given" },
	{ P(user), "4000000000:7", "4000000000:7", NULL },
	{ R(socket_chown), "root:root", "root:root", NULL },
	{ R(socket_chown), "root:nogrp-x", NULL, "no such group 'nogrp-x'" },

	/* STR, TEMPLATE, PATH, LOGFILE, LIST */
	{ R(identifier), "a b", "a b", NULL },
	{ P(directory), "", "", NULL },
	{ R(state_dir), "x", "/here/x", NULL },
	{ R(state_dir), "./x", "/here/x", NULL },
	{ R(state_dir), "/x", "/x", NULL },
	{ R(state_dir), "~/x", "/home/me/x", NULL },
	{ R(state_dir), "", NULL, "no path" },
	{ P(stdout_logfile), "none", "NONE", NULL },
	{ P(stdout_logfile), "off", "NONE", NULL },
	{ P(stdout_logfile), "", "NONE", NULL },
	{ P(stdout_logfile), "auto", "AUTO", NULL },
	{ P(stdout_logfile), "/x/%(process_num)d", "/x/%(process_num)d", NULL },
	{ P(stdout_logfile), "syslog", NULL, "'syslog' is not supported" },
	{ SCHEMA_GROUP_programs, "a, b\nc,", "a,b,c", NULL },
	{ SCHEMA_GROUP_programs, "a,a", NULL, "'a' stands there twice" },
	{ SCHEMA_GROUP_restart_rate, "20/1m", "20/1m", NULL },
	{ SCHEMA_GROUP_restart_rate, "none", "none", NULL },

	/* DEPENDS */
	{ P(depends_on), "", "", NULL },
	{ P(depends_on), "db, m:done\nc:started,", "db:ready,m:done,c:started",
	    NULL },
	{ P(depends_on), "db, db:ready", NULL,
	    "'db:ready' stands there twice" },
	{ P(depends_on), "db:started, db", "db:started,db:ready", NULL },
	{ P(depends_on), "db:up", NULL,
	    "'db:up': a condition is started, ready or done" },
	{ P(depends_on), "db:", NULL,
	    "'db:': a condition is started, ready or done" },
	{ P(depends_on), ":ready", NULL,
	    "':ready' does not begin with a program's name" },

	/* ENV */
	{ P(environment), "", "", NULL },
	{ P(environment), "A=1", "A=\"1\"", NULL },
	{ P(environment), "A=1,B=2", "A=\"1\", B=\"2\"", NULL },
	{ P(environment), "A=1;B=2 , ", "A=\"1\", B=\"2\"", NULL },
	{ P(environment), "A=1\nB=2,\nC=3", "A=\"1\", B=\"2\", C=\"3\"", NULL },
	{ P(environment), "A = \"x, y;z\"", "A=\"x, y;z\"", NULL },
	{ P(environment), "A='say \"hi\"'", "A=\"say \\\"hi\\\"\"", NULL },
	{ P(environment), "A=\"a\\\\b\\c\"", "A=\"a\\\\b\\\\c\"", NULL },
	{ P(environment), "A=", "A=\"\"", NULL },
	{ P(environment), "A=http://h/p?a=b", "A=\"http://h/p?a=b\"", NULL },
	{ P(environment), "A=$HOME", "A=\"$HOME\"", NULL },
	{ P(environment), "A=1 B=2", NULL, "at character 5, 'B=2': a comma" },
	{ P(environment), "A=\"x\"\"y\"", NULL, "character 6" },
	{ P(environment), "A=\"x", NULL, "never closed" },
	{ P(environment), "A=don't", NULL, "a quote inside a value" },
	{ P(environment), "A", NULL, "= is missing" },
	{ P(environment), "=1", NULL, "character 1, '=1': this is not KEY" },
	{ P(environment), "1A=2", NULL, "not KEY" },
	{ P(environment), "A B=2", NULL, "not KEY" },
	{ P(environment), "A=1,,B=2", NULL, "not KEY" },
	{ P(environment), "A=1,A=2", NULL, "stands there twice" },

	/* SOCKETS */
	{ P(socket), "", "", NULL },
	{ P(socket), "8080", "tcp://*:8080", NULL },
	{ P(socket), "tcp://:80", "tcp://*:80", NULL },
	{ P(socket), "tcp://*:80", "tcp://*:80", NULL },
	{ P(socket), "tcp://0.0.0.0:80", "tcp://*:80", NULL },
	{ P(socket), "tcp://localhost:80", "tcp://127.0.0.1:80", NULL },
	{ P(socket), "TCP://127.0.0.1:80", "tcp://127.0.0.1:80", NULL },
	{ P(socket), "tcp6://[::]:80", "tcp6://[::]:80", NULL },
	{ P(socket), "tcp6://:80", "tcp6://[::]:80", NULL },
	{ P(socket), "tcp6://[0:0::1]:80", "tcp6://[::1]:80", NULL },
	{ P(socket), "unix:/a/b", "unix:/a/b", NULL },
	{ P(socket), "unix:///a/b", "unix:/a/b", NULL },
	{ P(socket), "unix:a.sock", "unix:/here/a.sock", NULL },
	{ P(socket), "unix:/a?mode=600&owner=root:root&backlog=9",
	    "unix:/a?mode=0600&owner=root:root&backlog=9", NULL },
	{ P(socket), "h=80, a.b-c=unix:/x", "h=tcp://*:80, a.b-c=unix:/x",
	    NULL },
	{ P(socket), "web=80", "tcp://*:80", NULL },
	{ P(socket), "h=80?backlog=5\ng=81",
	    "h=tcp://*:80?backlog=5, "
	    "g=tcp://*:81",
	    NULL },
	{ P(socket), "tcp://example.org:80", NULL,
	    "'example.org' is not an IPv4 address: use an address" },
	{ P(socket), "tcp6://example.org:80", NULL, "tcp6://[ADDR]:PORT" },
	{ P(socket), "tcp6://[x]:80", NULL, "'x' is not an IPv6 address" },
	{ P(socket), "tcp6://[::1]", NULL, "is not tcp6://[ADDR]:PORT" },
	{ P(socket), "tcp://[::1]:80", NULL, "needs tcp6://" },
	{ P(socket), "tcp://localhost", NULL, "has no port" },
	{ P(socket), "tcp://:0", NULL, "'0' is not a port" },
	{ P(socket), "tcp://:65536", NULL, "'65536' is not a port" },
	{ P(socket), "udp://:80", NULL, "'udp://:80' is not tcp://" },
	{ P(socket), "unix:", NULL, "has no path" },
	{ P(socket), "unix:@x", NULL, "abstract" },
	{ P(socket), "80,81", NULL, "two sockets are named 'web'" },
	{ P(socket), "a=80,b=80", NULL, "tcp://*:80 stands there twice" },
	{ P(socket), "80?mode=0600", NULL, "'mode=0600' is for unix:" },
	{ P(socket), "unix:/a?mode=9", NULL, "not an octal mode" },
	{ P(socket), "80?backlog=0", NULL, "backlog '0' is not within" },
	{ P(socket), "80?color=red", NULL, "unknown option 'color=red'" },
	{ P(socket), "unix:/a?owner=no-such-user", NULL, "no such user" },
};

/* The struct of the key's section; freed by object_free. */
static void *
object_new(enum schema_id id)
{
	switch (schema_rows[id].section) {
	case SECTION_PROGRAM:
		return config_program_new("web");
	case SECTION_TASK:
		return config_task_new("web");
	case SECTION_GROUP:
		return xcalloc(1, sizeof(struct config_group));
	case SECTION_POOL:
		return xcalloc(1, sizeof(struct config_pool));
	case SECTION_JOB:
		return xcalloc(1, sizeof(struct config_job));
	case SECTION_REEVE:
	case SECTION_CTL:
	case SECTION_INCLUDE:
	case SECTION__N:
		break;
	}
	return xcalloc(1, sizeof(struct config));
}

static void
object_free(enum schema_id id, void *object)
{
	if (schema_rows[id].section == SECTION_PROGRAM) {
		config_program_unref(object);
		return;
	}
	if (schema_rows[id].section == SECTION_TASK) {
		config_task_free(object);
		return;
	}
	value_clear(object, id);
	free(object);
}

static int
set(void *object, enum schema_id id, const char *text, struct err *err)
{
	struct value_ctx vc = {
		.object = object, .here = "/here", .program = "web"
	};

	schema_range(id, &vc.min, &vc.max);
	value_clear(object, id);
	return value_set(&vc, id, text, err);
}

static void
expect(void *object, enum schema_id id, const char *text, const char *want)
{
	struct err err = { 0 };
	struct buf got;

	buf_init(&got);
	ck_assert_msg(
	    set(object, id, text, &err) == 0, "'%s': %s", text, err.text);
	value_add(&got, object, id);
	ck_assert_str_eq(buf_str(&got), want);
	buf_fini(&got);
}

START_TEST(values_are_read_and_written_back)
{
	const struct row *row = &rows[_i];
	void *object = object_new(row->key);
	struct err err;

	setenv("HOME", "/home/me", 1);
	if (row->good != NULL) {
		expect(object, row->key, row->text, row->good);
		/* What is written back must mean the same. */
		if (*row->good != '\0')
			expect(object, row->key, row->good, row->good);
	} else {
		ck_assert_int_eq(set(object, row->key, row->text, &err), -1);
		ck_assert_msg(strstr(err.text, row->bad) != NULL, "'%s': %s",
		    row->text, err.text);
	}
	object_free(row->key, object);
}
END_TEST

START_TEST(every_type_has_rows)
{
	bool good[TYPE__N] = { false }, bad[TYPE__N] = { false };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum schema_type t = schema_rows[rows[i].key].type;

		*(rows[i].good != NULL ? &good[t] : &bad[t]) = true;
	}
	for (int t = 0; t < TYPE__N; t++) {
		/* Any text is a string. */
		bool text =
		    t == TYPE_STR || t == TYPE_TEMPLATE || t == TYPE_DIRECTORY;

		ck_assert_msg(good[t] || t == TYPE_TEMPLATE, "type %d", t);
		ck_assert_msg(bad[t] || text, "type %d", t);
	}
}
END_TEST

/* 107 bytes fit into sun_path with its NUL, 108 do not. */
START_TEST(path_of_a_socket_is_short)
{
	struct config_program *p = config_program_new("web");
	char text[128];
	struct err err;

	snprintf(text, sizeof text, "unix:/%0106d", 0);
	ck_assert_int_eq(set(p, P(socket), text, &err), 0);
	snprintf(text, sizeof text, "unix:/%0107d", 0);
	ck_assert_int_eq(set(p, P(socket), text, &err), -1);
	ck_assert(strstr(err.text, "path of 108 bytes") != NULL);
	config_program_unref(p);
}
END_TEST

START_TEST(fields_hold_what_was_written)
{
	struct config_program *p = config_program_new("web");

	expect(p, P(exitcodes), "0,9", "0,9");
	ck_assert_int_eq(p->rare->exitcodes[0], 1);
	ck_assert_int_eq(p->rare->exitcodes[1], 2);
	expect(p, P(startsecs), "1.5", "1500ms");
	ck_assert_int_eq(p->startsecs_ms, 1500);
	expect(p, P(stopsignal), "INT", "INT");
	ck_assert_int_eq(p->stopsignal, SIGINT);
	expect(p, P(rlimit_nofile), "5:6", "5:6");
	ck_assert(p->rare->rlimit[RLIMIT_NOFILE].set);
	ck_assert_uint_eq(p->rare->rlimit[RLIMIT_NOFILE].hard, 6);
	expect(p, P(socket), "a=unix:x?mode=0600", "a=unix:/here/x?mode=0600");
	ck_assert_str_eq(p->sockets.v[0].path, "/here/x");
	ck_assert_uint_eq(p->sockets.v[0].mode, 0600);
	ck_assert_int_eq(p->sockets.v[0].backlog, 4096);
	expect(p, P(socket), "127", "tcp://*:127");
	ck_assert_ptr_null(p->sockets.v[0].host);
	ck_assert_int_eq(p->sockets.v[0].port, 127);
	ck_assert_str_eq(p->sockets.v[0].name, "web");
	expect(p, P(user), "0", "0");
	ck_assert_uint_eq(p->rare->user.uid, 0);
	ck_assert_str_eq(p->rare->user.login, "root");
	ck_assert_uint_ge(p->rare->user.ngroups, 1);
	config_program_unref(p);
}
END_TEST

START_TEST(words_of_limits)
{
	struct config_rlimit rl;
	struct err err;
	int resource = -1;
	static const char *const bad[] = { "", "nofile", "=1", "no=1",
		"nofiles=1", "nofile=", "nofile=2:1", "cpu=1MB", "core=x" };

	ck_assert_int_eq(
	    value_limit_word("nofile=3:6", &resource, &rl, &err), 0);
	ck_assert_int_eq(resource, RLIMIT_NOFILE);
	ck_assert_uint_eq(rl.soft, 3);
	ck_assert_uint_eq(rl.hard, 6);
	ck_assert_int_eq(value_limit_word("as=1MB", &resource, &rl, &err), 0);
	ck_assert_int_eq(resource, RLIMIT_AS);
	ck_assert_uint_eq(rl.soft, 1 << 20);
	ck_assert_uint_eq(rl.hard, 1 << 20);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err.text[0] = '\0';
		ck_assert_int_eq(
		    value_limit_word(bad[i], &resource, &rl, &err), -1);
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

START_TEST(equal_is_what_means_the_same)
{
	struct config_program *a = config_program_new("web"),
			      *b = config_program_new("web");

	ck_assert(value_equal(a, b, P(user)));
	expect(a, P(user), "root", "root");
	ck_assert(!value_equal(a, b, P(user)));
	expect(b, P(user), "0", "0");
	ck_assert(value_equal(a, b, P(user)));
	expect(a, P(startsecs), "90", "90");
	expect(b, P(startsecs), "1m30s", "90");
	ck_assert(value_equal(a, b, P(startsecs)));
	expect(b, P(startsecs), "91", "91");
	ck_assert(!value_equal(a, b, P(startsecs)));
	config_program_unref(a);
	config_program_unref(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_value");
	TCase *tc = tcase_create("value");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, values_are_read_and_written_back, 0,
	    sizeof rows / sizeof *rows);
	tcase_add_test(tc, every_type_has_rows);
	tcase_add_test(tc, path_of_a_socket_is_short);
	tcase_add_test(tc, fields_hold_what_was_written);
	tcase_add_test(tc, equal_is_what_means_the_same);
	tcase_add_test(tc, words_of_limits);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
