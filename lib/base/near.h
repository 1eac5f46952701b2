/*
 * near - "did you mean": the closest of a few words, fed one by one.
 *
 * Closest is the one with the fewest slips (a letter left out, one too many,
 * one for another, two swapped), then the one of the most similar length.  One
 * that begins with the word is a slip away.  How many slips there may be goes
 * by the length: a third of a word is another word.
 */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

struct near {
	const char *word; /* borrowed, as is best */
	const char *best; /* NULL: none is close */
	size_t slips, apart;
};

void near_init(struct near *nr, const char *word);
void near_try(struct near *nr, const char *candidate);

#endif
