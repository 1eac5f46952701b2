/*
 * ipc_fuzz - what a child writes on its message channel, in pieces: the lines
 * that come out of the box are those that went in, whatever the pieces were
 * and whoever reads on; and each is understood without looking beyond it.
 */
#include <sys/socket.h>

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/jtext.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/ipc.h"
#include "cluster/ipcbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(const char *p, size_t n)
{
	/* A copy of the exact size: one byte too far is seen. */
	char *copy = xmalloc(n != 0 ? n : 1);
	struct ipc_news news;
	struct buf answer;
	json_t *json;

	memcpy(copy, p, n);
	buf_init(&answer);
	if (ipc_understand(&news, copy, n)) {
		BUG_ON(news.text != NULL &&
		       (news.text < copy || news.text + news.len > copy + n));
		BUG_ON(news.text != NULL &&
		       !jtext_valid(news.text, news.len, NULL));
		ipc_answer(&answer, &news);
		BUG_ON(answer.len != 0 &&
		       !jtext_valid(answer.data, answer.len, NULL));
	} else {
		BUG_ON(news.wrong_at > n);
		/* Nobody else takes it for JSON, unless it is deep; jansson
		 * takes a NUL behind a number for the end. */
		json = json_loadb(copy, n, JSON_DECODE_ANY, NULL);
		BUG_ON(json != NULL && n < 2 * JTEXT_DEPTH &&
		       memchr(copy, '\0', n) == NULL);
		json_decref(json);
	}
	buf_fini(&answer);
	free(copy);
}

/* Takes the lines that are there off the front of what was written. */
static const uint8_t *
check_lines(struct ipcbox *b, const uint8_t *from, const uint8_t *end)
{
	struct ipcbox_line line;
	uint64_t last = 0;

	while (ipcbox_line(b, &line)) {
		BUG_ON(line.len + 1 > (size_t)(end - from));
		BUG_ON(memcmp(line.text, from, line.len) != 0);
		BUG_ON(from[line.len] != '\n');
		BUG_ON(last != 0 && line.at <= last);
		last = line.at;
		check_line(line.text, line.len);
		ipcbox_answer(b, &line, "1", 1);
		ipcbox_done(b, &line);
		from += line.len + 1;
	}
	return from;
}

static void
check_pieces(struct ipcbox *b, int fds[2], const uint8_t *data, size_t size,
    size_t piece)
{
	const uint8_t *taken = data, *end = data;
	struct ipcbox *next;
	struct err err;
	size_t moved;

	while (size > 0) {
		size_t n = piece < size ? piece : size;

		BUG_ON(fd_write_all(fds[1], end, n) == -1);
		end += n;
		size -= n;
		/* Each piece is another engine's. */
		next = ipcbox_open(ipcbox_fd(b), &err);
		BUG_ON(next == NULL);
		while (ipcbox_read(next, fds[0], &moved) == IPCBOX_OK)
			;
		taken = check_lines(next, taken, end);
		if (ipcbox_too_long(next)) {
			BUG_ON((size_t)(end - taken) <= ipcbox_max(next));
			size = 0;
		}
		ipcbox_free(next);
	}
	BUG_ON(memchr(taken, '\n', (size_t)(end - taken)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipcbox *b;
	struct err err;
	int fds[2];

	if (size < 1 || size > 32768)
		return 0;
	BUG_ON(ipc_open(fds, &err) == -1);
	b = ipcbox_new(IPCBOX_MAX_LEAST, &err);
	BUG_ON(b == NULL);
	check_pieces(b, fds, data + 1, size - 1, 1 + (size_t)data[0] * 16);
	ipcbox_free(b);
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
	return 0;
}
