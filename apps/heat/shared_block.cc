#include "apps/heat/shared_block.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace juxmem::heat {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTriesMax = 20;

double us_since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count();
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (start <= list.size()) {
    const std::size_t comma = std::min(list.find(',', start), list.size());
    if (comma > start) parts.push_back(list.substr(start, comma - start));
    start = comma + 1;
  }
  return parts;
}

bool may_be_repeated(int code) { return code == JUXMEM_EOWNERDEAD || code == JUXMEM_EAGAIN || code == JUXMEM_ETIMEDOUT; }

}  // namespace

Result<GridHandle> open_grid(unsigned turn) {
  const char* variable = std::getenv("JUXMEM_GRID");
  std::string uri;
  if (variable != nullptr) {
    std::vector<std::string> addresses = split(variable);
    if (!addresses.empty()) {
      std::rotate(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(turn % addresses.size()), addresses.end());
    }
    for (const std::string& address : addresses) uri += (uri.empty() ? "" : ",") + address;
  }
  juxmem_grid* grid = nullptr;
  const int code = juxmem_open(uri.empty() ? nullptr : uri.c_str(), nullptr, &grid);
  if (code != JUXMEM_OK) return grid_error(code, "cannot open the grid");
  return GridHandle(grid);
}

SharedBlock::SharedBlock(juxmem_grid* grid, std::string name, juxmem_id id, std::uint64_t size, std::byte* memory,
                         SectionStats* stats)
    : grid_(grid), name_(std::move(name)), id_(id), size_(size), memory_(memory), stats_(stats) {}

SharedBlock::SharedBlock(SharedBlock&& other) noexcept { *this = std::move(other); }

SharedBlock& SharedBlock::operator=(SharedBlock&& other) noexcept {
  std::swap(grid_, other.grid_);
  std::swap(name_, other.name_);
  std::swap(id_, other.id_);
  std::swap(size_, other.size_);
  std::swap(memory_, other.memory_);
  std::swap(stats_, other.stats_);
  std::swap(acknowledged_, other.acknowledged_);
  std::swap(version_, other.version_);
  return *this;
}

SharedBlock::~SharedBlock() {
  if (memory_ != nullptr) juxmem_munmap(grid_, memory_);
}

Result<SharedBlock> SharedBlock::create(juxmem_grid* grid, const std::string& name, std::uint64_t content_bytes,
                                        SectionStats* stats) {
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  // All of the local grid's nodes; smaller grids get what they have. On disk where the providers have one: the jobs go on when all of the grid
  // was switched off.
  constexpr std::pair<std::uint32_t, std::uint32_t> kShapes[] = {{2, 3}, {1, 3}, {1, 1}};
  juxmem_id id = 0;
  int code = JUXMEM_ESHAPE;
  for (const juxmem_durability durability : {JUXMEM_DISK, JUXMEM_MEMORY}) {
    attr.durability = durability;
    for (const auto& [sites, nodes] : kShapes) {
      attr.sites = sites;
      attr.nodes_per_site = nodes;
      if (code == JUXMEM_ESHAPE) code = juxmem_malloc(grid, kHeaderBytes + content_bytes, &attr, &id);
    }
  }
  if (code != JUXMEM_OK) return grid_error(code, "cannot allocate " + name);
  code = juxmem_publish(grid, name.c_str(), id);
  if (code != JUXMEM_OK) return grid_error(code, "cannot publish " + name);
  return map(grid, name, id, stats);
}

Result<SharedBlock> SharedBlock::open(juxmem_grid* grid, const std::string& name, std::int64_t limit_ms,
                                      SectionStats* stats) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(limit_ms);
  for (;;) {
    juxmem_id id = 0;
    const int code = juxmem_lookup(grid, name.c_str(), &id);
    if (code == JUXMEM_OK) return map(grid, name, id, stats);
    if (code != JUXMEM_ENONAME || SteadyClock::now() > deadline) return grid_error(code, "cannot find " + name);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

Result<SharedBlock> SharedBlock::map(juxmem_grid* grid, const std::string& name, juxmem_id id, SectionStats* stats) {
  juxmem_stat_info info;
  int code = juxmem_stat(grid, id, &info, nullptr, 0);
  if (code != JUXMEM_OK) return grid_error(code, "cannot look at " + name);
  if (info.size < kHeaderBytes) return fail(Code::kInvalid, name + " is too small to be shared by the heat jobs");
  void* memory = nullptr;
  code = juxmem_mmap(grid, id, 0, 0, &memory);
  if (code != JUXMEM_OK) return grid_error(code, "cannot map " + name);
  return SharedBlock(grid, name, id, info.size, static_cast<std::byte*>(memory), stats);
}

int SharedBlock::take(int (*acquire)(juxmem_grid*, juxmem_id)) {
  const auto start = SteadyClock::now();
  const int code = acquire(grid_, id_);
  const double us = us_since(start);
  stats_->acquire_us.push_back(us);
  stats_->longest_stall_ms = std::max(stats_->longest_stall_ms, us / 1000);
  return code;
}

int SharedBlock::let_go() {
  const auto start = SteadyClock::now();
  const int code = juxmem_release(grid_, id_);
  const double us = us_since(start);
  stats_->release_us.push_back(us);
  stats_->longest_stall_ms = std::max(stats_->longest_stall_ms, us / 1000);
  return code;
}

void SharedBlock::check_header() {
  Header header;
  std::memcpy(&header, memory_, sizeof header);
  if (header.sections < acknowledged_) {
    stats_->lost += acknowledged_ - header.sections;
    acknowledged_ = header.sections;
  }
}

Status SharedBlock::write(const std::function<void(Header&, std::byte*)>& change) {
  int code = JUXMEM_OK;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    code = take(juxmem_acquire);
    if (code == JUXMEM_OK) {
      check_header();
      auto* header = reinterpret_cast<Header*>(memory_);
      const std::uint64_t published = header->sections + 1;
      header->sections = published;
      change(*header, memory_ + kHeaderBytes);
      code = let_go();
      if (code == JUXMEM_OK) {
        acknowledged_ = published;
        ++stats_->exclusive;
        stats_->bytes_written += size_;
        return {};
      }
    }
    if (!may_be_repeated(code)) break;
    ++stats_->repeated;
  }
  return grid_error(code, "cannot write " + name_);
}

Status SharedBlock::read(const std::function<void(const Header&, const std::byte*)>& look) {
  int code = JUXMEM_OK;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    code = take(juxmem_acquire_read);
    if (code == JUXMEM_OK) {
      check_header();
      juxmem_section_version(grid_, id_, &version_);
      look(*reinterpret_cast<const Header*>(memory_), memory_ + kHeaderBytes);
      code = let_go();
      if (code == JUXMEM_OK) {
        ++stats_->shared;
        return {};
      }
    }
    if (!may_be_repeated(code)) break;
    ++stats_->repeated;
  }
  return grid_error(code, "cannot read " + name_);
}

Status SharedBlock::wait_newer(std::int64_t limit_ms) {
  const int code = juxmem_wait(grid_, id_, version_, limit_ms, nullptr);
  if (code != JUXMEM_OK && code != JUXMEM_ETIMEDOUT && code != JUXMEM_EAGAIN)
    return grid_error(code, "cannot wait for " + name_);
  if (code != JUXMEM_OK) return fail(Code::kTimedOut, "nothing new in " + name_);
  return {};
}

Status SharedBlock::verify() {
  return read([](const Header&, const std::byte*) {});
}

}  // namespace juxmem::heat
