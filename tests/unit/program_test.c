/*
 * program_test - states x events against a copy of the table.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_priv.h"

/* One line a state, one word an event; "-": refused. */
static const char *const heading =
    "START SPAWN_FAIL UP DIE_YOUNG DIE RETRY GIVE_UP DEFER STOP GONE WAIT LOST";

static const struct {
	const char *from;
	const char *to;
} table[] = {
	{ "STOPPED", "STARTING - - - - - FATAL - - - STOPPED -" },
	{ "STARTING",
	    "- BACKOFF RUNNING BACKOFF EXITED - - - STOPPING - - UNKNOWN" },
	{ "RUNNING", "- - - BACKOFF EXITED - - - STOPPING - - UNKNOWN" },
	{ "BACKOFF",
	    "STARTING - RUNNING - - STARTING FATAL - STOPPED - STOPPED -" },
	{ "STOPPING", "- STOPPED - - - - - - - STOPPED - UNKNOWN" },
	{ "EXITED",
	    "STARTING - RUNNING - - - FATAL BACKOFF STOPPED - STOPPED -" },
	{ "FATAL", "STARTING - RUNNING - - STARTING - - STOPPED - STOPPED -" },
	{ "UNKNOWN", "STARTING - - EXITED EXITED - - - STOPPING STOPPED - -" },
};

/* The nth word; "" behind the last. */
static const char *
test_word(const char *line, int n)
{
	static char word[32];
	int len = 0;

	word[0] = '\0';
	for (; n >= 0 && sscanf(line, " %31s%n", word, &len) == 1; n--)
		line += len;
	if (n >= 0)
		word[0] = '\0';
	return word;
}

START_TEST(the_copy_has_every_state_and_event)
{
	ck_assert_int_eq(PS__N, (int)(sizeof table / sizeof table[0]));
	for (int s = 0; s < PS__N; s++) {
		ck_assert_str_eq(
		    slot_state_name((enum slot_state)s), table[s].from);
		ck_assert_str_ne(test_word(table[s].to, PE__N - 1), "");
		ck_assert_str_eq(test_word(table[s].to, PE__N), "");
	}
	for (int e = 0; e < PE__N; e++)
		ck_assert_str_eq(
		    slot_event_name((enum slot_event)e), test_word(heading, e));
	ck_assert_str_eq(test_word(heading, PE__N), "");
	ck_assert_str_eq(slot_state_name(PS__N), "?");
	ck_assert_str_eq(slot_event_name(PE__N), "?");
}
END_TEST

START_TEST(every_event_in_this_state)
{
	enum slot_state to;
	const char *want;
	bool legal;

	for (int e = 0; e < PE__N; e++) {
		want = test_word(table[_i].to, e);
		legal = slot_edge((enum slot_state)_i, (enum slot_event)e, &to);
		ck_assert_msg(legal == (strcmp(want, "-") != 0), "%s %s: is %s",
		    table[_i].from, test_word(heading, e),
		    legal ? "legal" : "refused");
		if (legal)
			ck_assert_str_eq(slot_state_name(to), want);
	}
}
END_TEST

/* Whatever it is told: there is a way to up and a way to down. */
START_TEST(no_state_is_a_dead_end)
{
	bool up[PS__N] = { [PS_RUNNING] = true };
	bool down[PS__N] = { [PS_STOPPED] = true };
	enum slot_state to;

	for (int round = 0; round < PS__N; round++)
		for (int s = 0; s < PS__N; s++)
			for (int e = 0; e < PE__N; e++) {
				if (!slot_edge((enum slot_state)s,
					(enum slot_event)e, &to))
					continue;
				up[s] = up[s] || up[to];
				down[s] = down[s] || down[to];
			}
	for (int s = 0; s < PS__N; s++)
		ck_assert(up[s] && down[s]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("program");
	TCase *tc = tcase_create("program");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_copy_has_every_state_and_event);
	tcase_add_loop_test(tc, every_event_in_this_state, 0, PS__N);
	tcase_add_test(tc, no_state_is_a_dead_end);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
