/*
 * cmd_message - messages of children, and to children.
 *
 * A follower of messages holds back when its client does not read, and by
 * that, for a while, the children that talk (state/msglog.h); one that has
 * been overtaken by the ring is told how many it missed.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "cluster/ipc.h"
#include "cluster/ipcbox.h"
#include "ctl/ctl_priv.h"
#include "engine/channel.h"

/* --- what came --------------------------------------------------------------
 */

struct listener {
	struct ctl_req *r;
	struct msglog *ml;
	struct msglog_reader reader;
	struct strv names; /* empty: all */
	bool follow;
};

static bool
message_of(const struct listener *l, const char *slot)
{
	if (!ctl_may_name(l->r, slot))
		return false;
	for (size_t i = 0; i < l->names.n; i++) {
		const char *name = l->names.v[i];
		size_t len = strlen(name);

		if (fnmatch(name, slot, 0) == 0 ||
		    (strncmp(name, slot, len) == 0 && slot[len] == '.'))
			return true;
	}
	return l->names.n == 0;
}

static void
message_put(struct listener *l, const struct msglog_message *m)
{
	struct jw *w = ctl_note_begin(l->r);

	jw_obj(w, "message");
	jw_int(w, "seq", (int64_t)m->head->seq);
	jw_int(w, "at_ms", m->head->at_ms);
	jw_str(w, "name", m->head->name);
	jw_int(w, "pid", m->head->pid);
	/* As a string: no number in it is changed on the way. */
	jw_strn(w, "text", m->text, m->head->len);
	jw_end_obj(w);
	ctl_note_end(l->r);
}

static void
message_put_gap(struct listener *l, uint64_t after, uint64_t next)
{
	struct jw *w = ctl_note_begin(l->r);

	jw_obj(w, "gap");
	jw_int(w, "after", (int64_t)after);
	jw_int(w, "next", (int64_t)next);
	jw_end_obj(w);
	ctl_note_end(l->r);
}

static void
listener_free(struct ctl_req *r)
{
	struct listener *l = r->priv;

	if (l->follow) {
		msglog_unfollow(l->ml, &l->reader);
		engine_messages_moved(r->s->srv->en);
	}
	strv_fini(&l->names);
	free(l);
}

static void
listener_end(struct listener *l)
{
	struct ctl_req *r = l->r;
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int(w, "last", (int64_t)msglog_last(l->ml));
	jw_end_obj(w);
	listener_free(r);
	ctl_result_end(r);
}

/* Sends what is there and fits. */
static void
listener_go_on(struct ctl_req *r)
{
	struct listener *l = r->priv;
	struct engine *en = r->s->srv->en;
	struct msglog_message m;
	bool more = true, moved = false;
	uint64_t lost;

	while (ctl_session_room(r->s)) {
		more = msglog_next(l->ml, &l->reader, &m, &lost);
		if (!more)
			break;
		if (lost > 0)
			message_put_gap(l, l->reader.seen, m.head->seq);
		if (message_of(l, m.head->name))
			message_put(l, &m);
		msglog_took(l->ml, &l->reader, engine_now(en));
		moved = true;
	}
	if (moved && l->follow)
		engine_messages_moved(en);
	if (!l->follow && !r->s->dead && !more)
		listener_end(l);
}

static void
listener_on_news(void *arg)
{
	struct listener *l = arg;

	listener_go_on(l->r);
}

static void
listener_start(struct listener *l, int64_t since)
{
	uint64_t last = msglog_last(l->ml), seen = 0;

	if (since > 0 && (uint64_t)since > last) {
		/* A number that is yet to come was another daemon's. */
		message_put_gap(l, (uint64_t)since, 1);
	} else if (since >= 0) {
		seen = (uint64_t)since;
	} else if (l->follow) {
		seen = last;
	}
	msglog_read_from(l->ml, &l->reader, seen);
	if (seen == 0)
		l->reader.seen = msglog_before(l->ml);
	l->reader.news = listener_on_news;
	l->reader.arg = l;
	if (l->follow)
		msglog_follow(l->ml, &l->reader, engine_now(l->r->s->srv->en));
	listener_go_on(l->r);
}

/* One that names nothing, or a glob, goes on with what may still be seen. */
static const char *
listener_lost(const struct ctl_req *r)
{
	const struct listener *l = r->priv;

	for (size_t i = 0; i < l->names.n; i++)
		if (strpbrk(l->names.v[i], "*?[") == NULL &&
		    !ctl_may_name(r, l->names.v[i]))
			return l->names.v[i];
	return ctl_may_some(r) ? NULL : "";
}

void
cmd_messages(struct ctl_req *r, struct args *a)
{
	struct listener *l = xcalloc(1, sizeof *l);
	int64_t since = args_int(a, "since", 0, INT64_MAX - 1, -1);
	struct err err;

	l->r = r;
	l->follow = args_bool(a, "follow", false);
	strv_init(&l->names);
	args_strv(a, "names", false, &l->names);
	if (args_end(a, r) == -1) {
		strv_fini(&l->names);
		free(l);
		return;
	}
	l->ml = engine_messages(r->s->srv->en, &err);
	if (l->ml == NULL) {
		strv_fini(&l->names);
		free(l);
		ctl_fail(r, CTL_E_FAILED, "%s", err.text);
		return;
	}
	r->priv = l;
	r->drain = listener_go_on;
	r->close = listener_free;
	r->lost = listener_lost;
	listener_start(l, since);
}

