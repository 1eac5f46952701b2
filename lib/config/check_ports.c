/* check_ports - what is wrong with wait_port_free=. */
#include "config/check.h"
#include "config/slot.h"
#include "config/value.h"

static const char *
ports_common(const struct config_sockets *a, const struct config_sockets *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (a->v[i].family == b->v[k].family &&
			    a->v[i].port == b->v[k].port)
				return a->v[i].text;
	return NULL;
}

/* One that the keeper has is never free. */
static void
ports_of_reeved(const struct config *cf, const struct config_program *p,
    const struct config_sockets *ports, struct config_errors *errs)
{
	const char *text;

	for (size_t i = 0; i < cf->nprograms; i++) {
		text = ports_common(ports, &cf->programs[i]->sockets);
		if (text != NULL)
			check_key_error(p, "wait_port_free", errs,
			    "%s is in socket= of [program:%s]: reeved has it, "
			    "it never becomes free",
			    text, cf->programs[i]->name);
	}
}

/* They would wait for each other. */
static void
ports_of_slots(const struct config_program *p, int nslots,
    const struct config_sockets *first, struct config_errors *errs)
{
	struct strv env = expand_environ();
	struct config_sockets last = { 0 };
	struct err err;
	const char *text;

	if (config_slot_ports(&last, p, nslots - 1, nslots, &env, &err) == -1) {
		check_key_error(p, "wait_port_free", errs, "%s", err.text);
		return;
	}
	text = ports_common(first, &last);
	if (text != NULL)
		check_key_error(p, "wait_port_free", errs,
		    "%s is of several workers, of which only one can have it: "
		    "it needs %%(process_num)d in it",
		    text);
	value_sockets_fini(&last);
}

void
check_ports(const struct config *cf, const struct config_program *p, int nslots,
    struct config_errors *errs)
{
	struct strv env = expand_environ();
	struct config_sockets first = { 0 };
	struct err err;

	if (p->rare->wait_port_free == NULL) {
		if (origins_line(
			&p->origins, SCHEMA_PROGRAM_wait_port_timeout) != 0)
			check_key_error(p, "wait_port_timeout", errs,
			    "there is no wait_port_free= that it could be of");
		return;
	}
	if (config_slot_ports(&first, p, 0, nslots, &env, &err) == -1) {
		check_key_error(p, "wait_port_free", errs, "%s", err.text);
		return;
	}
	ports_of_reeved(cf, p, &first, errs);
	if (nslots > 1)
		ports_of_slots(p, nslots, &first, errs);
	value_sockets_fini(&first);
}
