// A grid inside the test process.
#pragma once

#include <gtest/gtest.h>
#include <juxmem/juxmem.h>

namespace juxmem {

class EmbeddedGrid : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(juxmem_open("embedded:", nullptr, &grid), JUXMEM_OK) << juxmem_last_error(); }
  void TearDown() override { EXPECT_EQ(juxmem_close(grid), JUXMEM_OK); }

  juxmem_id block(std::uint64_t size) {
    juxmem_id id = 0;
    EXPECT_EQ(juxmem_malloc(grid, size, nullptr, &id), JUXMEM_OK) << juxmem_last_error();
    return id;
  }
  void* map(juxmem_id id, std::uint64_t offset, std::uint64_t length) {
    void* memory = nullptr;
    EXPECT_EQ(juxmem_mmap(grid, id, offset, length, &memory), JUXMEM_OK) << juxmem_last_error();
    return memory;
  }

  juxmem_grid* grid = nullptr;
};

}  // namespace juxmem
