/* S3-FIFO (Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023), as a policy of one shard.

   A new key is put in line in the small queue; if it has been used again by the time it gets to the front, it goes to
   the main queue, otherwise it goes for good and leaves a ghost. A key that comes back while its ghost is remembered
   enters the main queue at once. At the front of the main queue a key that was used goes to the end again, and one that
   was not goes for good. So a crowd of keys that are used once passes through the small queue and leaves the main queue
   alone, and a use costs no more than a counter of two bits that changes twice at most.

   Four things differ from the paper, because they were measured to help (bench/README.md):
   - The small queue's share begins at a tenth and follows the ghosts, by ARC's rule (Megiddo and Modha, FAST 2003): a
     key that comes back after it went from the small queue says that the queue is too small, one that went from the
   main queue says the contrary; the rarer of the two signs counts for more.
   - While memory fills, the small queue takes its share only, and the rest is put in the main queue, which otherwise
     would stay empty where nothing ever comes back in time, as in a loop over more keys than fit.
   - A key at the front is looked at a bounded number of times in an eviction, then one goes whatever its counter says.
   - Counters end at two uses, not three: what was popular must not outlive its time where popularity shifts. That gains
     a point there and costs a quarter of one where it never does.

   A queue's item is not a pointer but 44 bits of the key's hash, with which the table is probed, and 20 of a ticket
   that the entry has too. So an entry may be moved in memory, renamed into another database or deleted without its
   place in the queue being known: an item whose ticket no entry has is stale, and dropped when it comes to the front.
   When stale items are more than the others, each new item has a few old ones looked through.

   Invariant: an entry has ENTRY_IS_QUEUED exactly when an item with its hash and ticket is in the line that its access
   bits name; a line's `live` counts them, and so do the databases' `queued`. */
#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum {
    USES_MAX = 2,
    USES_FOR_MAIN = 2, /* by the end of the small queue, to be promoted */
    EXAMINED_MAX = 32, /* keys spared in one eviction */
    ITEMS_MAX = 256,   /* items, stale ones included, taken off in one eviction */
    CLEANED_PER_ITEM = 4,
    STALE_SPARED = 64, /* so many are never worth cleaning */

    HASH_BITS = 44,
    TICKET_BITS = 20,
    SIGN_WEIGHT_MAX = 16,
};

static const double first_share = 0.1;
static const double least_share = 0.01;
static const double most_share = 0.9;

/* Ghosts that are kept: of the small queue about as many as the main queue has keys. */
static const double small_ghosts = 0.7;
static const double main_ghosts = 0.25;

/* The access bits of an entry in line: uses (2 bits), line (1), ticket (20). */
static unsigned bits_uses(uint32_t bits)
{
    return bits & 3U;
}

static enum s3_queue bits_line(uint32_t bits)
{
    return (enum s3_queue)(bits >> 2 & 1U);
}

static uint32_t bits_ticket(uint32_t bits)
{
    return bits >> 3;
}

static uint32_t make_bits(unsigned uses, enum s3_queue line, uint32_t ticket)
{
    return ticket << 3 | (uint32_t)line << 2 | uses;
}

static uint64_t make_item(uint64_t hash, uint32_t ticket)
{
    return (uint64_t)ticket << HASH_BITS | (hash & ((1ULL << HASH_BITS) - 1));
}

void s3_init(struct s3fifo *s3)
{
    ghosts_free(&s3->ghosts); /* evicting may have gone on for a moment after the lines had been given up */
    memset(s3, 0, sizeof(*s3));
    s3->small_share = first_share;
}

static bool is_small_full(const struct s3fifo *s3)
{
    size_t most = (size_t)(s3->small_share * (double)keys_in_line(s3));
    return s3->lines[S3_SMALL].live >= (most > 0 ? most : 1);
}

/* ---- Items ---- */

/* The entry that an item stands for. */
struct found {
    size_t db;
    struct entry *entry; /* NULL: the item is stale */
    struct ht_probe probe;
};

static bool is_of_item(const struct entry *entry, enum s3_queue line, uint64_t item)
{
    uint32_t bits = entry_access(entry);
    return (entry->flags & ENTRY_IS_QUEUED) && bits_line(bits) == line && bits_ticket(bits) == item >> HASH_BITS;
}

/* Items name no database: the few that have keys are asked in turn. The low bits of the hash are enough for the table;
   a key that shares them and the ticket with another could be taken for it, and go in its place. */
static struct found find_item(const struct keyspace *ks, const struct shard *shard, enum s3_queue line, uint64_t item)
{
    uint64_t hash = item & ((1ULL << HASH_BITS) - 1);
    for (size_t i = 0; i < ks->db_count; i++) {
        if (shard->dbs[i].queued[line] == 0)
            continue;
        struct found found = {.db = i, .probe = ht_probe(&shard->dbs[i].keys, hash)};
        while ((found.entry = ht_probe_next(&found.probe)) != NULL)
            if (is_of_item(found.entry, line, item))
                return found;
    }
    return (struct found){.entry = NULL};
}

