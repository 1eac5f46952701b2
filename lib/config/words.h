/*
 * words - a command line as its words.
 *
 * POSIX quoting as Python's shlex.split has it: blanks divide, '...' is taken
 * as it is, \ takes the next character, in "..." only before " and \.  No
 * shell runs: $, ~, *, | and ; mean nothing.
 */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "base/err.h"
#include "base/str.h"

/* Adds to out, also when it fails. */
int words_split(struct strv *out, const char *text, struct err *err);

#endif
