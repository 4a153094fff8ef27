/* JuxMem: shared, replicated memory for the jobs of a grid.
 *
 * This header is the manual of the C API. It is plain C99 and usable from C++.
 *
 * CONVENTIONS
 *
 * Results.  Functions return JUXMEM_OK (0) or one of the JUXMEM_E... numbers, never errno. On an error nothing is stored
 *   through the result pointers. juxmem_strerror() gives the meaning of a number, juxmem_last_error() what happened in the
 *   calling thread's last failed call, to what, and what to do next.
 * Handles.  juxmem_grid is an open connection to one grid. Handles belong to the process that opened them: after fork() the
 *   child gets JUXMEM_EFORKED and opens its own. A process may open several grids.
 * Threads.  All functions may be called from any thread. A section (acquire ... release) belongs to the thread that
 *   acquired. Two threads of one process exclude each other as two processes do.
 * Units.  Sizes and offsets are bytes, times are milliseconds unless a name says otherwise.
 * Blocking.  A function that talks to the grid blocks until it has its answer or its time limit has passed; none blocks for
 *   ever. The limit is juxmem_options.call_limit_ms (default 30 s) unless the call takes one itself. Negative limits
 *   (JUXMEM_NO_LIMIT) and those beyond 24 hours mean 24 hours. No quorum, no provider: JUXMEM_EAGAIN at the limit, or a quarter
 *   of a second later where the provider has to be waited for.
 * Providers.  A process talks to one provider of the grid at a time, its agent. When it falls silent, calls go on through
 *   another one by themselves; a thread of the library sends signs of life while the program does not call.
 *
 * WHAT HAPPENS WHEN THINGS FAIL
 *
 *  - What was written in a section becomes visible to others at its release: all of it or none.
 *  - A holder that dies, hangs longer than its lease or loses its provider publishes nothing: the next one gets the lock
 *    and the last released content. The loser's release answers JUXMEM_EOWNERDEAD, and its mapping returns to the
 *    released content at the next acquire.
 *  - A release that returned JUXMEM_OK is never lost while the block's group keeps a quorum of its copies.
 *  - A release whose answer is lost is asked again under the same number and takes effect exactly once.
 *  - If a release or a write returns JUXMEM_EAGAIN, its outcome is not known within the limit: it happened entirely or not at
 *    all. Who must know keeps a counter of his own sections in the block, as apps/examples/counter_mpi.c does.
 */
#ifndef JUXMEM_JUXMEM_H
#define JUXMEM_JUXMEM_H

#include <stddef.h>
#include <stdint.h>

#include <juxmem/errors.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define JUXMEM_API __attribute__((visibility("default")))
#else
#define JUXMEM_API
#endif

#define JUXMEM_VERSION_MAJOR 0
#define JUXMEM_VERSION_MINOR 1
#define JUXMEM_VERSION_PATCH 0

#define JUXMEM_NO_LIMIT ((int64_t)-1)

/* The errors: JUXMEM_OK, JUXMEM_EINVAL, ... with their texts in juxmem/errors.h. */
enum juxmem_error {
#define JUXMEM_C_NAME(NAME, name, number, text) JUXMEM_##NAME = number,
  JUXMEM_ERRORS(JUXMEM_C_NAME)
#undef JUXMEM_C_NAME
      JUXMEM_ERROR_END_ = 255
};

typedef struct juxmem_grid juxmem_grid;

/* A block: 64 bits that can be sent as MPI_UINT64_T; 0 is never a block. */
typedef uint64_t juxmem_id;

/* ---- opening a grid ------------------------------------------------------------------------------------------------ */

/* Start from juxmem_options_init(); later versions append fields. */
typedef struct juxmem_options {
  size_t struct_size;
  int64_t call_limit_ms;          /* time limit of calls that take none; default 30000 */
  uint64_t embedded_memory_bytes; /* memory of an embedded provider; default 1 GiB */
  /* The key that lets this process into the grid (juxmem key new); default NULL: the file that the environment variable
   * JUXMEM_KEY_FILE names, if any. Not needed for the daemon on this machine, nor for grids without a key. */
  const char* key_file;
} juxmem_options;

JUXMEM_API void juxmem_options_init(juxmem_options* options);

/* Opens a grid.
 *   uri      "tcp://host:port" or "ipc://path" of one of its providers (several, separated by commas, are tried in turn), or
 *            "embedded:" for a provider inside this process. NULL: the environment variable JUXMEM_GRID; if it is not set,
 *            the daemon on this machine; if there is none, an embedded provider (no daemon, no configuration, one copy,
 *            gone with the process).
 *   options  NULL for the defaults.
 * Errors: EINVAL (malformed uri; a key file that others may read, or that is none), EKEY (the grid does not admit this key, or wants
 * one), ECONN (nobody answers), EPROTO, ENOENT and EIO (key file), ENOMEM. */
