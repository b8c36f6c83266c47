/* Publish and subscribe: the commands; what they stand on is in engine/pubsub.h. A subscription or its end is confirmed
   by a push for each channel, which CLIENT REPLY does not silence. In front of the confirmation that a subscription has
   ended stands every message that was delivered for it, so that none follows. */
#include "engine/pubsub.h"

#include "commands/commands.h"
#include "engine/call.h"

static const struct {
    bytes subscribe;
    bytes unsubscribe;
} verbs[] = {
    [TOPIC_CHANNEL] = {{"subscribe", 9}, {"unsubscribe", 11}},
    [TOPIC_PATTERN] = {{"psubscribe", 10}, {"punsubscribe", 12}},
    [TOPIC_SHARD_CHANNEL] = {{"ssubscribe", 10}, {"sunsubscribe", 12}},
};

/* What a confirmation counts: channels and patterns together, shard channels apart. */
static size_t count_for(const struct session *session, enum topic_kind kind)
{
    if (kind == TOPIC_SHARD_CHANNEL)
        return pubsub_count(session, kind);
    return pubsub_count(session, TOPIC_CHANNEL) + pubsub_count(session, TOPIC_PATTERN);
}

/* The push that says how it stands with this name; NULL: with no name at all. */
static void confirm(struct call *call, bytes verb, const bytes *name, enum topic_kind kind)
{
    struct session *session = call->session;
    int protocol = atomic_load_explicit(&session->protocol, memory_order_relaxed);
    const struct reply_encoder *encoder = session->encoders[protocol];
    encoder->push(&session->out, 3);
    encoder->bulk(&session->out, verb);
    if (name != NULL)
        encoder->bulk(&session->out, *name);
    else
        encoder->null(&session->out);
    encoder->integer(&session->out, (int64_t)count_for(session, kind));
}

static void subscribe(struct call *call, enum topic_kind kind)
{
    for (size_t i = 1; i < call->argc; i++) {
        if (!pubsub_subscribe(call->session, kind, ARG(i))) {
            reply_no_memory(call);
            return;
        }
        confirm(call, verbs[kind].subscribe, &ARG(i), kind);
    }
}

/* The messages that were delivered go first. Not within a transaction: its reply may not be interrupted. */
static void unsubscribe_from(struct call *call, enum topic_kind kind, bytes name)
{
    pubsub_unsubscribe(call->session, kind, name);
    if (!(call->session->modes & MODE_EXEC))
        inbox_settle(call->session);
    confirm(call, verbs[kind].unsubscribe, &name, kind);
}

static void unsubscribe_from_all(struct call *call, enum topic_kind kind)
{
    struct blob *name = pubsub_oldest(call->session, kind);
    if (name == NULL)
        confirm(call, verbs[kind].unsubscribe, NULL, kind);
    while (name != NULL) {
        unsubscribe_from(call, kind, blob_bytes(name));
        blob_drop(name);
        name = pubsub_oldest(call->session, kind);
    }
}

static void unsubscribe(struct call *call, enum topic_kind kind)
{
    if (call->argc == 1)
        unsubscribe_from_all(call, kind);
    for (size_t i = 1; i < call->argc; i++)
        unsubscribe_from(call, kind, ARG(i));
}

/* SUBSCRIBE channel [channel ...] */
static void cmd_subscribe(struct call *call)
{
    subscribe(call, TOPIC_CHANNEL);
}

/* PSUBSCRIBE pattern [pattern ...] */
static void cmd_psubscribe(struct call *call)
{
    subscribe(call, TOPIC_PATTERN);
}

