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
 *
 * What most slots never have is in cells of its own, a part each.  The slot's
 * record names the copy of a part that belongs to it, and a part is written
 * to its other copy, before the record.  So the record is what makes it
 * count: killed before that, a writer leaves all of the slot as it was.  A
 * part that no record names is free.
 */
#include "state/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "state/region.h"

/* uthash's own falls through its cases in a way that clang warns of. */
#define HASH_FUNCTION(key, len, hash) (hash) = region_sum(0, (key), (len))
#include <uthash.h>

#define TABLE_VERSION 4
#define TABLE_CELLS   32 /* to begin with; doubled when full */
#define TABLE_SELF    0  /* the cell of struct table_self */

enum cell_kind {
	CELL_FREE = 1,
	CELL_SELF,
	CELL_SLOT,
	CELL_ROLL,
	CELL_BUDGET,
	CELL_EMPTY,
	CELL_PART
};

/* The parts of a slot's record: what it has left behind, who is leaving, and
 * its deaths. */
#define SLOT_PARTS 3

static const struct {
	size_t at, size; /* of struct table_slot */
} slot_parts[SLOT_PARTS] = {
	{ offsetof(struct table_slot, past),
	    offsetof(struct table_slot, drain) -
		offsetof(struct table_slot, past) },
	{ offsetof(struct table_slot, drain),
	    offsetof(struct table_slot, deaths) -
		offsetof(struct table_slot, drain) },
	{ offsetof(struct table_slot, deaths),
	    sizeof(struct table_slot) - offsetof(struct table_slot, deaths) },
};

#define PART_MAX 288

/* Which copy of which cell; rec 0: all of the part is 0. */
struct part_ref {
	uint64_t serial;
	uint32_t rec;
};

struct slot_head {
	unsigned char bytes[offsetof(struct table_slot, past)]; /* name first */
	struct part_ref part[SLOT_PARTS];
};

struct part {
	uint32_t slot; /* record that it is of */
	uint32_t which;
	unsigned char bytes[PART_MAX];
};

struct copy {
	uint64_t serial; /* 0: not written, or half written */
	uint32_t sum;    /* of all but itself */
	uint32_t kind;
	union {
		struct table_self self;
		struct slot_head slot;
		struct part part;
		struct table_roll roll;
		struct table_budget budget;
		struct table_empty empty;
	} u;
};

struct cell {
	struct copy copy[2];
};

_Static_assert(
    offsetof(struct table_slot, drain) - offsetof(struct table_slot, past) <=
	    PART_MAX &&
	sizeof(struct table_inst) <= PART_MAX &&
	sizeof(struct table_slot) - offsetof(struct table_slot, deaths) <=
	    PART_MAX,
    "a part fits");

/* A cell that is in use, or promised to a name that is not written yet. */
struct entry {
	enum cell_kind kind;
	uint32_t rec;
	UT_hash_handle hh;
	char key[]; /* of its kind one letter, name */
};

static struct entry part_entry = { .kind = CELL_PART }; /* of all parts */

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
copy_sum(const struct copy *c)
{
	uint32_t sum = region_sum(0, &c->serial, sizeof c->serial);

	sum = region_sum(sum, &c->kind, sizeof c->kind);
	return region_sum(sum, &c->u, sizeof c->u);
}

