/*
 * table - the crash-proof state table.
 *
 * A row of cells in a region, one a record, each with two copies of what it
 * holds.  A copy counts when its serial is not 0 and its checksum is right;
 * of two that count the higher serial is the record.  A write takes the other
 * one: serial 0 first, then the rest, the serial last, so it counts when it
 * is whole and never before.  A dropped record is a copy of kind CELL_FREE.
 *
 * Which name is where is known from the cells alone: the hash and the list
 * of free cells are made anew by every engine.
 */
#include "engine/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/region.h"

/* uthash's own falls through its cases in a way that clang warns of. */
#define HASH_FUNCTION(key, len, hash) (hash) = region_crc(0, (key), (len))
#include <uthash.h>

#define TABLE_VERSION 2
#define TABLE_CELLS   32 /* to begin with; doubled when full */
#define TABLE_SELF    0  /* the cell of struct table_self */

enum cell_kind {
	CELL_FREE = 1,
	CELL_SELF,
	CELL_SLOT,
	CELL_ROLL,
	CELL_BUDGET,
	CELL_EMPTY
};

struct copy {
	uint64_t serial; /* 0: not written, or half written */
	uint32_t crc;    /* of all but itself */
	uint32_t kind;
	union {
		struct table_self self;
		struct table_slot slot;
		struct table_roll roll;
		struct table_budget budget;
		struct table_empty empty;
	} u;
};

struct cell {
	struct copy copy[2];
};

/* A cell that is in use, or promised to a name that is not written yet. */
struct entry {
	char key[1 + TABLE_NAME_MAX]; /* of its kind one letter, name */
	enum cell_kind kind;
	uint32_t rec;
	UT_hash_handle hh;
};

struct table {
	struct region rg;
	struct entry **entries; /* index: cell; NULL: free */
	uint32_t ncells;
	uint32_t free_hint; /* all below are in use */
	struct entry *by_key;
};

/* --- cells ---------------------------------------------------------------- */

static struct cell *
table_cell(const struct table *tb, uint32_t rec)
{
	return (struct cell *)(void *)(tb->rg.map + REGION_HEAD) + rec;
}

static uint32_t
copy_crc(const struct copy *c)
{
	uint32_t crc = region_crc(0, &c->serial, sizeof c->serial);

	crc = region_crc(crc, &c->kind, sizeof c->kind);
	return region_crc(crc, &c->u, sizeof c->u);
}

static bool
copy_counts(const struct copy *c)
{
	return c->serial != 0 && c->crc == copy_crc(c);
}

/* The copy that is the record; NULL: none. */
static struct copy *
cell_newest(struct cell *ce)
{
	struct copy *a = &ce->copy[0], *b = &ce->copy[1];
	bool has_a = copy_counts(a), has_b = copy_counts(b);

	if (has_a && has_b)
		return a->serial > b->serial ? a : b;
	if (has_a)
		return a;
	return has_b ? b : NULL;
}

static void
cell_put(struct cell *ce, enum cell_kind kind, const void *p, size_t n)
{
	struct copy *old = cell_newest(ce);
	struct copy *c = old == &ce->copy[0] ? &ce->copy[1] : &ce->copy[0];
	struct copy new;

	/* Made aside, so that the copy is half written as short as can be. */
	memset(&new, 0, sizeof new);
	new.serial = old == NULL ? 1 : old->serial + 1;
	new.kind = kind;
	if (n > 0)
		memcpy(&new.u, p, n);
	new.crc = copy_crc(&new);
	*(volatile uint64_t *)&c->serial = 0;
	region_barrier();
	memcpy(&c->u, &new.u, sizeof c->u);
	c->kind = new.kind;
	c->crc = new.crc;
	region_barrier();
	*(volatile uint64_t *)&c->serial = new.serial;
}

static bool
cell_get(struct cell *ce, enum cell_kind kind, void *out, size_t n)
{
	const struct copy *c = cell_newest(ce);

	if (c == NULL || c->kind != (uint32_t)kind)
		return false;
	memcpy(out, &c->u, n);
	return true;
}

/* --- names ---------------------------------------------------------------- */

static void
entry_key(char key[1 + TABLE_NAME_MAX], enum cell_kind kind, const char *name)
{
	size_t len = strlen(name);

	BUG_ON(len >= TABLE_NAME_MAX);
	key[0] = kind == CELL_SLOT     ? 's'
		 : kind == CELL_ROLL   ? 'r'
		 : kind == CELL_BUDGET ? 'b'
				       : 'e';
	memcpy(key + 1, name, len + 1);
}