JUXMEM_API int juxmem_open(const char* uri, const juxmem_options* options, juxmem_grid** grid);

/* Closes a grid: sections still held publish nothing, mappings are unmapped. NULL is allowed.
 * No other thread may use the handle during or after the call. Errors: EFORKED. */
JUXMEM_API int juxmem_close(juxmem_grid* grid);

/* ---- blocks ------------------------------------------------------------------------------------------------------------ */

typedef enum juxmem_consistency {
  JUXMEM_STRICT = 0 /* every section sees the last released one; sections of a block are linearizable */
} juxmem_consistency;

typedef enum juxmem_durability {
  /* Acknowledged when a quorum of the copies holds it in memory. */
  JUXMEM_MEMORY = 0,
  /* When a quorum has it on stable storage: what a release has acknowledged is there again after all providers were killed and
   * started again. Only on providers that have a data folder (juxmemd --data). */
  JUXMEM_DISK = 1
} juxmem_durability;

/* Start from juxmem_attr_init(): one site, one copy, strict, memory. */
typedef struct juxmem_attr {
  size_t struct_size;
  uint32_t sites;          /* on how many sites */
  uint32_t nodes_per_site; /* on how many nodes of each */
  juxmem_consistency consistency;
  juxmem_durability durability;
  const void* meta; /* up to 64 KiB kept with the block for those who look it up; may be NULL */
  size_t meta_bytes;
} juxmem_attr;

JUXMEM_API void juxmem_attr_init(juxmem_attr* attr);

/* Allocates a block of `size` bytes, all zero. malloc and calloc differ only in how the size is given.
 * attr: NULL for the defaults.
 * Errors: EINVAL (size 0 or count * size too large), ESHAPE (the message says how many sites and nodes there are, for JUXMEM_DISK
 *   those with a data folder), ENOSPC,
 *   ENOTSUP, ETOOBIG (meta), EAGAIN. */
JUXMEM_API int juxmem_malloc(juxmem_grid* grid, uint64_t size, const juxmem_attr* attr, juxmem_id* id);
JUXMEM_API int juxmem_calloc(juxmem_grid* grid, uint64_t count, uint64_t size, const juxmem_attr* attr, juxmem_id* id);

/* Frees a block for everybody; it takes the lock first and waits for its holders. Names published for it remain and lead to
 * JUXMEM_ENOENT until they are unpublished.
 * Errors: ENOENT, EHELD (held by the calling thread), ETIMEDOUT (held by others), EAGAIN. */
JUXMEM_API int juxmem_free(juxmem_grid* grid, juxmem_id id);

typedef struct juxmem_stat_info {
  uint64_t size;
  uint64_t version; /* grows with every release that changed the block; 0 = never written */
  uint32_t sites;
  uint32_t nodes_per_site;
  size_t meta_bytes;
  juxmem_durability durability;
} juxmem_stat_info;

/* Facts about a block. Up to `meta_capacity` bytes of its meta data go to `meta` (may be NULL with 0). Errors: ENOENT, EAGAIN. */
JUXMEM_API int juxmem_stat(juxmem_grid* grid, juxmem_id id, juxmem_stat_info* info, void* meta, size_t meta_capacity);

/* ---- sections through a mapping ------------------------------------------------------------------------------------------ */

/* Gives the bytes [offset, offset + length) of a block as ordinary memory at *ptr (private to this process; other processes
 * see changes only through sections). length 0: up to the end of the block. The content is defined only inside a section; a
 * mapping made inside a section of the calling thread takes part in it. Several mappings of one block are allowed if they
 * do not overlap. A mapping that was ever written takes twice its size of memory.
 * Errors: ENOENT, ERANGE, EINVAL (overlaps another mapping), ENOMEM, EAGAIN. */
JUXMEM_API int juxmem_mmap(juxmem_grid* grid, juxmem_id id, uint64_t offset, uint64_t length, void** ptr);

/* Ends a mapping. Errors: EFOREIGN (not from juxmem_mmap), EUNMAPPED (unmapped already), EHELD (a thread of this process is
 * inside a section of the block, or waits for one). */
JUXMEM_API int juxmem_munmap(juxmem_grid* grid, void* ptr);

