/* run_text - one line of text from a plugin, and the progress slot. */
#include <string.h>

#include "pool/run_priv.h"

/* Bytes of the letter at s, a whole and legal one; 0: it is none. */
static size_t
text_letter(const unsigned char *s)
{
	size_t i, n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Too long for what they say, surrogates, beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	/* The C1 controls do to a terminal what ESC does. */
	return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : n;
}

bool
job_text_is_line(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n;

	for (; *p != '\0'; p += n)
		if ((n = text_letter(p)) == 0)
			return false;
	return true;
}

size_t
job_text_line(char *out, size_t size, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n, len = 0;

	while (*p != '\0') {
		n = text_letter(p);
		if (len + (n == 0 ? 1 : n) >= size)
			break;
		if (n == 0)
			out[len] = '?';
		else
			memcpy(out + len, p, n);
		len += n == 0 ? 1 : n;
		p += n == 0 ? 1 : n;
	}
	out[len] = '\0';
	return len;
}

/* --- progress
 * --------------------------------------------------------------------- */

void
job_progress_clear(struct job_progress *pr)
{
	job_progress_set(pr, 0, NULL);
}

static bool
progress_differs(struct job_progress *pr, const uint64_t *w)
{
	size_t i;

	for (i = 0; i < JOB_TEXT_MAX / 8; i++)
		if (atomic_load_explicit(&pr->text[i], memory_order_relaxed) !=
		    w[i])
			return true;
	return false;
}

/* A sequence lock whose words are atomic: a reader never waits for long. */
void
job_progress_set(struct job_progress *pr, int percent, const char *text)
{
	uint64_t w[JOB_TEXT_MAX / 8] = { 0 };
	uint32_t seq;
	size_t i;

	percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	atomic_store_explicit(
	    &pr->percent, (uint32_t)percent, memory_order_relaxed);
	if (text != NULL)
		job_text_line((char *)w, sizeof w, text);
	if (!progress_differs(pr, w))
		return;
	seq = atomic_load_explicit(&pr->seq, memory_order_relaxed);
	atomic_store_explicit(&pr->seq, seq + 1, memory_order_seq_cst);
	for (i = 0; i < JOB_TEXT_MAX / 8; i++)
		atomic_store_explicit(&pr->text[i], w[i], memory_order_release);
	atomic_store_explicit(&pr->seq, seq + 2, memory_order_release);
}

int
job_progress_get(const struct job_progress *pr, char *text, size_t size)
{
	uint64_t w[JOB_TEXT_MAX / 8];
	uint32_t before, after;
	size_t i;

	do {
		before = atomic_load_explicit(&pr->seq, memory_order_acquire);
		for (i = 0; i < JOB_TEXT_MAX / 8; i++)
			w[i] = atomic_load_explicit(
			    &pr->text[i], memory_order_acquire);
		after = atomic_load_explicit(&pr->seq, memory_order_relaxed);
	} while (before != after || (before & 1) != 0);
	if (size > 0)
		job_text_line(text, size, (const char *)w);
	return (int)atomic_load_explicit(&pr->percent, memory_order_relaxed);
}
