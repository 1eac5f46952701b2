/* config - the config in effect, as a file, with the origin of each value. */
#include <string.h>

#include "reevectl.h"

#define CONFIG_COLUMN 48 /* where the origins stand, if values are short */

static void
config_value(struct buf *b, const json_t *v)
{
	const char *value = jstr(v, "value", "");
	const char *origin = jstr(v, "origin", "");
	size_t start = b->len, cols;

	render_safe(b, jstr(v, "key", "?"));
	buf_adds(b, " = ");
	render_safe(b, value);
	cols = render_columns(b->data + start);
	do {
		buf_addc(b, ' ');
	} while (++cols < CONFIG_COLUMN);
	buf_adds(b, render_tint(TINT_DIM));
	buf_adds(b, "; ");
	render_safe(b, origin);
	buf_adds(b, render_untint(TINT_DIM));
	buf_addc(b, '\n');
}

static void
config_section(struct buf *b, const json_t *section)
{
	const json_t *values = json_object_get(section, "values");

	buf_adds(b, render_tint(TINT_BOLD));
	buf_addc(b, '[');
	render_safe(b, jstr(section, "section", "?"));
	buf_addc(b, ']');
	buf_adds(b, render_untint(TINT_BOLD));
	buf_addc(b, '\n');
	for (size_t i = 0; i < json_array_size(values); i++) {
		const json_t *v = json_array_get(values, i);

		/* Not set, and nothing by default: --json has these, too. */
		if (*jstr(v, "value", "") != '\0' ||
		    strcmp(jstr(v, "origin", ""), "default") != 0)
			config_value(b, v);
	}
}

int
verb_config(struct command *cmd)
{
	json_t *params = json_object(), *cf, *names;
	const json_t *sections;
	int code = EXIT_OK;
	struct buf b;

	if (cmd->nargs > 0) {
		names = args_json(cmd, 0, 1);
		json_object_set(params, "program", json_array_get(names, 0));
		json_decref(names);
	}
	cf = command_ask(cmd, "config", params, &code);
	if (cf == NULL)
		return code;
	sections = json_object_get(cf, "sections");
	buf_init(&b);
	if (cmd->on[OPTION_JSON])
		out_json(cf);
	for (size_t i = 0;
	     !cmd->on[OPTION_JSON] && i < json_array_size(sections); i++) {
		if (i > 0)
			buf_addc(&b, '\n');
		config_section(&b, json_array_get(sections, i));
	}
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
	json_decref(cf);
	return code;
}
