// Grid: the sections of this process's threads.
#include <algorithm>
#include <chrono>
#include <utility>

#include "juxmem/client/grid.h"
#include "juxmem/client/thread_number.h"

namespace juxmem {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kHoldsMax = 65536;       // relations of threads to blocks that are remembered
constexpr std::size_t kPieceBytes = 4U << 20;  // of changes that are sent while the next are sought

}  // namespace

bool Grid::holds(BlockId block) {
  const std::lock_guard lock(mutex_);
  const auto own = holds_.find({block, thread_number()});
  return own != holds_.end() && own->second.held;
}

Status Grid::acquire(BlockId block, Mode mode, bool try_only, std::int64_t limit_ms) {
  if (holds(block)) return fail(Code::kAlreadyHeld, "this thread holds block " + block_name(block) + " already");
  limit_ms = limit_of(limit_ms);
  const SteadyClock::time_point start = SteadyClock::now();
  const ThreadQueue::Ticket ticket = queue_.enter(block, mode, try_only ? 0 : limit_ms);
  if (ticket == 0) {
    return fail(try_only ? Code::kBusy : Code::kTimedOut,
                "another thread of this process is inside a section of " + block_name(block));
  }
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count();
  Status entered = enter(block, mode, try_only, std::max<std::int64_t>(0, limit_ms - waited), ticket);
  if (!entered) queue_.leave(block, ticket);
  return entered;
}

Status Grid::enter(BlockId block, Mode mode, bool try_only, std::int64_t limit_ms, ThreadQueue::Ticket ticket) {
  AcquireSpec spec{.block = block, .mode = mode, .try_only = try_only, .wants = {}};
  std::vector<Mapping*> mappings;
  {
    const std::lock_guard lock(mutex_);
    mappings = mappings_of(block);
    const bool shared = mode == Mode::kShared && queue_.is_shared_with_others(block, ticket);
    for (Mapping* mapping : mappings) {
      mapping->set_shared(shared);
      spec.wants.push_back(
          {.offset = mapping->offset(), .size_bytes = mapping->size_bytes(), .have = mapping->version(), .sink = mapping});
    }
  }
  const Result<Acquired> acquired = driver_->run<Acquired>(
      [&](ClientCore& core, Completion<Acquired> done) { core.acquire(std::move(spec), limit_ms, std::move(done)); });
  if (!acquired) return std::unexpected(acquired.error());
  if (mode == Mode::kExclusive) {
    for (Mapping* mapping : mappings) {
      const Status ready = mapping->prepare_to_write();
      if (ready) continue;
      driver_->look([&](ClientCore& core) { core.abandon(acquired->section); });
      return ready;
    }
  }
  const std::lock_guard lock(mutex_);
  for (Mapping* mapping : mappings) mapping->set_version(acquired->version);
  Hold& hold = holds_[{block, thread_number()}];
  hold.held = true;
  hold.mode = mode;
  hold.section = acquired->section;
  hold.version = acquired->version;
  hold.ticket = ticket;
  hold.mappings = std::move(mappings);
  hold.used = ++uses_;
  return {};
}

Status Grid::release(BlockId block, bool try_only, std::int64_t limit_ms) {
  Hold hold;
  {
    const std::lock_guard lock(mutex_);
    const auto own = holds_.find({block, thread_number()});
    if (own == holds_.end()) return fail(Code::kNotHeld, "this thread does not hold block " + block_name(block));
    if (!own->second.held) {
      return fail(Code::kAlreadyReleased, "this thread has released block " + block_name(block) + " already");
    }
    hold = own->second;
  }
  if (try_only && !driver_->look([](ClientCore& core) { return core.is_served(); })) {
    return fail(Code::kBusy, "no provider answers at the moment; the section is still held");
  }
  const Result<Version> left = leave(hold, limit_of(limit_ms));
  {
    const std::lock_guard lock(mutex_);
    Hold& own = holds_[{block, thread_number()}];
    own.held = false;
    own.mappings.clear();
    if (left) own.version = *left;
    own.used = ++uses_;
    forget_old_holds();
  }
  queue_.leave(block, hold.ticket);
  if (!left) return std::unexpected(left.error());
  return {};
}

// Publishes what was written. After a failure the mappings' content is not known to be released: it is fetched anew.
Result<Version> Grid::leave(Hold& hold, std::int64_t limit_ms) {
  Result<std::vector<Change>> changes;
  if (hold.mode == Mode::kExclusive) changes = send_changes(hold, limit_ms);
  Result<Version> outcome = Version{0};
  if (changes) {
    outcome = driver_->run<Version>([&](ClientCore& core, Completion<Version> done) {
      core.release(hold.section, std::move(*changes), limit_ms, std::move(done));
    });
  } else {
    outcome = std::unexpected(changes.error());
    driver_->look([&](ClientCore& core) { core.abandon(hold.section); });
  }
  if (hold.mode != Mode::kExclusive) return outcome;
  const std::lock_guard lock(mutex_);
  for (Mapping* mapping : hold.mappings) {
    if (outcome) {
      mapping->set_version(*outcome);
    } else {
      mapping->reset();
    }
  }
  return outcome;
}

// Seeks what was written, by this thread; others may use the loop meanwhile. Returns the last piece: the others are on their way.
Result<std::vector<Change>> Grid::send_changes(const Hold& hold, std::int64_t limit_ms) {
  std::vector<Change> last;
  for (Mapping* mapping : hold.mappings) {
    mapping->begin_changes();
    for (;;) {
      Result<std::vector<Change>> piece = mapping->next_changes(kPieceBytes);
      if (!piece) return piece;
      if (piece->empty()) break;
      if (!last.empty()) {
        driver_->look([&](ClientCore& core) { core.release_some(hold.section, std::move(last), limit_ms); });
      }
      last = std::move(*piece);
    }
  }
  return last;
}

// Threads come and go, and blocks too: the oldest released relations are forgotten.
void Grid::forget_old_holds() {
  if (holds_.size() <= kHoldsMax) return;
  std::vector<std::pair<std::uint64_t, HoldKey>> released;
  for (const auto& [key, hold] : holds_) {
    if (!hold.held) released.emplace_back(hold.used, key);
  }
  std::sort(released.begin(), released.end());
  released.resize(released.size() / 2);
  for (const auto& [used, key] : released) holds_.erase(key);
}

Result<Version> Grid::section_version(BlockId block) {
  const std::lock_guard lock(mutex_);
  const auto own = holds_.find({block, thread_number()});
  if (own == holds_.end()) return fail(Code::kNotHeld, "this thread never held block " + block_name(block));
  return own->second.version;
}

}  // namespace juxmem