/* SSUBSCRIBE shardchannel [shardchannel ...]: not as a part of a transaction. */
static void cmd_ssubscribe(struct call *call)
{
    if (call->session->modes & MODE_EXEC)
        reply_error(call, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    else
        subscribe(call, TOPIC_SHARD_CHANNEL);
}

/* UNSUBSCRIBE [channel ...]: without one, from all. */
static void cmd_unsubscribe(struct call *call)
{
    unsubscribe(call, TOPIC_CHANNEL);
}

/* PUNSUBSCRIBE [pattern ...] */
static void cmd_punsubscribe(struct call *call)
{
    unsubscribe(call, TOPIC_PATTERN);
}

/* SUNSUBSCRIBE [shardchannel ...] */
static void cmd_sunsubscribe(struct call *call)
{
    unsubscribe(call, TOPIC_SHARD_CHANNEL);
}

static void publish(struct call *call, enum topic_kind kind)
{
    size_t receivers;
    if (pubsub_publish(call->engine, kind, ARG(1), ARG(2), &receivers))
        reply_integer(call, (int64_t)receivers);
    else
        reply_no_memory(call);
}

/* PUBLISH channel message. Reply: how many receive it, one who receives it by several subscriptions counted for each.
 */
static void cmd_publish(struct call *call)
{
    publish(call, TOPIC_CHANNEL);
}

/* SPUBLISH shardchannel message */
static void cmd_spublish(struct call *call)
{
    publish(call, TOPIC_SHARD_CHANNEL);
}

/* ---- PUBSUB ---- */

struct listing {
    struct call *call;
    const bytes *pattern; /* NULL: all */
    size_t count;
};

static void list_name(void *context, bytes name)
{
    struct listing *listing = context;
    if (listing->pattern != NULL && !pubsub_matches(*listing->pattern, name))
        return;
    reply_bulk(listing->call, name);
    listing->count++;
}

static void list_channels(struct call *call, enum topic_kind kind)
{
    if (call->argc > 3) {
        reply_subcommand_error(call);
        return;
    }
    struct listing listing = {.call = call, .pattern = call->argc == 3 ? &ARG(2) : NULL};
    struct out_chunk *begun = reply_begin(call);
    pubsub_visit(call->engine, kind, list_name, &listing);
    reply_end_array(call, begun, listing.count);
}

/* PUBSUB CHANNELS [pattern]: the channels that have subscribers. */
static void cmd_pubsub_channels(struct call *call)
{
    list_channels(call, TOPIC_CHANNEL);
}

/* PUBSUB SHARDCHANNELS [pattern] */
static void cmd_pubsub_shardchannels(struct call *call)
{
    list_channels(call, TOPIC_SHARD_CHANNEL);
}

static void count_subscribers(struct call *call, enum topic_kind kind)
{
    reply_array(call, 2 * (call->argc - 2));
    for (size_t i = 2; i < call->argc; i++) {
        reply_bulk(call, ARG(i));
        reply_integer(call, (int64_t)pubsub_subscribers(call->engine, kind, ARG(i)));
    }
}

/* PUBSUB NUMSUB [channel ...]: each with the number of its subscribers, those by pattern not counted. */
static void cmd_pubsub_numsub(struct call *call)
{
    count_subscribers(call, TOPIC_CHANNEL);
}

/* PUBSUB SHARDNUMSUB [shardchannel ...] */
static void cmd_pubsub_shardnumsub(struct call *call)
{
    count_subscribers(call, TOPIC_SHARD_CHANNEL);
}

/* PUBSUB NUMPAT: how many different patterns are subscribed to. */
static void cmd_pubsub_numpat(struct call *call)
{
    reply_integer(call, (int64_t)pubsub_topics(&call->engine->pubsub, TOPIC_PATTERN));
}

static void cmd_pubsub_help(struct call *call)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    The channels that have subscribers, or those of them that match the pattern.",
        "NUMPAT",
        "    How many different patterns are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    How many clients subscribe to each of these channels, patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that have subscribers, or those of them that match the pattern.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many clients subscribe to each of these shard channels.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- The table ---- */

static const struct command_argument channels[] = {
    {.name = "channel", .type = ARG_STRING, .flags = ARG_MULTIPLE},
    {0},
};
static const struct command_argument optional_channels[] = {
    {.name = "channel", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument shard_channels[] = {
    {.name = "shardchannel", .type = ARG_STRING, .flags = ARG_MULTIPLE},
    {0},
};
static const struct command_argument optional_shard_channels[] = {
    {.name = "shardchannel", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument one_pattern[] = {{.name = "pattern", .type = ARG_PATTERN}, {0}};
static const struct command_argument patterns[] = {
    {.name = "pattern", .type = ARG_BLOCK, .flags = ARG_MULTIPLE, .arguments = one_pattern},
    {0},
};
static const struct command_argument optional_patterns[] = {
    {.name = "pattern", .type = ARG_PATTERN, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument optional_pattern[] = {
    {.name = "pattern", .type = ARG_PATTERN, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_argument publish_arguments[] = {
    {.name = "channel", .type = ARG_STRING},
    {.name = "message", .type = ARG_STRING},
    {0},
};
static const struct command_argument spublish_arguments[] = {
    {.name = "shardchannel", .type = ARG_STRING},
    {.name = "message", .type = ARG_STRING},
    {0},
};

/* In a cluster a shard channel lives in a slot, as a key does. */
static const struct key_spec shard_channel_specs[] = {
    {.flags = KEY_NOT_KEY, .index = 1, .last = -1, .step = 1},
    {0},
};
static const struct key_spec shard_channel_spec[] = {{.flags = KEY_NOT_KEY, .index = 1, .step = 1}, {0}};

static const struct channel_spec published = {.use = CHANNELS_PUBLISH, .first = 1, .count = 1};
static const struct channel_spec subscribed = {.use = CHANNELS_SUBSCRIBE, .first = 1};
static const struct channel_spec subscribed_patterns = {.use = CHANNELS_SUBSCRIBE, .is_pattern = true, .first = 1};
static const struct channel_spec unsubscribed = {.use = CHANNELS_UNSUBSCRIBE, .first = 1};
static const struct channel_spec unsubscribed_patterns = {.use = CHANNELS_UNSUBSCRIBE, .is_pattern = true, .first = 1};

#define PUBSUB_FLAGS (CMD_PUBSUB | CMD_LOADING | CMD_STALE)
#define SUBSCRIBE_FLAGS (PUBSUB_FLAGS | CMD_NOSCRIPT | CMD_SUBSCRIBER)
#define PUBLISH_FLAGS (PUBSUB_FLAGS | CMD_FAST | CMD_MAY_REPLICATE)

static const struct command pubsub_subcommands[] = {
    {
        .name = "channels",
        .run = cmd_pubsub_channels,
        .arity = -2,
        .flags = PUBSUB_FLAGS,
        .group = "pubsub",
        .summary = "Lists the channels that have subscribers.",
        .since = "2.8.0",
        .complexity = "O(N) where N is the number of channels.",
        .arguments = optional_pattern,
    },
    {
        .name = "help",
        .run = cmd_pubsub_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "pubsub",
        .summary = "Explains the subcommands.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        .name = "numpat",
        .run = cmd_pubsub_numpat,
        .arity = 2,
        .flags = PUBSUB_FLAGS,
        .group = "pubsub",
        .summary = "Counts the different patterns that are subscribed to.",
        .since = "2.8.0",
        .complexity = "O(1)",
    },
    {
        .name = "numsub",
        .run = cmd_pubsub_numsub,
        .arity = -2,
        .flags = PUBSUB_FLAGS,
        .group = "pubsub",
        .summary = "Counts the subscribers of channels.",
        .since = "2.8.0",
        .complexity = "O(N) where N is the number of channels asked for.",
        .arguments = optional_channels,
    },
    {
        .name = "shardchannels",
        .run = cmd_pubsub_shardchannels,
        .arity = -2,
        .flags = PUBSUB_FLAGS,
        .group = "pubsub",
        .summary = "Lists the shard channels that have subscribers.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of shard channels.",
        .arguments = optional_pattern,
    },
    {
        .name = "shardnumsub",
        .run = cmd_pubsub_shardnumsub,
        .arity = -2,
        .flags = PUBSUB_FLAGS,
        .group = "pubsub",
        .summary = "Counts the subscribers of shard channels.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of shard channels asked for.",
        .arguments = optional_shard_channels,
    },
    {0},
};

const struct command pubsub_commands[] = {
    {
        .name = "psubscribe",
        .run = cmd_psubscribe,
        .arity = -2,
        .flags = SUBSCRIBE_FLAGS,
        .channels = &subscribed_patterns,
        .group = "pubsub",
        .summary = "Subscribes to all channels whose names match patterns.",
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of patterns given.",
        .arguments = patterns,
    },
    {
        .name = "publish",
        .run = cmd_publish,
        .arity = 3,
        .flags = PUBLISH_FLAGS,
        .channels = &published,
        .group = "pubsub",
        .summary = "Sends a message to all subscribers of a channel.",
        .since = "2.0.0",
        .complexity = "O(N+M) where N is the number of subscribers and M that of all different patterns.",
        .arguments = publish_arguments,
    },
    {
        .name = "pubsub",
        .arity = -2,
        .subcommands = pubsub_subcommands,
        .group = "pubsub",
        .summary = "Looks at channels and their subscribers.",
        .since = "2.8.0",
        .complexity = "Depends on subcommand.",
    },
    {
        .name = "punsubscribe",
        .run = cmd_punsubscribe,
        .arity = -1,
        .flags = SUBSCRIBE_FLAGS,
        .channels = &unsubscribed_patterns,
        .group = "pubsub",
        .summary = "Ends subscriptions to patterns, or all of them.",
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of patterns given, or subscribed to.",
        .arguments = optional_patterns,
    },
    {
        .name = "spublish",
        .run = cmd_spublish,
        .arity = 3,
        .flags = PUBLISH_FLAGS,
        .keys = shard_channel_spec,
        .channels = &published,
        .group = "pubsub",
        .summary = "Sends a message to all subscribers of a shard channel.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of subscribers.",
        .arguments = spublish_arguments,
    },
    {
        .name = "ssubscribe",
        .run = cmd_ssubscribe,
        .arity = -2,
        .flags = SUBSCRIBE_FLAGS,
        .keys = shard_channel_specs,
        .channels = &subscribed,
        .group = "pubsub",
        .summary = "Subscribes to shard channels.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of shard channels given.",
        .arguments = shard_channels,
    },
    {
        .name = "subscribe",
        .run = cmd_subscribe,
        .arity = -2,
        .flags = SUBSCRIBE_FLAGS,
        .channels = &subscribed,
        .group = "pubsub",
        .summary = "Subscribes to channels.",
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of channels given.",
        .arguments = channels,
    },
    {
        .name = "sunsubscribe",
        .run = cmd_sunsubscribe,
        .arity = -1,
        .flags = SUBSCRIBE_FLAGS,
        .keys = shard_channel_specs,
        .channels = &unsubscribed,
        .group = "pubsub",
        .summary = "Ends subscriptions to shard channels, or all of them.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of shard channels given, or subscribed to.",
        .arguments = optional_shard_channels,
    },
    {
        .name = "unsubscribe",
        .run = cmd_unsubscribe,
        .arity = -1,
        .flags = SUBSCRIBE_FLAGS,
        .channels = &unsubscribed,
        .group = "pubsub",
        .summary = "Ends subscriptions to channels, or all of them.",
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of channels given, or subscribed to.",
        .arguments = optional_channels,
    },
    {0},
};