/* ---- Lines ---- */

static size_t items_in(const struct s3_line *line)
{
    return line->items.count + line->cleaned.count;
}

/* The oldest items are those that were cleaned, if there are any. */
static struct fifo *front_of(struct s3_line *line)
{
    return line->cleaned.count > 0 ? &line->cleaned : &line->items;
}

/* Looks through the oldest items that have not been yet. */
static void clean(struct keyspace *ks, struct shard *shard, enum s3_queue which)
{
    struct s3_line *line = &shard->evictor->s3.lines[which];
    for (int i = 0; i < CLEANED_PER_ITEM && line->items.count > 0; i++) {
        uint64_t item = fifo_front(&line->items);
        if (find_item(ks, shard, which, item).entry != NULL && !fifo_push(&line->cleaned, item))
            return; /* no memory: later */
        fifo_drop_front(&line->items);
    }
    if (line->items.count == 0) {
        line->items = line->cleaned;
        line->cleaned = (struct fifo){0};
        line->is_cleaning = false;
    }
}

/* Has stale items taken out where they are more than the others. */
static void tidy(struct keyspace *ks, struct shard *shard, enum s3_queue which)
{
    struct s3_line *line = &shard->evictor->s3.lines[which];
    if (unlikely(items_in(line) > 2 * line->live + STALE_SPARED))
        line->is_cleaning = true;
    if (unlikely(line->is_cleaning))
        clean(ks, shard, which);
}

/* Puts an entry in line, which is in none. */
static void enter(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, uint64_t hash,
                  enum s3_queue which)
{
    struct s3fifo *s3 = &shard->evictor->s3;
    struct s3_line *line = &s3->lines[which];
    uint32_t ticket = (s3->ticket + 1) & ((1U << TICKET_BITS) - 1);
    if (!fifo_push(&line->items, make_item(hash, ticket)))
        return;
    s3->ticket = ticket;
    entry->flags |= ENTRY_IS_QUEUED;
    set_entry_access(entry, make_bits(0, which, ticket));
    line->live++;
    db->queued[which]++;
    tidy(ks, shard, which);
}

/* An entry that was just taken off the front of a line goes to the end of the main line. */
static bool reenter(struct shard *shard, struct db *db, struct entry *entry, uint64_t item, unsigned uses)
{
    struct s3fifo *s3 = &shard->evictor->s3;
    if (!fifo_push(&s3->lines[S3_MAIN].items, item))
        return false;
    uint32_t bits = entry_access(entry);
    s3->lines[bits_line(bits)].live--;
    db->queued[bits_line(bits)]--;
    set_entry_access(entry, make_bits(uses, S3_MAIN, bits_ticket(bits)));
    s3->lines[S3_MAIN].live++;
    db->queued[S3_MAIN]++;
    return true;
}

/* ---- Keys that come, are used, and go ---- */

/* How much more the rarer sign counts than the other. */
static double weight(size_t others, size_t own)
{
    double ratio = (double)others / (double)(own > 0 ? own : 1);
    return ratio < 1 ? 1 : ratio > SIGN_WEIGHT_MAX ? SIGN_WEIGHT_MAX : ratio;
}

/* A key came back that had gone from this line. */
static void learn(struct s3fifo *s3, enum s3_queue line)
{
    size_t known_small = s3->ghosts.kinds[S3_SMALL].known;
    size_t known_main = s3->ghosts.kinds[S3_MAIN].known;
    double one_key = 1.0 / (double)(keys_in_line(s3) > 0 ? keys_in_line(s3) : 1);
    s3->ghost_hits[line]++;
    if (line == S3_SMALL)
        s3->small_share += weight(known_main, known_small) * one_key;
    else
        s3->small_share -= weight(known_small, known_main) * one_key;
    if (s3->small_share > most_share)
        s3->small_share = most_share;
    if (s3->small_share < least_share)
        s3->small_share = least_share;
}

/* Are there clearly fewer keys than when memory was last full? */
static bool is_filling(const struct s3fifo *s3)
{
    size_t keys = keys_in_line(s3);
    return s3->full_keys == 0 || keys + keys / 8 < s3->full_keys;
}

void s3_admit(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, uint64_t hash)
{
    struct s3fifo *s3 = &shard->evictor->s3;
    int ghost = ghosts_take(&s3->ghosts, hash);
    if (ghost != GHOST_NONE)
        learn(s3, (enum s3_queue)ghost);
    bool is_for_main = ghost != GHOST_NONE || (is_filling(s3) && is_small_full(s3));
    enter(ks, shard, db, entry, hash, is_for_main ? S3_MAIN : S3_SMALL);
}