/* Takes the block: exclusively, or shared with other readers. From here to the release all its mappings in this process hold
 * the last released content; after juxmem_acquire they may be written, after juxmem_acquire_read only read. To write outside an
 * exclusive section is an error of the program that is not detected: other processes may or may not see it later.
 * The plain forms wait up to the call limit, the try forms not at all (JUXMEM_EBUSY), the timed forms up to limit_ms. Threads
 * of one process enter in the order in which they came.
 * Errors: ENOENT, EHELD (this thread is inside a section of the block), EBUSY (try), ETIMEDOUT (held by others all the time),
 *   EAGAIN (no answer from the grid), ENOMEM. */
JUXMEM_API int juxmem_acquire(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_acquire_read(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_try_acquire(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_try_acquire_read(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_timed_acquire(juxmem_grid* grid, juxmem_id id, int64_t limit_ms);
JUXMEM_API int juxmem_timed_acquire_read(juxmem_grid* grid, juxmem_id id, int64_t limit_ms);

/* Ends the section; what was written becomes visible, all of it or none. Returns when it is replicated. A release after which
 * nothing is to be published returns at once. The try form answers JUXMEM_EBUSY, and the section goes on, while no provider
 * answers this process; otherwise it is the plain form. The timed form waits up to limit_ms.
 * Errors: ENOTHELD, ERELEASED (this thread has released it already), EBUSY (try), EOWNERDEAD (lost; nothing was published),
 *   ENOENT (freed meanwhile), EAGAIN (outcome unknown within the limit), ENOMEM (nothing was published). After any error but
 *   EBUSY the thread is not inside a section of the block. */
JUXMEM_API int juxmem_release(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_try_release(juxmem_grid* grid, juxmem_id id);
JUXMEM_API int juxmem_timed_release(juxmem_grid* grid, juxmem_id id, int64_t limit_ms);

/* ---- one-shot sections --------------------------------------------------------------------------------------------------- */

/* Reads or writes [offset, offset + length) as a section of its own; no mapping is needed, and mappings do not change by it. A
 * read and a write of any length are atomic; up to 1 MiB each is one message to the provider and back.
 * Errors: ENOENT, ERANGE, EHELD (held by the calling thread), ETIMEDOUT, EAGAIN (for a write: outcome unknown). */
JUXMEM_API int juxmem_read(juxmem_grid* grid, juxmem_id id, uint64_t offset, void* data, uint64_t length);
JUXMEM_API int juxmem_write(juxmem_grid* grid, juxmem_id id, uint64_t offset, const void* data, uint64_t length);

/* ---- names ------------------------------------------------------------------------------------------------------------------ */

/* Makes a block known under a name (1 to 1024 bytes of UTF-8 without control characters) to all jobs of the grid.
 * Errors: EEXIST (published already for another block), ENOENT, EINVAL, EAGAIN. */
JUXMEM_API int juxmem_publish(juxmem_grid* grid, const char* name, juxmem_id id);

/* Errors: ENONAME, EINVAL, EAGAIN. */
JUXMEM_API int juxmem_lookup(juxmem_grid* grid, const char* name, juxmem_id* id);
JUXMEM_API int juxmem_unpublish(juxmem_grid* grid, const char* name);

/* Calls `visit` for every name that begins with `prefix` ("" for all), in byte order, until it returns other than 0, which is then
 * returned through *visited (may be NULL). The list is not a snapshot: names published meanwhile may or may not appear. */
typedef int (*juxmem_name_visitor)(const char* name, juxmem_id id, void* context);
JUXMEM_API int juxmem_list(juxmem_grid* grid, const char* prefix, juxmem_name_visitor visit, void* context, int* visited);

/* ---- following a block -------------------------------------------------------------------------------------------------------- */

/* Waits until a version of the block newer than `version` has been released, and stores it in *newer (may be NULL). To miss nothing,
 * pass the version seen last (juxmem_stat, or 0). limit_ms as above.
 * Errors: ENOENT (also when it is freed meanwhile), ETIMEDOUT (nothing new in time), EAGAIN. */
JUXMEM_API int juxmem_wait(juxmem_grid* grid, juxmem_id id, uint64_t version, int64_t limit_ms, uint64_t* newer);

/* The version of the content that the calling thread's section shows (after an acquire) or last published (after a
 * release). Errors: ENOTHELD if this thread never held the block. */
JUXMEM_API int juxmem_section_version(juxmem_grid* grid, juxmem_id id, uint64_t* version);

/* ---- texts ---------------------------------------------------------------------------------------------------------------------- */

/* The meaning of an error number; never NULL. */
JUXMEM_API const char* juxmem_strerror(int error);

/* What happened in the calling thread's last failed call; "" if none failed. Valid until its next call. */
JUXMEM_API const char* juxmem_last_error(void);

/* "0.1.0", the version of the library in use. */
JUXMEM_API const char* juxmem_version(void);

#ifdef __cplusplus
}
#endif

#endif
