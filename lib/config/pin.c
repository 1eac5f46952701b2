/*
 * pin - keys of [reeve] that a reload can't change.
 *
 * A running reeved goes on with the socket, the pidfile, the folder that it
 * was started with, whatever the file says by now: it would look for its own
 * files in the wrong place, and "reevectl config" would tell what is not so.
 * The values are kept as text, key and value each ended by a NUL.
 */
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/value.h"

uint64_t
pin_bit(enum schema_id id)
{
	size_t n;
	enum schema_id first = schema_first(SECTION_REEVE, &n);

	BUG_ON(n > 64);
	return UINT64_C(1) << (id - first);
}

void
config_pins(struct buf *out, const struct config *cf)
{
	size_t n;
	enum schema_id first = schema_first(SECTION_REEVE, &n);

	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);

		if (schema_keys[id].needs != CONFIG_RESTART)
			continue;
		buf_adds(out, schema_keys[id].name);
		buf_addc(out, '\0');
		value_add(out, cf, id);
		buf_addc(out, '\0');
	}
}

static void
pin_key(struct config *cf, enum schema_id id, const char *text)
{
	struct value_ctx vc = { .object = cf, .here = cf->here };
	struct buf now;
	struct err err;

	buf_init(&now);
	value_add(&now, cf, id);
	if (strcmp(buf_str(&now), text) != 0) {
		cf->pinned |= pin_bit(id);
		schema_range(id, &vc.min, &vc.max);
		value_clear(cf, id);
		/* An owner may be gone since: nobody looks at it any more. */
		if (*text != '\0')
			value_set(&vc, id, text, &err);
	}
	buf_fini(&now);
}

void
config_pin(struct config *cf, const char *data, size_t len)
{
	const char *end = data + len;

	while (data < end) {
		const char *value = data + strlen(data) + 1;
		enum schema_id id = schema_find(SECTION_REEVE, data);

		/* Another version's keys need not be ours. */
		if (id != SCHEMA__N && schema_keys[id].needs == CONFIG_RESTART)
			pin_key(cf, id, value);
		data = value + strlen(value) + 1;
	}
}
