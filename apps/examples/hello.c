/* A first program: two runs of it on one grid say hello to each other; without a grid it talks to itself.
 *
 *   cc hello.c $(pkg-config --cflags --libs juxmem) -o hello && ./hello "good morning"
 */
#include <juxmem/juxmem.h>

#include <stdio.h>
#include <string.h>

#define BOARD_BYTES 4096

static int failed(const char* what) {
  fprintf(stderr, "hello: %s: %s\n", what, juxmem_last_error());
  return 1;
}

/* The block called "hello/board", made by whoever comes first. */
static int find_board(juxmem_grid* grid, juxmem_id* board) {
  int code = juxmem_lookup(grid, "hello/board", board);
  if (code != JUXMEM_ENONAME) return code;
  code = juxmem_calloc(grid, 1, BOARD_BYTES, NULL, board);
  if (code != JUXMEM_OK) return code;
  code = juxmem_publish(grid, "hello/board", *board);
  if (code == JUXMEM_EEXIST) { /* somebody was quicker: theirs counts */
    code = juxmem_free(grid, *board);
    if (code == JUXMEM_OK) code = juxmem_lookup(grid, "hello/board", board);
  }
  return code;
}

int main(int argc, char** argv) {
  const char* text = argc > 1 ? argv[1] : "hello, grid";
  juxmem_grid* grid = NULL;
  juxmem_id board = 0;
  void* memory = NULL;

  if (juxmem_open(NULL, NULL, &grid) != JUXMEM_OK) return failed("cannot open the grid");
  if (find_board(grid, &board) != JUXMEM_OK) return failed("cannot find the board");
  if (juxmem_mmap(grid, board, 0, 0, &memory) != JUXMEM_OK) return failed("cannot map the board");

  /* A section: what is written becomes visible to others at its release, all of it or none. */
  if (juxmem_acquire(grid, board) != JUXMEM_OK) return failed("cannot take the board");
  if (*(char*)memory != '\0') printf("found:   %s\n", (char*)memory);
  strncpy((char*)memory, text, BOARD_BYTES - 1);
  if (juxmem_release(grid, board) != JUXMEM_OK) return failed("the board was not written");
  printf("written: %s\n", text);

  juxmem_munmap(grid, memory);
  juxmem_close(grid);
  return 0;
}
