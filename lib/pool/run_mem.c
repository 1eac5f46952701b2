/*
 * run_mem - memory that belongs to a run: whatever the job forgets is given
 * back when it returns.
 */
#include <stdlib.h>

#include "pool/run_priv.h"

#define BLOCK_MAGIC 0x626c6f636b72656aull

struct job_block {
	uint64_t magic;
	size_t size; /* with this head */
	struct job_block *prev, *next;
};

_Static_assert(sizeof(struct job_block) % _Alignof(max_align_t) == 0,
    "what follows the head is aligned as malloc would");

void *
job_mem_alloc(struct reeve_job *job, size_t n)
{
	struct job_run *run = job_run_cast(job);
	size_t max = run->spec->memory_max, size = n + sizeof(struct job_block);
	struct job_block *b = NULL;

	run->allocs++;
	if (size < n || (max > 0 && n > max - run->memory)) {
		job_run_fail(
		    run, "more memory than the %zu bytes a job may have", max);
		return NULL;
	}
	/* A big job that asks for too much must not end the pool. */
	b = calloc(1, size); /* lint: alloc: NULL is the job's failure */
	if (b == NULL) {
		job_run_fail(run, "no memory (%zu bytes)", n);
		return NULL;
	}
	b->magic = BLOCK_MAGIC;
	b->size = size;
	b->next = run->blocks;
	if (b->next != NULL)
		b->next->prev = b;
	run->blocks = b;
	run->memory += n;
	return b + 1;
}

void
job_mem_release(struct reeve_job *job, void *p)
{
	struct job_run *run = job_run_cast(job);
	struct job_block *b;

	if (p == NULL)
		return;
	b = (struct job_block *)p - 1;
	if (b->magic != BLOCK_MAGIC) {
		job_run_break(run, "released memory that alloc() did not give");
		return;
	}
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		run->blocks = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
	run->memory -= b->size - sizeof *b;
	b->magic = 0;
	free(b);
}

void
job_mem_end(struct job_run *run)
{
	struct job_block *b, *next;

	for (b = run->blocks; b != NULL; b = next) {
		next = b->next;
		b->magic = 0;
		free(b);
	}
	run->blocks = NULL;
	run->memory = 0;
}
