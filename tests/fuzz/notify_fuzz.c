/*
 * notify_fuzz - a datagram on a notify socket: whatever it holds, the status
 * that comes out is short, clean, and reads the same when it is sent again.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/ready.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_status(const struct ready_news *news)
{
	char again[sizeof "STATUS=" + sizeof news->status] = "STATUS=";
	struct ready_news twice;
	json_t *json;

	BUG_ON(memchr(news->status, '\0', sizeof news->status) == NULL);
	for (const char *p = news->status; *p != '\0'; p++)
		BUG_ON((unsigned char)*p < 0x20 || *p == 0x7f);
	json = json_string(news->status); /* NULL when it is not UTF-8 */
	BUG_ON(json == NULL);
	json_decref(json);
	strcat(again, news->status);
	ready_parse(again, strlen(again), &twice);
	BUG_ON(!twice.has_status || strcmp(twice.status, news->status) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size: one byte too far is seen. */
	char *copy = malloc(size != 0 ? size : 1);
	struct ready_news news;

	if (copy == NULL)
		return 0;
	if (size != 0)
		memcpy(copy, data, size);
	ready_parse(copy, size, &news);
	check_status(&news);
	free(copy);
	return 0;
}
