/*
 * channel - the message channel of a child.  See channel.h.
 *
 * A line is dealt with in this order: ready is noted down, the message is in
 * the log, the answer (of Node's own messages) in the box; then the line is
 * taken out of the box.  Each of these is done once however often it is
 * repeated, so an engine that dies in between does no harm.
 */
#include "engine/channel.h"

#include <sys/ioctl.h>

#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/jtext.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/ipc.h"
#include "cluster/ipcbox.h"
#include "engine/engine_priv.h"
#include "engine/queued.h"

#define CHANNEL_TURN   4             /* system calls */
#define CHANNEL_UNREAD (256 * 1024)  /* of it, that readers may have to read */
#define CHANNEL_ALL    (1024 * 1024) /* of all channels */
#define CHANNEL_WEIGHT 4096          /* bytes that count as one message */
#define CHANNEL_LOOK   1000          /* ms; readers may have stalled */

struct channel {
	LIST_ENTRY(channel) entry;
	struct engine *en;
	char name[MSGLOG_NAME_MAX];
	uint64_t id;
	pid_t pid; /* 0: not started yet */
	struct channel_limits limits;
	struct ipcbox *box; /* NULL: closed */
	int fd;             /* keeperlink's */
	unsigned fd_slot, box_slot;
	struct loop_io io;
	struct loop_timer pause;
	struct loop_task turn;
	mono_ms window_ms; /* the rate is counted from here */
	int64_t used;
	bool over; /* it is not read: more than its rate */
	bool held; /* ... or more than readers have read */
	bool deaf; /* the child reads no more */
	bool finishing;
	channel_ready *ready;
	void *arg;
	char why[96]; /* it is closed */
};

void
channel_limits_of(struct channel_limits *out, const struct config_program *conf)
{
	out->max = conf->rare->ipc_max_message;
	out->queue = conf->rare->ipc_queue;
	out->rate = conf->rare->ipc_rate;
}

/* --- closing ----------------------------------------------------------------
 */

static void
channel_drop(struct channel *ch)
{
	struct keeperlink *kl = ch->en->kl;

	loop_io_stop(&ch->io);
	loop_timer_stop(&ch->pause);
	loop_task_cancel(ch->en->lp, &ch->turn);
	ipcbox_free(ch->box);
	ch->box = NULL;
	ch->fd = -1;
	if (ch->fd_slot != 0)
		keeperlink_drop(kl, &ch->fd_slot);
	if (ch->box_slot != 0)
		keeperlink_drop(kl, &ch->box_slot);
}

static void channel_close(struct channel *ch, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
channel_close(struct channel *ch, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ch->why, sizeof ch->why, fmt, ap);
	va_end(ap);
	channel_drop(ch);
}

