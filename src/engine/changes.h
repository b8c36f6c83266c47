/* Who follows changes of keys, in one place: watches first; what else follows is called from here too. Everything runs
   under the lock of the key's shard, in the thread that makes the change. */
#ifndef LARDER_ENGINE_CHANGES_H
#define LARDER_ENGINE_CHANGES_H

#include "engine/call.h"

/* A key was made that did not exist; the keyspace's observer. The context is the engine. */
void changes_added(void *context, struct shard *shard, size_t db, const struct entry *entry);

/* A key is about to go by itself; the keyspace's observer. The context is the engine. */
void changes_removed(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                     enum ks_removal why);

#endif
