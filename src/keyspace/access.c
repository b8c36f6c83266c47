/* Recency and frequency of use, in the 24 bits that Redis has for them and with its meaning: either the time of the
   last use in seconds, or (LFU) 16 bits of minutes and a counter of 8 bits that grows with the logarithm of the uses
   and decays with time. Which of the two the bits hold is the policy's, switched without touching the entries; for a
   while after a switch the figures mean little, as in Redis. */
#include "keyspace/internal.h"

enum { FREQUENCY_START = 5, FREQUENCY_MAX = 255, ACCESS_MASK = 0xffffff, MINUTE_MASK = 0xffff };

static uint32_t get_bits(const struct entry *entry)
{
    return entry->access[0] | (uint32_t)entry->access[1] << 8 | (uint32_t)entry->access[2] << 16;
}

static void set_bits(struct entry *entry, uint32_t bits)
{
    entry->access[0] = (uint8_t)bits;
    entry->access[1] = (uint8_t)(bits >> 8);
    entry->access[2] = (uint8_t)(bits >> 16);
}

static bool is_frequency(const struct access_policy *policy)
{
    return atomic_load_explicit(&policy->is_frequency, memory_order_relaxed);
}

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
    if (is_frequency(policy))
        set_bits(entry, make_frequency(now_ms, FREQUENCY_START));
    else
        set_bits(entry, (uint32_t)(now_ms / 1000) & ACCESS_MASK);
}

void ks_touch(struct ks_key *key, int64_t now_ms)
{
    const struct access_policy *policy = &key->ks->access;
    struct entry *entry = key->entry;
    if (is_frequency(policy)) {
        unsigned counter = decayed(policy, get_bits(entry), now_ms);
        set_bits(entry, make_frequency(now_ms, incremented(policy, counter, &key->shard->random)));
        return;
    }
    uint32_t seconds = (uint32_t)(now_ms / 1000) & ACCESS_MASK;
    if (get_bits(entry) != seconds) /* no write to a shared cache line for a key used again within the second */
        set_bits(entry, seconds);
}

int64_t ks_idle_seconds(const struct ks_key *key, int64_t now_ms)
{
    return (int64_t)(((uint32_t)(now_ms / 1000) - get_bits(key->entry)) & ACCESS_MASK);
}

unsigned ks_frequency(const struct ks_key *key, int64_t now_ms)
{
    return decayed(&key->ks->access, get_bits(key->entry), now_ms);
}