/* What it did is no use of a channel. */
static void channel_refuse(struct channel *ch, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
channel_refuse(struct channel *ch, const char *fmt, ...)
{
	char why[96];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	log_warnx(
	    "%s %d: %s, its channel is closed", ch->name, (int)ch->pid, why);
	engine_event(ch->en, ch->name, "channel", "closed: %s", why);
	channel_close(ch, "%s", why);
}

/* --- one line ---------------------------------------------------------------
 */

static void
channel_log(struct channel *ch, const struct ipcbox_line *line,
    const char *text, size_t len)
{
	struct msglog_head h = {
		.len = (uint32_t)len,
		.at_ms = clock_wall_ms(),
		.id = ch->id,
		.at = line->at,
		.pid = (int32_t)ch->pid,
		.counter = (uint32_t)(ch->id % MSGLOG_CHANNELS),
	};
	struct err err;
	struct msglog *ml = engine_messages(ch->en, &err);

	snprintf(h.name, sizeof h.name, "%s", ch->name);
	if (ml != NULL)
		msglog_add(ml, &h, text, loop_now(ch->en->lp));
	else
		log_errorx("%s: a message is lost: %s", ch->name, err.text);
}

/* false: the child does not read what it asked for; it is not heard till it
 * does. */
static bool
channel_answer(struct channel *ch, const struct ipcbox_line *line,
    const struct ipc_news *news)
{
	struct buf b;
	bool done;

	if (ch->deaf)
		return true;
	buf_init(&b);
	ipc_answer(&b, news);
	done = b.len == 0 || ipcbox_answer(ch->box, line, b.data, b.len);
	buf_fini(&b);
	return done;
}

/* false: not now, or the channel is closed. */
static bool
channel_take(struct channel *ch, const struct ipcbox_line *line)
{
	struct ipc_news news;

	if (line->len > ipcbox_max(ch->box)) {
		channel_refuse(ch, "a message of more than %zu bytes",
		    ipcbox_max(ch->box));
		return false;
	}
	if (!ipc_understand(&news, line->text, line->len)) {
		channel_refuse(ch,
		    "a message that is no JSON text, at byte %zu",
		    news.wrong_at);
		return false;
	}
	if (news.ready && ch->ready != NULL)
		ch->ready(ch->arg);
	if (news.text != NULL)
		channel_log(ch, line, news.text, news.len);
	if (!channel_answer(ch, line, &news))
		return false;
	ch->used += 1 + (int64_t)(line->len / CHANNEL_WEIGHT);
	ipcbox_done(ch->box, line);
	return true;
}

/* --- how much of it ---------------------------------------------------------
 */

static bool
channel_is_over(struct channel *ch, mono_ms now)
{
	const struct config_rate *rate = &ch->limits.rate;

	if (now - ch->window_ms >= rate->period_ms) {
		ch->window_ms = now;
		ch->used = 0;
	}
	return rate->count > 0 && ch->used >= rate->count;
}

static bool
channel_is_held(struct channel *ch, mono_ms now)
{
	struct msglog *ml = ch->en->messages;
	uint32_t counter = (uint32_t)(ch->id % MSGLOG_CHANNELS);

	return ml != NULL &&
	       (msglog_unread(ml, counter, now) > CHANNEL_UNREAD ||
		   msglog_unread_all(ml, now) > CHANNEL_ALL);
}

/* Whether a line may be taken now; if not, what for is noted. */
static bool
channel_may_take(struct channel *ch)
{
	mono_ms now = loop_now(ch->en->lp);

	if (ch->finishing)
		return true;
	ch->over = channel_is_over(ch, now);
	ch->held = !ch->over && channel_is_held(ch, now);
	if (ch->over)
		loop_timer_start(&ch->pause,
		    ch->window_ms + ch->limits.rate.period_ms - now);
	else if (ch->held)
		loop_timer_start(&ch->pause, CHANNEL_LOOK);
	return !ch->over && !ch->held;
}

/* false: it is not to be read on, for now. */
static bool
channel_lines(struct channel *ch)
{
	struct ipcbox_line line;

	while (ipcbox_line(ch->box, &line))
		if (!channel_may_take(ch) || !channel_take(ch, &line))
			return false;
	if (!ipcbox_too_long(ch->box))
		return true;
	channel_refuse(
	    ch, "a message of more than %zu bytes", ipcbox_max(ch->box));
	return false;
}

/* --- input and output -------------------------------------------------------
 */

static void
channel_flush(struct channel *ch)
{
	enum ipcbox_result rc = IPCBOX_OK;

	for (int i = 0; i < CHANNEL_TURN && rc == IPCBOX_OK && !ch->deaf; i++)
		rc = ipcbox_write(ch->box, ch->fd);
	if (rc == IPCBOX_CLOSED)
		ch->deaf = true;
	if (!ipcbox_is_ended(ch->box) || ipcbox_bytes(ch->box) != 0)
		return;
	engine_event(ch->en, ch->name, "channel", "closed: by order");
	channel_close(ch, "by order");
}

/* What is waited for. */
static void
channel_watch(struct channel *ch, bool reads)
{
	int events = reads ? LOOP_READ : 0;

	if (ch->box == NULL)
		return;
	if (ipcbox_bytes(ch->box) > 0 && !ch->deaf)
		events |= LOOP_WRITE;
	loop_io_set(&ch->io, events);
}

static void
channel_read(struct channel *ch)
{
	enum ipcbox_result rc = IPCBOX_OK;
	bool reads = channel_lines(ch);
	size_t moved;

	for (int i = 0; i < CHANNEL_TURN && reads && rc == IPCBOX_OK; i++) {
		rc = ipcbox_read(ch->box, ch->fd, &moved);
		reads = channel_lines(ch);
	}
	if (ch->box != NULL && rc == IPCBOX_CLOSED && reads)
		channel_close(ch, "by the child");
	else if (ch->box != NULL && ipcbox_bytes(ch->box) > 0)
		channel_flush(ch); /* answers */
	channel_watch(ch, reads);
}

static void
channel_on_turn(void *arg)
{
	struct channel *ch = arg;

	channel_flush(ch);
	if (ch->box != NULL)
		channel_read(ch);
}

static void
channel_on_io(struct loop_io *io, int events, void *arg)
{
	struct channel *ch = arg;

	(void)io;
	(void)events;
	channel_on_turn(ch);
}

static void
channel_on_pause(struct loop_timer *t, void *arg)
{
	(void)t;
	channel_on_turn(arg);
}

/* --- life -------------------------------------------------------------------
 */

static struct channel *
channel_alloc(struct engine *en, const struct channel_who *who,
    const struct channel_limits *limits, channel_ready *ready, void *arg)
{
	struct channel *ch = xcalloc(1, sizeof *ch);

	ch->en = en;
	snprintf(ch->name, sizeof ch->name, "%s", who->name);
	ch->id = who->id;
	ch->fd = -1;
	ch->limits = *limits;
	ch->ready = ready;
	ch->arg = arg;
	loop_timer_init(&ch->pause, en->lp, channel_on_pause, ch);
	loop_task_init(&ch->turn, channel_on_turn, ch);
	LIST_INSERT_HEAD(&en->channels, ch, entry);
	return ch;
}

static void
channel_store_names(
    const struct channel_who *who, char ipc[FDNAME_MAX], char box[FDNAME_MAX])
{
	snprintf(ipc, FDNAME_MAX, "ipc:%s#%u", who->name, who->generation);
	snprintf(box, FDNAME_MAX, "box:%s#%u", who->name, who->generation);
}

static void
channel_put(struct channel *ch, const struct channel_who *who, int fd)
{
	char ipc[FDNAME_MAX], box[FDNAME_MAX];
	struct keeperlink *kl = ch->en->kl;

	channel_store_names(who, ipc, box);
	ch->box_slot = keeperlink_put(
	    kl, box, fcntl(ipcbox_fd(ch->box), F_DUPFD_CLOEXEC, 3));
	ch->fd_slot = keeperlink_put(kl, ipc, fd);
	ch->fd = keeperlink_fd(kl, ch->fd_slot);
}

struct channel *
channel_new(struct engine *en, const struct channel_who *who,
    const struct channel_limits *limits, int *child_fd, channel_ready *ready,
    void *arg, struct err *err)
{
	struct ipcbox *box = ipcbox_new((size_t)limits->max, err);
	struct channel *ch;
	int fds[2];

	if (box == NULL)
		return NULL;
	if (ipc_open(fds, err) == -1) {
		ipcbox_free(box);
		return NULL;
	}
	ch = channel_alloc(en, who, limits, ready, arg);
	ch->box = box;
	channel_put(ch, who, fds[0]);
	*child_fd = fds[1];
	return ch;
}

struct channel *
channel_adopt(struct engine *en, const struct channel_who *who,
    const struct channel_limits *limits, channel_ready *ready, void *arg)
{
	struct channel *ch = channel_alloc(en, who, limits, ready, arg);
	char ipc[FDNAME_MAX], box[FDNAME_MAX];
	struct err err = { .text = "" };

	channel_store_names(who, ipc, box);
	ch->fd_slot = keeperlink_find(en->kl, ipc);
	ch->box_slot = keeperlink_find(en->kl, box);
	if (ch->fd_slot != 0 && ch->box_slot != 0)
		ch->box =
		    ipcbox_open(keeperlink_fd(en->kl, ch->box_slot), &err);
	if (ch->box != NULL) {
		ch->fd = keeperlink_fd(en->kl, ch->fd_slot);
		return ch;
	}
	if (err.text[0] != '\0')
		log_errorx("%s: %s", ch->name, err.text);
	snprintf(ch->why, sizeof ch->why, "%s",
	    err.text[0] != '\0' ? "it was lost" : "by the child");
	channel_drop(ch);
	return ch;
}

void
channel_limit(struct channel *ch, const struct channel_limits *limits)
{
	ch->limits = *limits;
	if (ch->over)
		loop_timer_start(&ch->pause, 0);
}

void
channel_start(struct channel *ch, pid_t pid)
{
	if (ch->pid != 0)
		return;
	ch->pid = pid;
	if (ch->box == NULL)
		return;
	loop_io_init(&ch->io, ch->en->lp, ch->fd, LOOP_READ, channel_on_io, ch);
	/* Lines may be in the box already. */
	loop_task_queue(ch->en->lp, &ch->turn);
}

/*
 * What is in the socket by now is the child's; somebody else, who has got the
 * descriptor from it, may go on and is not listened to for ever.
 */
void
channel_finish(struct channel *ch)
{
	enum ipcbox_result rc = IPCBOX_OK;
	size_t heard = 0, moved;
	int there = 0;

	if (ch->box == NULL || ch->finishing || ch->pid == 0)
		return;
	ch->finishing = true;
	ch->deaf = true;
	ioctl(ch->fd, SIOCINQ, &there);
	while (channel_lines(ch) && rc == IPCBOX_OK && heard < (size_t)there) {
		rc = ipcbox_read(ch->box, ch->fd, &moved);
		heard += moved;
	}
	if (ch->box != NULL) {
		snprintf(ch->why, sizeof ch->why, "the child is dead");
		channel_drop(ch);
	}
}

void
channel_free(struct channel *ch)
{
	if (ch == NULL)
		return;
	channel_drop(ch);
	LIST_REMOVE(ch, entry);
	free(ch);
}

struct channel *
channel_find(const struct engine *en, const char *name)
{
	struct channel *ch;

	LIST_FOREACH(ch, &en->channels, entry)
		if (strcmp(ch->name, name) == 0)
			return ch;
	return NULL;
}

bool
channel_owns(const struct engine *en, unsigned slot)
{
	const struct channel *ch;

	LIST_FOREACH(ch, &en->channels, entry)
		if (ch->fd_slot == slot || ch->box_slot == slot)
			return true;
	return false;
}

bool
channel_is_open(const struct channel *ch)
{
	return ch->box != NULL;
}

size_t
channel_waiting(const struct channel *ch)
{
	return ch->box != NULL ? ipcbox_messages(ch->box) : 0;
}

/* --- to the child -----------------------------------------------------------
 */

static int
channel_full(const struct channel *ch, struct err *err)
{
	size_t n = ipcbox_messages(ch->box), bytes = ipcbox_bytes(ch->box);
	char size[32];

	str_bytes(size, sizeof size, (int64_t)bytes);
	return err_set(err,
	    "it does not read: %zu message%s (%s) wait%s for it", n,
	    n == 1 ? "" : "s", size, n == 1 ? "s" : "");
}

static int
channel_check(const struct channel *ch, struct err *err)
{
	if (ch->box == NULL)
		return err_set(err, "its channel was closed: %s", ch->why);
	if (ch->deaf || ipcbox_is_ended(ch->box))
		return err_set(err, "its channel is closing");
	return 0;
}

int
channel_send(struct channel *ch, const char *text, size_t n, uint64_t key,
    struct err *err)
{
	if (channel_check(ch, err) == -1)
		return -1;
	if (n > ipcbox_max(ch->box))
		return err_set(err,
		    "the message is longer than %zu bytes (ipc_max_message)",
		    ipcbox_max(ch->box));
	if (ipcbox_has_key(ch->box, key))
		return 0;
	if (ch->pid != 0)
		channel_flush(ch);
	if (ch->deaf)
		return err_set(err, "its channel is closing");
	if ((int64_t)ipcbox_messages(ch->box) >= ch->limits.queue ||
	    !ipcbox_put(ch->box, text, n, key))
		return channel_full(ch, err);
	if (ch->pid != 0)
		loop_task_queue(ch->en->lp, &ch->turn);
	return 0;
}

int
channel_end(struct channel *ch, struct err *err)
{
	if (channel_check(ch, err) == -1)
		return -1;
	ipcbox_end(ch->box);
	if (ch->pid != 0)
		loop_task_queue(ch->en->lp, &ch->turn);
	return 0;
}

/* --- for the control server -------------------------------------------------
 */

struct msglog *
engine_messages(struct engine *en, struct err *err)
{
	unsigned slot = keeperlink_find(en->kl, "messages");

	if (en->messages != NULL)
		return en->messages;
	en->messages = msglog_open(keeperlink_fd(en->kl, slot), err);
	if (en->messages == NULL && slot != 0) {
		log_errorx("%s; they begin anew", err->text);
		keeperlink_drop(en->kl, &slot);
		en->messages = msglog_open(-1, err);
	}
	if (en->messages != NULL && slot == 0)
		keeperlink_put(en->kl, "messages",
		    fcntl(msglog_fd(en->messages), F_DUPFD_CLOEXEC, 3));
	return en->messages;
}

uint64_t
engine_last_message(struct engine *en)
{
	struct err err;

	if (en->messages == NULL && keeperlink_find(en->kl, "messages") == 0)
		return 0;
	return engine_messages(en, &err) != NULL ? msglog_last(en->messages)
						 : 0;
}

void
engine_messages_moved(struct engine *en)
{
	struct channel *ch;

	LIST_FOREACH(ch, &en->channels, entry)
		if (ch->held && ch->box != NULL)
			loop_task_queue(en->lp, &ch->turn);
}

/* What is sent, and who wants to know. */
struct outgoing {
	const char *text; /* NULL: close */
	size_t len;
	uint64_t key;
	engine_sent_cb *cb;
	void *arg;
};

static void
engine_send_channel(
    const struct outgoing *og, struct channel *ch, const char *name)
{
	struct err err;
	int rc = og->text != NULL
		     ? channel_send(ch, og->text, og->len, og->key, &err)
		     : channel_end(ch, &err);

	og->cb(og->arg, name, rc == 0 ? NULL : err.text);
}

static void
engine_send_slot(const struct outgoing *og, const struct slot *sl)
{
	const struct inst *in = sl->cur;

	if (in == NULL || in->dead)
		og->cb(og->arg, sl->name, "it has no process");
	else if (in->channel == NULL)
		og->cb(og->arg, sl->name,
		    "it has no channel (ipc = on gives it one)");
	else
		engine_send_channel(og, in->channel, sl->name);
}

static int
engine_send_task(const struct outgoing *og, struct engine *en, const char *name,
    struct err *err)
{
	struct channel *ch;
	const char *why = queued_ipc_find(en, name, &ch);

	if (why == NULL)
		return err_set(err, "no %s runs", name);
	if (ch != NULL)
		engine_send_channel(og, ch, name);
	else
		og->cb(og->arg, name, why);
	return 0;
}

int
engine_send(struct engine *en, char *const *names, size_t n, const char *text,
    size_t len, uint64_t key, engine_sent_cb *cb, void *arg, struct err *err)
{
	struct outgoing og = { text, len, key, cb, arg };
	struct channel *ch = n == 1 ? channel_find(en, names[0]) : NULL;
	struct slot **slots;
	size_t nslots;

	if (n == 1 && str_starts(names[0], QUEUED_CHANNEL))
		return engine_send_task(&og, en, names[0], err);
	if (ch != NULL && str_starts(names[0], "run:")) {
		engine_send_channel(&og, ch, names[0]);
		return 0;
	}
	if (names_match(en, names, n, &slots, &nslots, err) == -1)
		return -1;
	for (size_t i = 0; i < nslots; i++)
		engine_send_slot(&og, slots[i]);
	free(slots);
	return 0;
}
