/*
 * cmd_task_log - the output of a task, piece by piece.
 *
 * The client says how far it has come and gets what is behind that.  With
 * follow the answer waits until there is something, or the task has ended: the
 * file's length is looked at while somebody waits, and only then.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "ctl/task_priv.h"

#define LOG_PIECE   (128 * 1024)
#define LOG_LOOK_MS 100

static int
log_open(const struct asked *a)
{
	char *path = queued_log_path(a->en, a->ids[0]);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	free(path);
	return fd;
}

/* next: where the client goes on. */
static void
log_answer(struct asked *a, const char *data, size_t n, int64_t next)
{
	struct jw *w = ctl_result_begin(a->r);

	jw_obj(w, NULL);
	jw_int(w, "offset", next);
	jw_bool(w, "end", n == 0);
	if (memchr(data, '\0', n) == NULL && jw_is_utf8(data, n))
		jw_strn(w, "text", data, n);
	else
		jw_base64(w, "base64", data, n);
	jw_end_obj(w);
	ctl_result_end(asked_end(a));
}

/*
 * What is at the client's place, and where it goes on.  Of a long output the
 * middle is not kept, and is a hole in the file.
 */
static ssize_t
log_read(int fd, char *data, int64_t at, int64_t *next)
{
	off_t from = lseek(fd, at, SEEK_DATA), hole;
	size_t most = LOG_PIECE;
	ssize_t n;

	if (from > at) {
		*next = from;
		return snprintf(data, LOG_PIECE,
		    "\n[reeve: %lld bytes are not kept, see task_output]\n",
		    (long long)(from - at));
	}
	hole = from == at ? lseek(fd, at, SEEK_HOLE) : -1;
	if (hole > at && hole - at < LOG_PIECE)
		most = (size_t)(hole - at);
	n = pread(fd, data, most, at);
	*next = at + (n > 0 ? n : 0);
	return n;
}

/* Answers if there is something to say. */
static void
log_look(struct asked *a)
{
	int fd = log_open(a);
	char *data = xmalloc(LOG_PIECE);
	int64_t next = a->offset;
	ssize_t n = 0;

	if (fd != -1)
		n = log_read(fd, data, a->offset, &next);
	fd_closep(&fd);
	if (n > 0 || a->ended || !a->follow)
		log_answer(a, data, n > 0 ? (size_t)n : 0, next);
	else
		loop_timer_start(&a->poll, LOG_LOOK_MS);
	free(data);
}

static void
log_on_poll(struct loop_timer *t, void *arg)
{
	struct asked *a = arg;
	int fd = log_open(a);
	struct stat st;
	bool more;

	more = fd != -1 && fstat(fd, &st) == 0 && st.st_size > a->offset;
	fd_closep(&fd);
	if (more)
		log_look(a);
	else
		loop_timer_start(t, LOG_LOOK_MS);
}

static void
log_on_task(struct asked *a, struct queue_req *req)
{
	a->ended = queue_state_is_end(req->tasks[0].state);
	if (a->again && !a->ended) {
		a->again = false;
		queued_send(a->en, asked_req(a, QR_GET, log_on_task));
		return;
	}
	log_look(a);
}

static void
log_on_ended(void *arg, uint64_t id)
{
	struct asked *a = arg;

	if (id != a->ids[0] || a->r == NULL)
		return;
	loop_timer_stop(&a->poll);
	a->again = a->asking;
	if (!a->asking)
		queued_send(a->en, asked_req(a, QR_GET, log_on_task));
}

void
cmd_task_log(struct ctl_req *r, struct args *args)
{
	const char *word = args_str(args, "id", true);
	int64_t offset = args_int(args, "offset", 0, INT64_MAX, 0), id = 0;
	bool follow = args_bool(args, "follow", false);
	struct asked *a;

	if (!args->bad && !str_to_i64(word, 1, INT64_MAX, &id))
		args_error(args, "\"%.40s\" is no id of a task", word);
	if (args_end(args, r) == -1)
		return;
	a = asked_new(r);
	a->ids = xcalloc(1, sizeof *a->ids);
	a->ids[0] = (uint64_t)id;
	a->nids = 1;
	a->offset = offset;
	a->follow = follow;
	r->lost = ctl_lost_verb;
	loop_timer_init(&a->poll, r->s->srv->lp, log_on_poll, a);
	if (follow)
		asked_watch(a, log_on_ended);
	queued_send(a->en, asked_req(a, QR_GET, log_on_task));
}
