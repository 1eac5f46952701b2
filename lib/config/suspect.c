/* suspect - values that look as if the next key had become part of them. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/ini.h"

/*
 * A line that is indented by mistake becomes part of the value before, and
 * supervisord's users know how long that stays unnoticed.
 */
static void
suspect_line(struct config_errors *errs, const struct ini_entry *e,
    enum schema_section kind, const char *line, size_t len)
{
	size_t n = strcspn(line, "=:[] \t\n");
	char *word = xstrndup(line, n < len ? n : len);
	char *name = xstrndup(line + 1, len > 1 ? strcspn(line + 1, ":]") : 0);
	const char *next = line + n;
	bool suspect;

	while (*next == ' ' || *next == '\t')
		next++;
	if (*line == '[')
		suspect = schema_section_parse(name) != SECTION__N;
	else
		suspect = (*next == '=' || *next == ':') &&
			  schema_find(kind, word) != SCHEMA__N;
	if (suspect)
		config_warning(errs, e->file, e->line,
		    "'%.*s' is indented and so it is part of key '%s'",
		    (int)(len < 100 ? len : 100), line, e->key);
	free(word);
	free(name);
}

void
suspect_value(struct config_errors *errs, const struct ini_entry *e,
    enum schema_section kind)
{
	const char *s = strchr(e->value, '\n');

	while (s != NULL) {
		size_t len = strcspn(++s, "\n");

		if (len > 0)
			suspect_line(errs, e, kind, s, len);
		s = strchr(s, '\n');
	}
}
