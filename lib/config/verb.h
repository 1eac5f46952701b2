/*
 * verb - the methods of the control protocol by name, for allow=.
 *
 * The list is ctl/cmd.def and stands nowhere else: a method that is added
 * there can be named in allow= and is denied until it is.
 */
#ifndef CONFIG_VERB_H
#define CONFIG_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verb {
#define CMD(name, set, params, help) VERB_##name,
#include "ctl/cmd.def" /* lint: include: the names alone, nothing of ctl */
#undef CMD
	VERB__N
};

_Static_assert(VERB__N <= 64, "a set of verbs is a uint64_t");

#define VERB_BIT(verb) ((uint64_t)1 << (verb))

const char *verb_name(enum verb verb);
/* "read", "operate" or "admin": the smallest set that a verb is in. */
const char *verb_set_name(enum verb verb);
/* As in cmd.def. */
const char *verb_params(enum verb verb);
/* The bits of a verb, or of a set of them; 0: no such verb. */
uint64_t verb_parse(const char *word);
/* Whether it is used on programs; else an entry with names doesn't grant it. */
bool verb_has_names(enum verb verb);
/* The closest there is, or NULL. */
const char *verb_nearest(const char *word);

#endif
