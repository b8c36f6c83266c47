/* The allocator seam; see mem.h. The one file that knows which allocator is linked. */
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef LARDER_MIMALLOC
#include <mimalloc.h>
#else
#include <malloc.h>
#include <stdlib.h>
#endif

#if defined(LARDER_MIMALLOC) && MI_MALLOC_VERSION < 210 /* later ones do so by themselves */
static long purge_delay_ms; /* while nobody frees in portions; set once, before any thread is there */

/* Pages go back to the system 2 ms after they were freed. By default mimalloc waits 25 ms, and 1 ms more for each page
   freed meanwhile: after a mass deletion of 230 MB half of it stayed until somebody asked for memory, and the rest went
   in portions of up to 32 MB, which take 3 ms. Not waiting at all makes it 14 times as expensive to replace values of
   300 KB. What the environment says goes before. */
__attribute__((constructor)) static void choose_options(void)
{
    mi_option_set_default(mi_option_decommit_delay, 2);
    mi_option_set_default(mi_option_decommit_extend_delay, 0);
    purge_delay_ms = mi_option_get(mi_option_decommit_delay);
}

static _Atomic unsigned freeing; /* threads between mem_begin_freeing and mem_end_freeing */

/* The allocator's threads read the option, a word, while it changes: either value will do. The last thread to leave
   sets it after all who set it to 0 have done so. */
void mem_begin_freeing(void)
{
    if (freeing++ == 0)
        mi_option_set(mi_option_decommit_delay, 0);
}

void mem_end_freeing(void)
{
    if (--freeing == 0)
        mi_option_set(mi_option_decommit_delay, purge_delay_ms);
}
#else
void mem_begin_freeing(void)
{
}

void mem_end_freeing(void)
{
}
#endif

static size_t usable_size(void *block)
{
#ifdef LARDER_MIMALLOC
    return mi_usable_size(block);
#else
    return malloc_usable_size(block);
#endif
}

#ifdef LARDER_TEST_HOOKS
static _Thread_local long allocations_left = -1;

void mem_fail_after(long count)
{
    allocations_left = count;
}

static bool must_fail(void)
{
    if (allocations_left < 0)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}
#define FAIL_WHERE_ASKED() \
    do {                   \
        if (must_fail())   \
            return NULL;   \
    } while (0)

static _Atomic size_t live_bytes;

size_t mem_live_bytes(void)
{
    return live_bytes;
}

static void *count_in(void *block)
{
    live_bytes += usable_size(block);
    return block;
}

static void count_out(void *block)
{
    live_bytes -= usable_size(block);
}
#else
#define FAIL_WHERE_ASKED() ((void)0)
#define count_in(block) (block)
#define count_out(block) ((void)(block))
#endif

void *mem_alloc(size_t size)
{
    FAIL_WHERE_ASKED();
#ifdef LARDER_MIMALLOC
    return count_in(mi_malloc(size));
#else
    return count_in(malloc(size));
#endif
}

void *mem_alloc_zeroed(size_t size)
{
    FAIL_WHERE_ASKED();
#ifdef LARDER_MIMALLOC
    return count_in(mi_zalloc(size));
#else
    return count_in(calloc(1, size));
#endif
}

void *mem_alloc_aligned(size_t size, size_t alignment)
{
    FAIL_WHERE_ASKED();
#ifdef LARDER_MIMALLOC
    /* a plain block is nearly always aligned as it is, and mi_malloc_aligned makes 5,120 bytes of a page of 4,096 */
    void *block = mi_malloc(size);
    if (likely(((uintptr_t)block & (alignment - 1)) == 0))
        return count_in(block);
    mi_free(block);
    return count_in(mi_malloc_aligned(size, alignment));
#else
    /* aligned_alloc wants a size that is a multiple of the alignment */
    return count_in(aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1)));
#endif
}

void *mem_realloc(void *block, size_t size)
{
    FAIL_WHERE_ASKED();
    count_out(block);
#ifdef LARDER_MIMALLOC
    void *grown = mi_realloc(block, size);
#else
    void *grown = realloc(block, size);
#endif
    (void)count_in(grown != NULL ? grown : block);
    return grown;
}

void mem_free(void *block)
{
    count_out(block);
#ifdef LARDER_MIMALLOC
    mi_free(block);
#else
    free(block);
#endif
}

size_t mem_size(const void *block)
{
    return usable_size((void *)(uintptr_t)block);
}

char *mem_copy(const char *at, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, at, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_copy(text, strlen(text));
}

void mem_discard(void *at, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)at + page - 1) & ~(uintptr_t)(page - 1);
    uintptr_t end = ((uintptr_t)at + len) & ~(uintptr_t)(page - 1);
    if (end > first)
        madvise((char *)at + (first - (uintptr_t)at), end - first, MADV_DONTNEED);
}

void mem_trim(void)
{
#ifdef LARDER_MIMALLOC
    mi_collect(true);
#elif defined(__GLIBC__)
    malloc_trim(0);
#endif
}

struct mem_figures mem_measure(void)
{
    struct mem_figures figures = {0};
#ifdef LARDER_MIMALLOC
    size_t unused;
    mi_process_info(&unused, &unused, &unused, &unused, &unused, &figures.active, &unused, &unused);
    size_t resident = mem_resident_bytes(); /* it commits ahead of what it uses */
    if (resident > 0 && resident < figures.active)
        figures.active = resident;
#elif defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    figures.allocated = info.uordblks + info.hblkhd;
    figures.active = info.arena + info.hblkhd;
#endif
    return figures;
}

void mem_report(void (*write)(const char *piece, void *context), void *context)
{
#ifdef LARDER_MIMALLOC
    mi_stats_print_out(write, context);
#elif defined(__GLIBC__)
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    if (file == NULL)
        return;
    bool is_written = malloc_info(0, file) == 0;
    if (fclose(file) == 0 && is_written)
        write(text, context);
    free(text);
#else
    (void)write;
    (void)context;
#endif
}

const char *mem_allocator_name(void)
{
#ifdef LARDER_MIMALLOC
    return "mimalloc-" LARDER_MIMALLOC;
#else
    return "libc";
#endif
}

size_t mem_resident_bytes(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %zu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
