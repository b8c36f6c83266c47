/* WATCH: which sessions want to know whether a key was touched. Each shard has a table of the watched keys that hash to
   it, under the shard's lock; a change of such a key marks its watchers, and EXEC, holding the locks of all that its
   session watches, reads the mark. */
#ifndef LARDER_ENGINE_WATCH_H
#define LARDER_ENGINE_WATCH_H

#include "base/bytes.h"
#include "base/list.h"
#include "keyspace/keyspace.h"
#include "structs/ht.h"

struct larder;
struct session;

/* The watched keys of one shard; zeroed memory is an empty table. */
struct watch_table {
    struct ht keys; /* the shard's lock: struct watched_key by the hash of its name */
};

/* One session watching one key. */
struct watch {
    struct list in_key;     /* the lock of the key's shard */
    struct list in_session; /* owner of the session only */
    struct session *session;
    struct watched_key *key;
    bool is_dead; /* the lock of the key's shard: what the key holds was past its deadline before it could be seen, so
                     that its removal changes nothing */
};

/* Locked. From now on changes of the key mark the session. False when there is no memory. Watching twice is once. */
MUST_USE bool watch_add(struct session *session, const struct ks_key *key);

/* Locked. The key was changed: marks those who watch it. */
void watch_touch(struct larder *engine, struct shard *shard, size_t db, bytes name, uint64_t hash);
/* Locked. The key is about to be removed because its deadline has passed. */
void watch_expire(struct larder *engine, struct shard *shard, size_t db, bytes name, uint64_t hash);

/* All shards locked. Database `db` is about to be emptied (other == db), or exchanged with `other`: marks those who
   watch a key that this changes. */
void watch_touch_databases(struct larder *engine, size_t db, size_t other, int64_t now_ms);

/* The owner of the session, holding no shard or those of all that it watches. Watches nothing any more, and takes the
   mark away. */
void watch_clear(struct session *session);

/* What one watches, for EXEC: which shard to lock; and whether, under that lock, the key has passed its deadline since
   it is watched. */
size_t watch_shard(const struct watch *watch);
bool watch_is_overdue(const struct watch *watch, int64_t now_ms);

/* All shards locked; for tests: asserts the invariants of all tables. */
void watch_check(struct larder *engine);

/* Of an engine without sessions. */
void watch_table_free(struct watch_table *table);

#endif
