/*
 * fdstore - descriptors that outlive the engine, by number.
 *
 * The engine chooses the numbers and names; a name means nothing here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "keeper/keeper_priv.h"

static int
fdstore_grow(struct fdstore *st, uint32_t slot)
{
	size_t n = st->n != 0 ? st->n : 64;
	struct fdstore_slot *p;

	if (slot < st->n)
		return 0;
	if (slot >= FDSTORE_MAX)
		return -1;
	while (n <= slot)
		n *= 2;
	p = realloc(st->slots, n * sizeof *p);
	if (p == NULL)
		return -1;
	for (size_t i = st->n; i < n; i++)
		p[i] = (struct fdstore_slot){ -1, NULL };
	st->slots = p;
	st->n = n;
	return 0;
}

int
fdstore_put(struct fdstore *st, uint32_t slot, const char *name, int *fd)
{
	char *copy = strndup(name, FDSTORE_NAME_MAX);

	if (copy == NULL || fdstore_grow(st, slot) == -1) {
		free(copy);
		fd_closep(fd);
		return -1;
	}
	fdstore_drop(st, slot);
	st->slots[slot].fd = *fd;
	st->slots[slot].name = copy;
	*fd = -1;
	return 0;
}

void
fdstore_drop(struct fdstore *st, uint32_t slot)
{
	if (slot >= st->n)
		return;
	fd_closep(&st->slots[slot].fd);
	free(st->slots[slot].name);
	st->slots[slot].name = NULL;
}

int
fdstore_get(const struct fdstore *st, uint32_t slot)
{
	return slot < st->n ? st->slots[slot].fd : -1;
}

void
fdstore_fini(struct fdstore *st)
{
	for (size_t i = 0; i < st->n; i++)
		fdstore_drop(st, (uint32_t)i);
	free(st->slots);
	st->slots = NULL;
	st->n = 0;
}
