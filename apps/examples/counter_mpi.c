/* All ranks of an MPI job add to one counter; two jobs with the same name share it.
 *
 *   mpicc counter_mpi.c $(pkg-config --cflags --libs juxmem) -o counter_mpi
 *   mpirun -n 4 ./counter_mpi 100            (needs a grid: JUXMEM_GRID, or a juxmemd on this machine)
 *
 * A section that was lost with its provider has published nothing, so it is simply done again. After JUXMEM_EAGAIN the outcome
 * is unknown: every rank keeps its own count in the block, too, and so finds out.
 */
#include <juxmem/juxmem.h>

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "counter_mpi/counter"
#define RANKS_MAX 500
#define TRIES_MAX 100

struct counter {
  uint64_t sum;
  uint64_t of_rank[RANKS_MAX]; /* since the job began */
};

static void check(int code, const char* what) {
  if (code == JUXMEM_OK) return;
  fprintf(stderr, "counter_mpi: %s: %s\n", what, juxmem_last_error());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static juxmem_id find_counter(juxmem_grid* grid) {
  juxmem_id id = 0;
  int code = juxmem_lookup(grid, NAME, &id);
  if (code == JUXMEM_ENONAME) {
    check(juxmem_calloc(grid, 1, sizeof(struct counter), NULL, &id), "cannot allocate the counter");
    code = juxmem_publish(grid, NAME, id);
    if (code == JUXMEM_EEXIST) {
      check(juxmem_free(grid, id), "cannot free the second counter");
      code = juxmem_lookup(grid, NAME, &id);
    }
  }
  check(code, "cannot find the counter");
  return id;
}

/* One more, exactly once. */
static void count(juxmem_grid* grid, juxmem_id id, struct counter* counter, int rank, uint64_t own) {
  int tries = 0;
  for (;;) {
    int code = juxmem_acquire(grid, id);
    if (code == JUXMEM_OK) {
      if (counter->of_rank[rank] == own) { /* not counted yet */
        counter->of_rank[rank] = own + 1;
        counter->sum += 1;
      }
      code = juxmem_release(grid, id);
      if (code == JUXMEM_OK) return;
    }
    if ((code != JUXMEM_EOWNERDEAD && code != JUXMEM_EAGAIN) || ++tries == TRIES_MAX) check(code, "cannot count");
  }
}

int main(int argc, char** argv) {
  int rank = 0;
  int ranks = 0;
  uint64_t id = 0;
  uint64_t i = 0;
  const uint64_t times = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
  juxmem_grid* grid = NULL;
  void* memory = NULL;
  struct counter* counter = NULL;
  uint64_t own = 0;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (ranks > RANKS_MAX) {
    if (rank == 0) fprintf(stderr, "counter_mpi: at most %d ranks\n", RANKS_MAX);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  check(juxmem_open(NULL, NULL, &grid), "cannot open the grid");
  if (rank == 0) id = find_counter(grid);
  MPI_Bcast(&id, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD); /* an id travels like any number */
  check(juxmem_mmap(grid, id, 0, 0, &memory), "cannot map the counter");
  counter = memory;

  check(juxmem_acquire_read(grid, id), "cannot read the counter");
  own = counter->of_rank[rank];
  check(juxmem_release(grid, id), "cannot let the counter go");
  for (i = 0; i < times; ++i) count(grid, id, counter, rank, own + i);

  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    check(juxmem_acquire_read(grid, id), "cannot read the counter");
    printf("the counter is at %llu\n", (unsigned long long)counter->sum);
    check(juxmem_release(grid, id), "cannot let the counter go");
  }
  check(juxmem_munmap(grid, memory), "cannot unmap the counter");
  check(juxmem_close(grid), "cannot close the grid");
  MPI_Finalize();
  return 0;
}