/* --- what goes --------------------------------------------------------------
 */

struct sending {
	struct buf sent, refused; /* JSON: items of arrays */
	struct buf text;          /* for people */
	size_t nsent, nrefused;
};

static void
sending_on(void *arg, const char *name, const char *error)
{
	struct sending *sg = arg;
	struct buf *b = error == NULL ? &sg->sent : &sg->refused;
	struct jw w;

	jw_init(&w, b);
	w.comma = b->len > 0;
	if (error == NULL) {
		sg->nsent++;
		jw_str(&w, NULL, name);
		return;
	}
	jw_obj(&w, NULL);
	jw_str(&w, "name", name);
	jw_str(&w, "reason", error);
	jw_end_obj(&w);
	/* All of them would be a page. */
	if (sg->nrefused++ < 4)
		buf_addf(&sg->text, "%s%s: %s", sg->text.len > 0 ? "; " : "",
		    name, error);
}

static void
sending_answer(struct ctl_req *r, struct sending *sg)
{
	struct buf more;
	struct jw *w;

	buf_init(&more);
	if (sg->nsent + sg->nrefused == 0) {
		ctl_fail(r, CTL_E_FAILED, "there is nobody to send it to");
	} else if (sg->nrefused > 0) {
		buf_addf(&more, "\"sent\":[%s],\"refused\":[%s]",
		    buf_str(&sg->sent), buf_str(&sg->refused));
		ctl_fail_data(r, CTL_E_FAILED, buf_str(&more), "%s%s",
		    buf_str(&sg->text), sg->nrefused > 4 ? "; ..." : "");
	} else {
		buf_addf(&more, "[%s]", buf_str(&sg->sent));
		w = ctl_result_begin(r);
		jw_obj(w, NULL);
		jw_raw(w, "sent", buf_str(&more));
		jw_end_obj(w);
		ctl_result_end(r);
	}
	buf_fini(&more);
}

static void
sending_start(struct ctl_req *r, const struct strv *names, const char *text,
    size_t len, const char *key)
{
	struct sending sg = { .nsent = 0 };
	struct err err;

	buf_init(&sg.sent);
	buf_init(&sg.refused);
	buf_init(&sg.text);
	if (engine_send(r->s->srv->en, names->v, names->n, text, len,
		key != NULL ? str_hash(key) : 0, sending_on, &sg, &err) == -1)
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
	else
		sending_answer(r, &sg);
	buf_fini(&sg.sent);
	buf_fini(&sg.refused);
	buf_fini(&sg.text);
}

/* A text too long for a line comes as a memfd: no read of it can wait. */
static int
send_read(struct buf *out, int fd, struct err *err)
{
	struct stat st;

	if (fd == -1)
		return err_set(err, "parameter \"text\" is missing");
	if (fcntl(fd, F_GET_SEALS) == -1 || fstat(fd, &st) == -1)
		return err_set(err, "the descriptor is no memfd");
	if (st.st_size > IPCBOX_MAX_MOST)
		return err_set(err, "a message of %lld bytes: at most %d",
		    (long long)st.st_size, IPCBOX_MAX_MOST);
	buf_reserve(out, (size_t)st.st_size);
	if (pread(fd, out->data, (size_t)st.st_size, 0) != st.st_size)
		return err_set(err, "the memfd cannot be read");
	out->len = (size_t)st.st_size;
	out->data[out->len] = '\0';
	return 0;
}

static int
send_check(const struct buf *b, struct ipc_news *news, struct err *err)
{
	if (!ipc_understand(news, buf_str(b), b->len))
		return err_set(err, "the message is no JSON text, at byte %zu",
		    news->wrong_at);
	if (news->text == NULL && b->len > 0 && strchr(b->data, '{') != NULL)
		return err_set(err,
		    "an object whose cmd begins with NODE_ is Node's own, "
		    "no message");
	if (news->text == NULL)
		return err_set(err, "the message is empty");
	if (news->question != IPC_NONE)
		return err_set(err, "no descriptors are sent to children");
	return 0;
}

void
cmd_send(struct ctl_req *r, struct args *a)
{
	struct ipc_news news = { .text = NULL };
	struct err err = { .text = "" };
	struct strv names;
	struct buf b;
	const char *text, *key;
	bool end;
	int fd;

	strv_init(&names);
	buf_init(&b);
	args_strv(a, "names", true, &names);
	text = args_str(a, "text", false);
	key = args_str(a, "key", false);
	end = args_bool(a, "disconnect", false);
	fd = text == NULL && !end ? ctl_take_fd(r, 0) : -1;
	if (text != NULL)
		buf_adds(&b, text);
	if (!a->bad && !end &&
	    ((text == NULL && send_read(&b, fd, &err) == -1) ||
		send_check(&b, &news, &err) == -1))
		args_error(a, "%s", err.text);
	if (args_end(a, r) == 0)
		sending_start(r, &names, end ? NULL : news.text, news.len, key);
	fd_closep(&fd);
	buf_fini(&b);
	strv_fini(&names);
}
