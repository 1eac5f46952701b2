/* inst_channel - the message channel of an instance. */
#include "engine/engine_priv.h"

static void
inst_on_channel_ready(void *arg)
{
	struct inst *in = arg;

	if (in->conf->ready == READY_IPC)
		inst_is_up(in);
}

static void
inst_channel_who(const struct inst *in, struct channel_who *who,
    struct channel_limits *limits)
{
	who->name = in->slot->name;
	who->generation = in->generation;
	who->id = in->id;
	channel_limits_of(limits, in->conf);
}

int
inst_open_channel(struct inst *in, int *child_fd, struct err *err)
{
	struct channel_limits limits;
	struct channel_who who;

	inst_channel_who(in, &who, &limits);
	in->channel = channel_new(in->slot->prog->en, &who, &limits, child_fd,
	    inst_on_channel_ready, in, err);
	return in->channel == NULL ? -1 : 0;
}

void
inst_limit_channel(struct inst *in)
{
	struct channel_limits limits;

	channel_limits_of(&limits, in->conf);
	if (in->channel != NULL)
		channel_limit(in->channel, &limits);
}

void
inst_adopt_channel(struct inst *in)
{
	struct channel_limits limits;
	struct channel_who who;

	if (!config_program_has_channel(in->conf))
		return;
	inst_channel_who(in, &who, &limits);
	in->channel = channel_adopt(
	    in->slot->prog->en, &who, &limits, inst_on_channel_ready, in);
}
