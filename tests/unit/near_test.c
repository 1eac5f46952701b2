/* near_test - what a slip was meant to be. */
#include "base/near.h"

#include <stdlib.h>
#include <string.h>

#include "try_main.h"

struct row {
	const char *word;
	const char *from; /* blanks between */
	const char *best; /* NULL: none */
};

static const struct row rows[] = {
	/* Two that are swapped are one slip. */
	{ "wbe", "b web", "web" },
	{ "wbe", "web b", "web" },
	{ "statsu", "start status", "status" },
	{ "biuld", "bind build guild", "build" },
	/* The other slips. */
	{ "comand", "comment command", "command" },
	{ "loglvl", "logfile loglevel", "loglevel" },
	{ "wweb", "b web", "web" },
	{ "wab", "web b", "web" },
	{ "helth_intervall", "health_timeout health_interval",
	    "health_interval" },
	/* As many slips: the length that is closer, then the longer. */
	{ "wb", "b web", "web" },
	{ "api1", "api api2 ap", "api2" },
	{ "api1", "ap api", "api" },
	/* The beginning of one. */
	{ "prio", "priority process_name", "priority" },
	{ "st", "stop start status", "stop" },
	/* What has no more in common than any two. */
	{ "b", "a web", NULL },
	{ "wbe", "b api", NULL },
	{ "db", "a", NULL },
	{ "xyz", "abc ab", NULL },
	{ "worker", "web", NULL },
	{ "", "a b", NULL },
	{ "b", "", NULL },
	{ "0123456789012345678901234567890123456789012345678901234567890123456",
	    "0123456789012345678901234567890123456789012345678901234567890123",
	    NULL },
};

START_TEST(the_closest_is_found)
{
	const struct row *r = &rows[_i];
	char *from = strdup(r->from), *at = from, *word;
	struct near nr;

	near_init(&nr, r->word);
	while ((word = strsep(&at, " ")) != NULL)
		near_try(&nr, word);
	if (r->best == NULL)
		ck_assert_msg(nr.best == NULL, "%s: %s", r->word, nr.best);
	else
		ck_assert_pstr_eq(nr.best, r->best);
	free(from);
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_loop_test(
	    tc, the_closest_is_found, 0, (int)(sizeof rows / sizeof *rows));
}

int
main(void)
{
	return try_main("near", add_all, NULL, NULL);
}
