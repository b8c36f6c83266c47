/* Recency and frequency of use, in the 24 bits that Redis has for them and with its meaning: either the time of the
   last use in seconds, or (LFU) 16 bits of minutes and a counter of 8 bits that grows with the logarithm of the uses
   and decays with time. Which of the two the bits hold is the policy's, switched without touching the entries; for a
   while after a switch the figures mean little, as in Redis. The bits of an entry in a queue belong to s3fifo.c, until
   the entry leaves it. */
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum { FREQUENCY_START = 5, FREQUENCY_MAX = 255, ACCESS_MASK = 0xffffff, MINUTE_MASK = 0xffff };

static uint32_t minutes(int64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & MINUTE_MASK;
}

static uint32_t make_frequency(int64_t now_ms, unsigned counter)
{
    return minutes(now_ms) << 8 | counter;
}

/* The counter less one for every `decay_minutes` since it was last brought up to date. */
static unsigned decayed(const struct access_policy *policy, uint32_t bits, int64_t now_ms)
{
    unsigned counter = bits & 0xff;
    int decay = atomic_load_explicit(&policy->decay_minutes, memory_order_relaxed);
    if (decay <= 0)
        return counter;
    unsigned periods = ((minutes(now_ms) - (bits >> 8)) & MINUTE_MASK) / (unsigned)decay;
    return counter > periods ? counter - periods : 0;
}

/* One more use: the higher the counter, the smaller the probability that it moves. */
static unsigned incremented(const struct access_policy *policy, unsigned counter, struct random *random)
{
    if (counter == FREQUENCY_MAX)
        return counter;
    int factor = atomic_load_explicit(&policy->log_factor, memory_order_relaxed);
    uint64_t above = counter > FREQUENCY_START ? counter - FREQUENCY_START : 0;
    return random_below(random, above * (uint64_t)factor + 1) == 0 ? counter + 1 : counter;
}

void access_start(const struct access_policy *policy, struct entry *entry, int64_t now_ms)
{
    if (access_kind(policy) == ACCESS_FREQUENCY)
        set_entry_access(entry, make_frequency(now_ms, FREQUENCY_START));
    else
        set_entry_access(entry, (uint32_t)(now_ms / 1000) & ACCESS_MASK);
}

static void touch_frequency(struct ks_key *key, int64_t now_ms)
{
    const struct access_policy *policy = &key->ks->access;
    unsigned counter = decayed(policy, entry_access(key->entry), now_ms);
    set_entry_access(key->entry, make_frequency(now_ms, incremented(policy, counter, &key->shard->random)));
}

static void touch_time(struct entry *entry, int64_t now_ms)
{
    uint32_t seconds = (uint32_t)(now_ms / 1000) & ACCESS_MASK;
    if (entry_access(entry) != seconds) /* no write to a shared cache line for a key used again within the second */
        set_entry_access(entry, seconds);
}

/* A use that is remembered in another way than by the time of it, or in more than one. */
static NEVER_INLINE void touch_otherwise(struct ks_key *key, int64_t now_ms)
{
    if (key->entry->flags & ENTRY_IS_QUEUED)
        s3_touch(key->entry);
    else if (access_kind(&key->ks->access) == ACCESS_FREQUENCY)
        touch_frequency(key, now_ms);
    else
        touch_time(key->entry, now_ms);
    if (is_bounded(key->ks))
        rank_use(key);
}

void ks_touch(struct ks_key *key, int64_t now_ms)
{
    bool is_by_time = access_kind(&key->ks->access) == ACCESS_TIME && !is_bounded(key->ks);
    if (likely(is_by_time) && likely(!(key->entry->flags & ENTRY_IS_QUEUED)))
        touch_time(key->entry, now_ms);
    else
        touch_otherwise(key, now_ms);
}

int64_t access_idle_seconds(const struct entry *entry, int64_t now_ms)
{
    if (entry->flags & ENTRY_IS_QUEUED)
        return 0;
    return (int64_t)(((uint32_t)(now_ms / 1000) - entry_access(entry)) & ACCESS_MASK);
}

unsigned access_frequency(const struct access_policy *policy, const struct entry *entry, int64_t now_ms)
{
    if (entry->flags & ENTRY_IS_QUEUED)
        return s3_uses(entry);
    if (access_kind(policy) == ACCESS_QUEUE)
        return 0; /* it has yet to be put in line */
    return decayed(policy, entry_access(entry), now_ms);
}

int64_t ks_idle_seconds(const struct ks_key *key, int64_t now_ms)
{
    return access_idle_seconds(key->entry, now_ms);
}

unsigned ks_frequency(const struct ks_key *key, int64_t now_ms)
{
    return access_frequency(&key->ks->access, key->entry, now_ms);
}