void s3_adopt(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, uint64_t hash)
{
    enter(ks, shard, db, entry, hash, is_small_full(&shard->evictor->s3) ? S3_MAIN : S3_SMALL);
}

void s3_leave(struct shard *shard, struct db *db, struct entry *entry)
{
    enum s3_queue line = bits_line(entry_access(entry));
    entry->flags &= (uint8_t)~ENTRY_IS_QUEUED;
    shard->evictor->s3.lines[line].live--;
    db->queued[line]--;
}

void s3_leave_all(struct shard *shard, struct db *db)
{
    for (int i = 0; i < 2; i++) {
        shard->evictor->s3.lines[i].live -= db->queued[i];
        db->queued[i] = 0;
    }
}

void s3_touch(struct entry *entry)
{
    uint32_t bits = entry_access(entry);
    if (bits_uses(bits) < USES_MAX)
        set_entry_access(entry, bits + 1);
}

unsigned s3_uses(const struct entry *entry)
{
    return bits_uses(entry_access(entry));
}

void s3_set_uses(struct entry *entry, unsigned uses)
{
    uint32_t bits = entry_access(entry);
    set_entry_access(entry, bits - bits_uses(bits) + uses);
}

/* Is the entry at the front of its line to stay? Then it is put in line again. */
static bool spare(struct shard *shard, const struct found *found, enum s3_queue line, uint64_t item)
{
    unsigned uses = s3_uses(found->entry);
    struct db *db = &shard->dbs[found->db];
    if (line == S3_SMALL)
        return uses >= USES_FOR_MAIN && reenter(shard, db, found->entry, item, 0);
    return uses > 0 && reenter(shard, db, found->entry, item, uses - 1);
}

enum ks_evicted s3_evict(struct keyspace *ks, struct shard *shard)
{
    struct s3fifo *s3 = &shard->evictor->s3;
    double keys = (double)keys_in_line(s3);
    s3->full_keys = keys_in_line(s3);
    ghosts_size(&s3->ghosts, (size_t)(small_ghosts * keys) + 1, (size_t)(main_ghosts * keys) + 1);
    int examined = 0;
    for (int items = 0; items < ITEMS_MAX && keys_in_line(s3) > 0; items++) {
        enum s3_queue which = is_small_full(s3) || s3->lines[S3_MAIN].live == 0 ? S3_SMALL : S3_MAIN;
        struct fifo *front = front_of(&s3->lines[which]);
        uint64_t item = fifo_front(front);
        fifo_drop_front(front);
        struct found found = find_item(ks, shard, which, item);
        if (found.entry == NULL)
            continue;
        if (examined++ < EXAMINED_MAX && spare(shard, &found, which, item))
            continue;
        ghosts_add(&s3->ghosts, which, ks_hash(ks, entry_key(found.entry)));
        evict_entry(ks, shard, found.db, found.entry, KS_CHOOSE_S3FIFO, false);
        return KS_EVICTED_ONE;
    }
    return keys_in_line(s3) > 0 ? KS_EVICTED_NOT_YET : KS_EVICTED_NONE;
}

bool s3_clear(struct s3fifo *s3, size_t chunks)
{
    bool is_gone = true;
    for (int i = 0; i < 2; i++) {
        is_gone &= fifo_clear(&s3->lines[i].items, chunks);
        is_gone &= fifo_clear(&s3->lines[i].cleaned, chunks);
    }
    return is_gone;
}

/* ---- Checking ---- */

struct check {
    struct keyspace *ks;
    struct shard *shard;
    enum s3_queue line;
    size_t found;
};

static void check_item(void *context, uint64_t item)
{
    struct check *check = context;
    check->found += find_item(check->ks, check->shard, check->line, item).entry != NULL;
}

void s3_check(struct keyspace *ks, struct shard *shard)
{
    const struct s3fifo *s3 = &shard->evictor->s3;
    for (int i = 0; i < 2; i++) {
        const struct s3_line *line = &s3->lines[i];
        struct check check = {.ks = ks, .shard = shard, .line = (enum s3_queue)i};
        size_t queued = 0;
        for (size_t db = 0; db < ks->db_count; db++)
            queued += shard->dbs[db].queued[i];
        assert(queued == line->live);
        fifo_visit(&line->cleaned, check_item, &check);
        fifo_visit(&line->items, check_item, &check);
        assert(!s3->is_on || check.found == line->live);
        assert(line->is_cleaning || line->cleaned.count == 0);
        (void)queued;
    }
    assert(s3->small_share >= least_share && s3->small_share <= most_share);
}