static bool
copy_counts(const struct copy *c)
{
	return c->serial != 0 && c->sum == copy_sum(c);
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

static struct copy *
cell_other(struct cell *ce, const struct copy *c)
{
	return c == &ce->copy[0] ? &ce->copy[1] : &ce->copy[0];
}

static void
copy_put(struct copy *c, uint64_t serial, enum cell_kind kind, const void *p,
    size_t n)
{
	struct copy new;

	/* Made aside, so that the copy is half written as short as can be. */
	memset(&new, 0, sizeof new);
	new.serial = serial;
	new.kind = kind;
	if (n > 0)
		memcpy(&new.u, p, n);
	new.sum = copy_sum(&new);
	*(volatile uint64_t *)&c->serial = 0;
	region_barrier();
	memcpy(&c->u, &new.u, sizeof c->u);
	c->kind = new.kind;
	c->sum = new.sum;
	region_barrier();
	*(volatile uint64_t *)&c->serial = new.serial;
}

static void
cell_put(struct cell *ce, enum cell_kind kind, const void *p, size_t n)
{
	struct copy *old = cell_newest(ce);

	copy_put(
	    cell_other(ce, old), old == NULL ? 1 : old->serial + 1, kind, p, n);
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

/* key: of 1 + TABLE_NAME_MAX bytes, or what the name takes. */
static void
entry_key(char *key, enum cell_kind kind, const char *name)
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
	size_t len = strlen(name);
	struct entry *en = xcalloc(1, sizeof *en + len + 2);

	en->kind = kind;
	en->rec = rec;
	entry_key(en->key, kind, name);
	tb->entries[rec] = en;
	HASH_ADD_STR(tb->by_key, key, en);
	return en;
}

static void
table_cell_free(struct table *tb, uint32_t rec)
{
	tb->entries[rec] = NULL;
	if (rec < tb->free_hint)
		tb->free_hint = rec;
}

static void
table_entry_drop(struct table *tb, struct entry *en)
{
	struct cell *ce = table_cell(tb, en->rec);

	/* Twice: nothing of it comes back, whichever copy is lost. */
	cell_put(ce, CELL_FREE, NULL, 0);
	cell_put(ce, CELL_FREE, NULL, 0);
	table_cell_free(tb, en->rec);
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

/* --- parts of a slot ------------------------------------------------------ */

/* The copy that the slot's record names; NULL: none. */
static struct copy *
part_find(const struct table *tb, uint32_t slot, uint32_t which,
    const struct part_ref *ref)
{
	struct cell *ce;

	if (ref->rec == 0 || ref->rec >= tb->ncells)
		return NULL;
	ce = table_cell(tb, ref->rec);
	for (int i = 0; i < 2; i++) {
		struct copy *c = &ce->copy[i];

		if (c->serial == ref->serial && copy_counts(c) &&
		    c->kind == CELL_PART && c->u.part.slot == slot &&
		    c->u.part.which == which)
			return c;
	}
	return NULL;
}

static void
part_put(struct table *tb, uint32_t slot, uint32_t which,
    const struct table_slot *in, struct part_ref *ref)
{
	static const struct part none;
	struct copy *old = part_find(tb, slot, which, ref);
	struct part part;
	struct cell *ce;

	memset(&part, 0, sizeof part);
	memcpy(part.bytes, (const char *)in + slot_parts[which].at,
	    slot_parts[which].size);
	if (memcmp(part.bytes, old == NULL ? none.bytes : old->u.part.bytes,
		PART_MAX) == 0)
		return;
	part.slot = slot;
	part.which = which;
	if (old == NULL) {
		*ref = (struct part_ref){ .rec = table_cell_new(tb) };
		if (ref->rec == TABLE_NONE) {
			ref->rec = 0;
			return;
		}
		tb->entries[ref->rec] = &part_entry;
	}
	ce = table_cell(tb, ref->rec);
	ref->serial = cell_newest(ce) == NULL ? 1 : cell_newest(ce)->serial + 1;
	copy_put(
	    cell_other(ce, old), ref->serial, CELL_PART, &part, sizeof part);
}

/* Its parts, of a record that is there already, are in use. */
static void
table_hold_parts(struct table *tb, uint32_t rec)
{
	const struct copy *c = cell_newest(table_cell(tb, rec));

	for (uint32_t i = 0; i < SLOT_PARTS; i++) {
		if (part_find(tb, rec, i, &c->u.slot.part[i]) != NULL)
			tb->entries[c->u.slot.part[i].rec] = &part_entry;
	}
}

/* --- what is there -------------------------------------------------------- */

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
		name = (const char *)c->u.slot.bytes;
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
	if (table_entry(tb, kind, name) != NULL)
		return;
	table_entry_add(tb, kind, name, rec);
	if (kind == CELL_SLOT)
		table_hold_parts(tb, rec);
}

/* --- the face ------------------------------------------------------------- */

uint32_t
table_layout(void)
{
	const size_t sizes[] = { TABLE_VERSION, sizeof(struct table_self),
		sizeof(struct table_slot), sizeof(struct table_roll),
		sizeof(struct table_inst), sizeof(struct table_death),
		sizeof(struct table_budget), sizeof(struct table_empty) };

	return region_sum(0, sizes, sizeof sizes);
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
	struct slot_head head;

	if (table_slot_entry(tb, rec) == NULL ||
	    !cell_get(table_cell(tb, rec), CELL_SLOT, &head, sizeof head))
		return false;
	memset(out, 0, sizeof *out);
	memcpy(out, head.bytes, sizeof head.bytes);
	for (uint32_t i = 0; i < SLOT_PARTS; i++) {
		const struct copy *c = part_find(tb, rec, i, &head.part[i]);

		if (c != NULL)
			memcpy((char *)out + slot_parts[i].at, c->u.part.bytes,
			    slot_parts[i].size);
	}
	return true;
}

/* A record there was no memory for (TABLE_NONE) is not kept. */
void
table_put_slot(struct table *tb, uint32_t rec, const struct table_slot *in)
{
	const struct entry *en = table_slot_entry(tb, rec);
	struct slot_head head;

	if (rec == TABLE_NONE)
		return;
	BUG_ON(en == NULL || strcmp(en->key + 1, in->name) != 0);
	if (!cell_get(table_cell(tb, rec), CELL_SLOT, &head, sizeof head))
		memset(&head, 0, sizeof head);
	memcpy(head.bytes, in, sizeof head.bytes);
	for (uint32_t i = 0; i < SLOT_PARTS; i++)
		part_put(tb, rec, i, in, &head.part[i]);
	cell_put(table_cell(tb, rec), CELL_SLOT, &head, sizeof head);
}

void
table_drop_slot(struct table *tb, uint32_t rec)
{
	struct entry *en = table_slot_entry(tb, rec);
	struct slot_head head;

	if (en == NULL)
		return;
	if (!cell_get(table_cell(tb, rec), CELL_SLOT, &head, sizeof head))
		memset(&head, 0, sizeof head);
	table_entry_drop(tb, en);
	for (uint32_t i = 0; i < SLOT_PARTS; i++) {
		if (part_find(tb, rec, i, &head.part[i]) != NULL)
			table_cell_free(tb, head.part[i].rec);
	}
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