static struct entry *
table_entry(const struct table *tb, enum cell_kind kind, const char *name)
{
	char key[1 + TABLE_NAME_MAX];
	struct entry *en;

	entry_key(key, kind, name);
	HASH_FIND_STR(tb->by_key, key, en);
	return en;
}

static struct entry *
table_entry_add(
    struct table *tb, enum cell_kind kind, const char *name, uint32_t rec)
{
	struct entry *en = xcalloc(1, sizeof *en);

	en->kind = kind;
	en->rec = rec;
	entry_key(en->key, kind, name);
	tb->entries[rec] = en;
	HASH_ADD_STR(tb->by_key, key, en);
	return en;
}

static void
table_entry_drop(struct table *tb, struct entry *en)
{
	struct cell *ce = table_cell(tb, en->rec);

	/* Twice: nothing of it comes back, whichever copy is lost. */
	cell_put(ce, CELL_FREE, NULL, 0);
	cell_put(ce, CELL_FREE, NULL, 0);
	tb->entries[en->rec] = NULL;
	if (en->rec < tb->free_hint)
		tb->free_hint = en->rec;
	HASH_DEL(tb->by_key, en);
	free(en);
}

static void
table_index(struct table *tb, uint32_t ncells)
{
	tb->entries = xreallocarray(tb->entries, ncells, sizeof *tb->entries);
	for (uint32_t i = tb->ncells; i < ncells; i++)
		tb->entries[i] = NULL;
	tb->ncells = ncells;
}

/* A free cell; TABLE_NONE: no memory for more. */
static uint32_t
table_cell_new(struct table *tb)
{
	uint32_t rec = tb->free_hint;

	while (rec < tb->ncells && tb->entries[rec] != NULL)
		rec++;
	if (rec == tb->ncells) {
		uint32_t n = 2 * tb->ncells;

		if (region_grow(&tb->rg, n * sizeof(struct cell)) == -1) {
			log_warn("grow the state table to %u records", n);
			return TABLE_NONE;
		}
		table_index(tb, n);
	}
	tb->free_hint = rec + 1;
	return rec;
}

static struct entry *
table_entry_make(struct table *tb, enum cell_kind kind, const char *name)
{
	struct entry *en = table_entry(tb, kind, name);
	uint32_t rec;

	if (en != NULL)
		return en;
	rec = table_cell_new(tb);
	return rec == TABLE_NONE ? NULL : table_entry_add(tb, kind, name, rec);
}

/* The entry of a slot's record; NULL: that is none. */
static struct entry *
table_slot_entry(const struct table *tb, uint32_t rec)
{
	struct entry *en = rec < tb->ncells ? tb->entries[rec] : NULL;

	return en != NULL && en->kind == CELL_SLOT ? en : NULL;
}

/* Finds out what the engine before has left in a cell. */
static void
table_read_cell(struct table *tb, uint32_t rec)
{
	const struct copy *c = cell_newest(table_cell(tb, rec));
	const char *name;
	enum cell_kind kind;

	if (c == NULL)
		return;
	kind = (enum cell_kind)c->kind;
	if (kind == CELL_SLOT)
		name = c->u.slot.name;
	else if (kind == CELL_ROLL)
		name = c->u.roll.program;
	else if (kind == CELL_BUDGET)
		name = c->u.budget.group;
	else if (kind == CELL_EMPTY)
		name = c->u.empty.program;
	else
		return;
	if (memchr(name, '\0', TABLE_NAME_MAX) == NULL)
		return;
	if (table_entry(tb, kind, name) == NULL)
		table_entry_add(tb, kind, name, rec);
}

/* --- the face ------------------------------------------------------------- */

uint32_t
table_layout(void)
{
	const size_t sizes[] = { TABLE_VERSION, sizeof(struct table_self),
		sizeof(struct table_slot), sizeof(struct table_roll),
		sizeof(struct table_inst), sizeof(struct table_death),
		sizeof(struct table_budget), sizeof(struct table_empty) };

	return region_crc(0, sizes, sizeof sizes);
}

struct table *
table_open(int fd, struct err *err)
{
	struct table *tb = xcalloc(1, sizeof *tb);

	if (region_init(&tb->rg, fd, "reeve-table", table_layout(),
		TABLE_CELLS * sizeof(struct cell), err) == -1) {
		free(tb);
		return NULL;
	}
	table_index(
	    tb, (uint32_t)((tb->rg.size - REGION_HEAD) / sizeof(struct cell)));
	tb->free_hint = TABLE_SELF + 1;
	for (uint32_t i = TABLE_SELF + 1; i < tb->ncells; i++)
		table_read_cell(tb, i);
	return tb;
}

