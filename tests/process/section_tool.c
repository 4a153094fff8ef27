/* A client for the process tests, driven line by line: reads commands from standard input, answers each with one line,
 * "JUXMEM error number" and then what was asked for.
 *
 *   open URI LIMIT_MS         malloc SIZE SITES NODES  -> id      free ID            map ID
 *   malloc_disk SIZE SITES NODES  -> id (kept on disk)
 *   acquire ID LIMIT_MS       acquire_read ID LIMIT_MS           try_acquire ID     release ID
 *   set ID NUMBER             get ID -> number                   add ID NUMBER -> number
 *   fill ID BYTE              check_fill ID -> byte, or -1 if the bytes differ
 *   write ID OFFSET NUMBER    read ID OFFSET -> number
 *   publish NAME ID           lookup NAME -> id                  stat ID -> size version
 *   wait ID VERSION LIMIT_MS -> version                          text -> what the last error said
 *   close                     quit
 *
 * set, get, add work on the first 8 bytes of the mapped block, fill and check_fill on all of it.
 */
#include <juxmem/juxmem.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 64
#define LINE_MAX_BYTES 1024

struct mapped {
  juxmem_id id;
  unsigned char* memory;
  uint64_t size;
};

static juxmem_grid* grid;
static struct mapped blocks[BLOCKS_MAX];
static int block_count;

static struct mapped* find(juxmem_id id) {
  int i;
  for (i = 0; i < block_count; ++i) {
    if (blocks[i].id == id) return &blocks[i];
  }
  fprintf(stderr, "section_tool: block %" PRIu64 " is not mapped\n", id);
  exit(2);
}

static void say(int code) {
  printf("%d\n", code);
  fflush(stdout);
}

static void say_number(int code, uint64_t number) {
  printf("%d %" PRIu64 "\n", code, number);
  fflush(stdout);
}

static int map(juxmem_id id) {
  juxmem_stat_info info;
  void* memory = NULL;
  int code = juxmem_stat(grid, id, &info, NULL, 0);
  if (code == JUXMEM_OK) code = juxmem_mmap(grid, id, 0, 0, &memory);
  if (code != JUXMEM_OK) return code;
  if (block_count == BLOCKS_MAX) exit(2);
  blocks[block_count].id = id;
  blocks[block_count].memory = memory;
  blocks[block_count].size = info.size;
  ++block_count;
  return code;
}

static int open_grid(const char* uri, int64_t limit_ms) {
  juxmem_options options;
  juxmem_options_init(&options);
  options.call_limit_ms = limit_ms;
  return juxmem_open(uri, &options, &grid);
}

/* -1 if the block's bytes are not all the same. */
static int filled_with(const struct mapped* block) {
  uint64_t i;
  for (i = 1; i < block->size; ++i) {
    if (block->memory[i] != block->memory[0]) return -1;
  }
  return block->memory[0];
}

/* Commands on the memory of a mapped block; 0 if the word is none of these. */
static int memory_command(const char* word, juxmem_id id, uint64_t number) {
  uint64_t value = 0;
  struct mapped* block = NULL;
  const int known = strcmp(word, "set") == 0 || strcmp(word, "get") == 0 || strcmp(word, "add") == 0 ||
                    strcmp(word, "fill") == 0 || strcmp(word, "check_fill") == 0;
  if (!known) return 0;
  block = find(id);
  memcpy(&value, block->memory, sizeof value);
  if (strcmp(word, "fill") == 0) {
    memset(block->memory, (int)number, block->size);
    say(JUXMEM_OK);
  } else if (strcmp(word, "check_fill") == 0) {
    printf("%d %d\n", JUXMEM_OK, filled_with(block));
    fflush(stdout);
  } else {
    if (strcmp(word, "set") == 0) value = number;
    if (strcmp(word, "add") == 0) value += number;
    if (strcmp(word, "get") != 0) memcpy(block->memory, &value, sizeof value);
    say_number(JUXMEM_OK, value);
  }
  return 1;
}

/* Commands on a block by its id; 0 if the word is none of these. */
static int block_command(const char* word, juxmem_id id, uint64_t second, uint64_t third) {
  uint64_t number = 0;
  juxmem_stat_info info;
  int code = 0;
  if (strcmp(word, "free") == 0) {
    say(juxmem_free(grid, id));
  } else if (strcmp(word, "map") == 0) {
    say(map(id));
  } else if (strcmp(word, "acquire") == 0) {
    say(juxmem_timed_acquire(grid, id, (int64_t)second));
  } else if (strcmp(word, "acquire_read") == 0) {
    say(juxmem_timed_acquire_read(grid, id, (int64_t)second));
  } else if (strcmp(word, "try_acquire") == 0) {
    say(juxmem_try_acquire(grid, id));
  } else if (strcmp(word, "release") == 0) {
    say(juxmem_release(grid, id));
  } else if (strcmp(word, "write") == 0) {
    say(juxmem_write(grid, id, second, &third, sizeof third));
  } else if (strcmp(word, "read") == 0) {
    code = juxmem_read(grid, id, second, &number, sizeof number);
    say_number(code, number);
  } else if (strcmp(word, "wait") == 0) {
    code = juxmem_wait(grid, id, second, (int64_t)third, &number);
    say_number(code, number);
  } else if (strcmp(word, "stat") == 0) {
    memset(&info, 0, sizeof info);
    code = juxmem_stat(grid, id, &info, NULL, 0);
    printf("%d %" PRIu64 " %" PRIu64 "\n", code, info.size, info.version);
    fflush(stdout);
  } else {
    return 0;
  }
  return 1;
}

static void allocate(uint64_t size, uint32_t sites, uint32_t nodes, juxmem_durability durability) {
  juxmem_attr attr;
  juxmem_id id = 0;
  int code = 0;
  juxmem_attr_init(&attr);
  attr.sites = sites;
  attr.nodes_per_site = nodes;
  attr.durability = durability;
  code = juxmem_malloc(grid, size, &attr, &id);
  say_number(code, id);
}

int main(void) {
  char line[LINE_MAX_BYTES];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char word[32] = "";
    char text[512] = "";
    uint64_t numbers[3] = {0, 0, 0};
    juxmem_id id = 0;
    sscanf(line, "%31s %511s %" SCNu64 " %" SCNu64, word, text, &numbers[1], &numbers[2]);
    numbers[0] = strtoull(text, NULL, 10);
    if (strcmp(word, "quit") == 0) break;
    if (strcmp(word, "open") == 0) {
      say(open_grid(text, (int64_t)numbers[1]));
    } else if (strcmp(word, "malloc") == 0) {
      allocate(numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2], JUXMEM_MEMORY);
    } else if (strcmp(word, "malloc_disk") == 0) {
      allocate(numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2], JUXMEM_DISK);
    } else if (strcmp(word, "publish") == 0) {
      say(juxmem_publish(grid, text, numbers[1]));
    } else if (strcmp(word, "lookup") == 0) {
      const int code = juxmem_lookup(grid, text, &id);
      say_number(code, id);
    } else if (strcmp(word, "text") == 0) {
      printf("0 %s\n", juxmem_last_error());
      fflush(stdout);
    } else if (strcmp(word, "close") == 0) {
      say(juxmem_close(grid));
      grid = NULL;
    } else if (!memory_command(word, numbers[0], numbers[1]) && !block_command(word, numbers[0], numbers[1], numbers[2])) {
      fprintf(stderr, "section_tool: unknown command: %s", line);
      return 2;
    }
  }
  return 0;
}
