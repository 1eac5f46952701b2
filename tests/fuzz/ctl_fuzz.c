/*
 * ctl_fuzz - what a client may send: bytes into a session, on a fake engine.
 *
 * Afterwards the engine tells something about every order, an event happens,
 * and the client leaves.  Whatever was sent: each line of the answer is JSON,
 * and nothing of the session is left.
 */
#include <sys/socket.h>

#include <jansson.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ctl/server.h"

#include "../unit/ctl_fake.h"

#define FUZZ_MAX 65536

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct slot_info slots[] = {
	{ .name = "web.0",
	    .program = "web",
	    .state = PS_RUNNING,
	    .ready = true,
	    .pid = 100,
	    .exit_code = -1,
	    .next_retry_ms = -1,
	    .description = "it says \x1b[31m \xff",
	    .program_note = "" },
	{ .name = "web.1",
	    .program = "web",
	    .slot = 1,
	    .state = PS_BACKOFF,
	    .uptime_ms = -1,
	    .exit_code = 1,
	    .next_retry_ms = 2000,
	    .description = "",
	    .program_note = "rolling 1/2" },
};

static struct loop *lp;
static struct buf got;

static void
stop(struct loop_timer *t, void *arg)
{
	(void)t;
	(void)arg;
	loop_stop(lp);
}

/* Lets the loop do what is due now. */
static void
turns(int n)
{
	struct loop_timer t;

	while (n-- > 0) {
		loop_timer_init(&t, lp, stop, NULL);
		loop_timer_start(&t, 0);
		loop_run(lp);
	}
}

static bool
take(int fd)
{
	ssize_t n;
	bool any = false;

	for (;;) {
		n = recv(
		    fd, buf_reserve(&got, FUZZ_MAX), FUZZ_MAX, MSG_DONTWAIT);
		if (n <= 0)
			return any;
		any = true;
		got.len += (size_t)n;
		turns(1);
	}
}

static void
put(int fd, const unsigned char *data, size_t size)
{
	ssize_t n;

	for (int tries = 0; size > 0 && tries < 1000; tries++) {
		n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		turns(1);
		take(fd);
	}
}

static void
check_lines(void)
{
	size_t off = 0;

	while (off < got.len) {
		char *nl = memchr(got.data + off, '\n', got.len - off);
		size_t end = nl != NULL ? (size_t)(nl - got.data) : got.len;
		json_t *v = json_loadb(got.data + off, end - off, 0, NULL);

		BUG_ON(v == NULL && nl != NULL);
		json_decref(v);
		off = end + 1;
	}
	buf_clear(&got);
}

static void
engine_moves(struct engine *en)
{
	struct op_note note = { .name = "web.0",
		.final = true,
		.text = "\xff it went",
		.tail = "last\n" };

	fake_tap_data(en, "log \xc3 line\n", 11, 3);
	fake_event(en, "web", "roll", "aborted: \xff");
	for (int i = 0; en->ops != NULL && i < 1000; i++) {
		fake_op_note(en, &note);
		fake_op_done(en, i & 1);
	}
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct ctl_server *srv;
	struct engine en;
	int sv[2];

	if (lp == NULL) {
		log_set_level(LOG_ERROR);
		lp = loop_new();
		buf_init(&got);
	}
	fake_engine_init(&en, slots, 2);
	fake_the_engine = &en;
	fake_event(&en, "web.0", "state", "STARTING --UP-> RUNNING");
	srv = ctl_server_new(lp, &en, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		return 0;
	fd_nonblock(sv[0]);
	ctl_server_adopt(srv, sv[0]);
	put(sv[1], data, size < FUZZ_MAX ? size : FUZZ_MAX);
	engine_moves(&en);
	do {
		turns(2);
	} while (take(sv[1]));
	check_lines();
	fd_closep(&sv[1]);
	turns(2);
	ctl_server_free(srv);
	BUG_ON(en.events.watchers != NULL || en.tap != NULL);
	fake_engine_fini(&en);
	return 0;
}