void
table_close(struct table *tb)
{
	struct entry *en, *tmp;

	if (tb == NULL)
		return;
	HASH_ITER(hh, tb->by_key, en, tmp) {
		HASH_DEL(tb->by_key, en);
		free(en);
	}
	free(tb->entries);
	region_fini(&tb->rg);
	free(tb);
}

int
table_fd(const struct table *tb)
{
	return tb->rg.fd;
}

uint32_t
table_find_slot(struct table *tb, const char *name, bool create)
{
	struct entry *en = create ? table_entry_make(tb, CELL_SLOT, name)
				  : table_entry(tb, CELL_SLOT, name);

	return en == NULL ? TABLE_NONE : en->rec;
}

bool
table_get_slot(struct table *tb, uint32_t rec, struct table_slot *out)
{
	if (table_slot_entry(tb, rec) == NULL)
		return false;
	return cell_get(table_cell(tb, rec), CELL_SLOT, out, sizeof *out);
}

/* A record there was no memory for (TABLE_NONE) is not kept. */
void
table_put_slot(struct table *tb, uint32_t rec, const struct table_slot *in)
{
	const struct entry *en = table_slot_entry(tb, rec);

	if (rec == TABLE_NONE)
		return;
	BUG_ON(en == NULL || strcmp(en->key + 1, in->name) != 0);
	cell_put(table_cell(tb, rec), CELL_SLOT, in, sizeof *in);
}

void
table_drop_slot(struct table *tb, uint32_t rec)
{
	struct entry *en = table_slot_entry(tb, rec);

	if (en != NULL)
		table_entry_drop(tb, en);
}

bool
table_get_roll(struct table *tb, const char *program, struct table_roll *out)
{
	const struct entry *en = table_entry(tb, CELL_ROLL, program);

	if (en == NULL)
		return false;
	return cell_get(table_cell(tb, en->rec), CELL_ROLL, out, sizeof *out);
}

void
table_put_roll(struct table *tb, const struct table_roll *in)
{
	const struct entry *en;

	en = table_entry_make(tb, CELL_ROLL, in->program);
	if (en != NULL)
		cell_put(table_cell(tb, en->rec), CELL_ROLL, in, sizeof *in);
}

static void
table_drop(struct table *tb, enum cell_kind kind, const char *name)
{
	struct entry *en = table_entry(tb, kind, name);

	if (en != NULL)
		table_entry_drop(tb, en);
}

void
table_drop_roll(struct table *tb, const char *program)
{
	table_drop(tb, CELL_ROLL, program);
}

void
table_get_budget(struct table *tb, const char *group, struct table_budget *out)
{
	const struct entry *en = table_entry(tb, CELL_BUDGET, group);

	if (en != NULL &&
	    cell_get(table_cell(tb, en->rec), CELL_BUDGET, out, sizeof *out))
		return;
	memset(out, 0, sizeof *out);
	memcpy(out->group, group, strlen(group) + 1);
}

void
table_put_budget(struct table *tb, const struct table_budget *in)
{
	const struct entry *en = table_entry_make(tb, CELL_BUDGET, in->group);

	if (en != NULL)
		cell_put(table_cell(tb, en->rec), CELL_BUDGET, in, sizeof *in);
}

void
table_drop_budget(struct table *tb, const char *group)
{
	table_drop(tb, CELL_BUDGET, group);
}

bool
table_is_empty(const struct table *tb, const char *program)
{
	return table_entry(tb, CELL_EMPTY, program) != NULL;
}

void
table_set_empty(struct table *tb, const char *program, bool is_empty)
{
	struct table_empty te = { .program = "" };
	const struct entry *en;

	if (!is_empty) {
		table_drop(tb, CELL_EMPTY, program);
		return;
	}
	memcpy(te.program, program, strlen(program) + 1);
	en = table_entry_make(tb, CELL_EMPTY, program);
	if (en != NULL)
		cell_put(table_cell(tb, en->rec), CELL_EMPTY, &te, sizeof te);
}

bool
table_get_self(struct table *tb, struct table_self *out)
{
	return cell_get(
	    table_cell(tb, TABLE_SELF), CELL_SELF, out, sizeof *out);
}

void
table_put_self(struct table *tb, const struct table_self *in)
{
	cell_put(table_cell(tb, TABLE_SELF), CELL_SELF, in, sizeof *in);
}
