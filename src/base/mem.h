/* The allocator behind one seam: mimalloc from the system's packages, or the C library's in builds that watch memory
   (sanitizers, valgrind). All functions are thread safe; memory may be freed on another thread than it was taken on.
   A failed allocation returns NULL: what that means is decided by the caller (an error reply, a closed connection). */
#ifndef LARDER_BASE_MEM_H
#define LARDER_BASE_MEM_H

#include "base/common.h"

#include <stddef.h>

/* At least `size` bytes, aligned to 8 (16 from 16 bytes on); size must be above 0. NULL when there is no memory. */
MUST_USE void *mem_alloc(size_t size);
MUST_USE void *mem_alloc_zeroed(size_t size);
/* As mem_alloc with `alignment` a power of two of at most 4096; freed with mem_free as well. */
MUST_USE void *mem_alloc_aligned(size_t size, size_t alignment);
/* The block grown or shrunk; on NULL the old block is untouched. `block` may be NULL. */
MUST_USE void *mem_realloc(void *block, size_t size);
void mem_free(void *block); /* NULL is allowed */

/* Bytes that the allocator really handed out for `block` (at least what was asked for; 0 for NULL). */
size_t mem_size(const void *block);

/* Copies of a terminated string and of a slice (the copy is terminated). */
MUST_USE char *mem_strdup(const char *text);
MUST_USE char *mem_copy(const char *at, size_t len);

/* The content of this part of a block is needed no more: its whole pages go back to the system now, and read as
   anything. The block stays allocated. */
void mem_discard(void *at, size_t len);

/* Between these two, on any thread, what is freed goes back to the system at once. Without them the allocator waits a
   moment, in case it is wanted again, and gives back in one go what has come together: for who frees much of what will
   not be wanted, in portions that must stay short. */
void mem_begin_freeing(void);
void mem_end_freeing(void);

/* Gives unused pages back to the system where the allocator can. */
void mem_trim(void);

/* What the allocator knows of itself, of the whole process, in bytes; 0: it does not tell. */
struct mem_figures {
    size_t allocated; /* handed out */
    size_t active;    /* taken from the system in order to be handed out */
};
struct mem_figures mem_measure(void);

/* The allocator's own report for people, piece by piece; nothing where it has none. */
void mem_report(void (*write)(const char *piece, void *context), void *context);

/* Name and version of the allocator, for INFO: "mimalloc-2.0.9" or "libc". */
const char *mem_allocator_name(void);

/* Resident set of this process in bytes, 0 where the platform does not tell. */
size_t mem_resident_bytes(void);

#ifdef LARDER_TEST_HOOKS
/* Unit tests only: on this thread, let the next `count` allocations pass and fail all later ones; -1 = never fail. */
void mem_fail_after(long count);
/* Bytes in all blocks that are allocated now, as mem_size counts them. */
size_t mem_live_bytes(void);
#endif

#endif
