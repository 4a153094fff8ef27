// The calls of a simulated client, and what each may and may not answer.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "tests/sim/grid/sim_client.h"

namespace juxmem::sim {
namespace {

// Errors that a grid in trouble may answer; each says whether the call surely did nothing.
bool is_trouble(Code code) {
  return code == Code::kTimedOut || code == Code::kBusy || code == Code::kTryAgain || code == Code::kOwnerDead ||
         code == Code::kUnreachable || code == Code::kLost || code == Code::kNoSpace;
}

}  // namespace

void SimClient::Copy::put(std::uint64_t offset, std::span<const std::byte> data) {
  if (offset > bytes.size() || data.size() > bytes.size() - offset) return;
  std::memcpy(bytes.data() + offset, data.data(), data.size());
}

// ---- sections -------------------------------------------------------------------------------------------------------

void SimClient::section(std::size_t number, bool writes, bool try_only, std::int64_t limit_ms, bool must) {
  SharedBlock& block = blocks_[number];
  begin(fmt::format("{} {}{}", writes ? "acquire" : "acquire_read", block.name, try_only ? " at once" : ""), limit_ms);
  Copy& copy = copies_[number];
  const std::uint64_t size = block.part_bytes * kParts;
  copy.bytes.resize(size);
  AcquireSpec spec{.block = block.id,
                   .mode = writes ? Mode::kExclusive : Mode::kShared,
                   .try_only = try_only,
                   .wants = {{.offset = 0, .size_bytes = size, .have = copy.have, .sink = &copy}}};
  HistoryOp& op = note(block);
  const Version at_least = block.version_seen;
  core_->acquire(std::move(spec), limit_ms,
                 [this, number, &op, writes, limit_ms, must, at_least](Result<Acquired> acquired) {
                   SharedBlock& block = blocks_[number];
                   if (!acquired) {
                     copies_.erase(number);  // parts of a newer version may have been put
                     if (!is_allowed(acquired.error(), "acquire")) return;
                     if (must)
                       world_.fail(fmt::format("client{}: acquire of {} after healing: {}", plan_.number, block.name,
                                               to_string(acquired.error())));
                     return end();
                   }
                   if (!call_was_timely(doing_)) return;
                   copies_[number].have = acquired->version;
                   op.read = parts_of(block, copies_[number], 0, kParts);
                   world_.trace(fmt::format("client{} has {} version {}: {:x} {:x} {:x}", plan_.number, block.name,
                                            acquired->version, op.read[0], op.read[1], op.read[2]));
                   saw_version(block, acquired->version, at_least, "acquire");
                   in_section(number, op, *acquired, writes, limit_ms, must);
                 });
}

void SimClient::in_section(std::size_t number, HistoryOp& op, const Acquired& acquired, bool writes, std::int64_t limit_ms,
                           bool must) {
  const TimeNs stay = must ? 0 : random_.chance(50'000) ? random_.between(0, 2500 * kMs) : random_.between(0, 20 * kMs);
  const bool gives_up = !must && random_.chance(40'000);
  const auto leave = [this, number, &op, section = acquired.section, writes, limit_ms, must, gives_up] {
    if (!gives_up) return leave_section(number, op, section, writes, limit_ms, must);
    begin("abandon", 0);
    core_->abandon(section);
    op.returned = world_.now();
    end();
  };
  env_->run_turn(leave, stay);
}

void SimClient::leave_section(std::size_t number, HistoryOp& op, SectionId section, bool writes, std::int64_t limit_ms,
                              bool must) {
  SharedBlock& block = blocks_[number];
  PartValues wanted = kNoValues;
  std::vector<Change> changes;
  const std::uint64_t parts = !writes ? 0 : must ? 7 : random_.between(1, 7);
  for (std::size_t part = 0; part < kParts; ++part) {
    if ((parts >> part & 1) == 0) continue;
    wanted[part] = new_value();
    changes.push_back({.offset = part * block.part_bytes, .data = filled(block.part_bytes, wanted[part])});
    copies_[number].put(part * block.part_bytes, changes.back().data.bytes());
  }
  begin(fmt::format("release {} {:x} {:x} {:x}", block.name, wanted[0], wanted[1], wanted[2]), limit_ms);
  op.written = wanted;  // from here on it may happen
  // A section on its way in parts is what a crash may catch in the middle.
  const bool is_large = block.part_bytes > kPageBytes;
  if (is_large && !must && random_.chance(200'000)) world_.after(random_.between(0, 40) * kMs, plan_.crash);
  core_->release(section, std::move(changes), limit_ms, [this, number, &op, wanted, must](Result<Version> version) {
    settle_section(number, op, wanted, version, must);
  });
}

void SimClient::settle_section(std::size_t number, HistoryOp& op, const PartValues& wanted, const Result<Version>& version,
                               bool must) {
  SharedBlock& block = blocks_[number];
  const bool wrote = wanted != kNoValues;
  world_.trace(fmt::format("client{} released {}: {}", plan_.number, block.name,
                           version ? fmt::format("version {}", *version) : to_string(version.error())));
  if (version) {
    op.returned = world_.now();
    // With what it wrote, the copy is the new version: nobody else could publish between acquire and release.
    if (wrote) copies_[number].have = *version;
    if (wrote) saw_version(block, *version, 0, "release");
    if (wrote && plan_.acknowledged) plan_.acknowledged(block.id);
    if (must) last_blocks_.pop_back();
    return end();
  }
  if (wrote) copies_.erase(number);
  if (!is_allowed(version.error(), "release")) return;
  const bool unknown = version.error().code == Code::kTryAgain || version.error().code == Code::kTimedOut ||
                       version.error().code == Code::kLost;
  if (!unknown) {
    op.written = kNoValues;
    op.returned = world_.now();
  }
  // After healing, a section begun before may still turn out lost; a new one may not.
  if (must && version.error().code != Code::kOwnerDead) {
    world_.fail(
        fmt::format("client{}: release of {} after healing: {}", plan_.number, block.name, to_string(version.error())));
  }
  end();
}

// ---- one-shot calls -------------------------------------------------------------------------------------------------

void SimClient::read_once(std::size_t number) {
  SharedBlock& block = blocks_[number];
  begin("read " + block.name, some_limit_ms());
  const std::size_t first = random_.below(kParts);
  const std::size_t count = 1 + random_.below(kParts - first);
  auto copy = std::make_shared<Copy>();
  copy->bytes.resize(block.part_bytes * kParts);
  HistoryOp& op = note(block);
  const Version at_least = block.version_seen;
  core_->read(block.id, first * block.part_bytes, count * block.part_bytes, copy.get(), call_limit_ms_,
              [this, &block, &op, copy, first, count, at_least](Result<Version> version) {
                if (version) {
                  op.read = parts_of(block, *copy, first, count);
                  op.returned = world_.now();
                  world_.trace(fmt::format("client{} read {} version {}: {:x} {:x} {:x}", plan_.number, block.name, *version,
                                           op.read[0], op.read[1], op.read[2]));
                  saw_version(block, *version, at_least, "read");
                } else if (!is_allowed(version.error(), "read")) {
                  return;
                }
                end();
              });
}

void SimClient::write_once(std::size_t number) {
  SharedBlock& block = blocks_[number];
  const std::size_t first = random_.below(kParts);
  const std::size_t count = 1 + random_.below(kParts - first);
  const std::uint64_t value = new_value();
  begin(fmt::format("write {} {:x} to {} parts from {}", block.name, value, count, first), some_limit_ms());
  HistoryOp& op = note(block);
  for (std::size_t part = first; part < first + count; ++part) op.written[part] = value;
  core_->write(block.id, first * block.part_bytes, filled(count * block.part_bytes, value), call_limit_ms_,
               [this, &block, &op](Result<Version> version) {
                 world_.trace(fmt::format("client{} wrote {}: {}", plan_.number, block.name,
                                          version ? fmt::format("version {}", *version) : to_string(version.error())));
                 if (version) {
                   op.returned = world_.now();
                   saw_version(block, *version, 0, "write");
                 } else if (!is_allowed(version.error(), "write")) {
                   return;
                 } else if (version.error().code != Code::kTryAgain && version.error().code != Code::kLost) {
                   op.written = kNoValues;
                   op.returned = world_.now();
                 }
                 end();
               });
}

void SimClient::wait_for_change(std::size_t number) {
  SharedBlock& block = blocks_[number];
  const Version than = copies_.contains(number) ? copies_[number].have : 0;
  begin(fmt::format("wait {} newer than {}", block.name, than), some_limit_ms());
  core_->wait(block.id, than, call_limit_ms_, [this, &block, than](Result<Version> version) {
    if (version) {
      saw_version(block, *version, than + 1, "wait");
    } else if (!is_allowed(version.error(), "wait")) {
      return;
    }
    end();
  });
}

void SimClient::try_names() {
  const std::string name = fmt::format("own/{}/{}", plan_.number, ++names_);
  const BlockId id = blocks_.front().id;
  begin("publish " + name, some_limit_ms());
  core_->publish(name, id, call_limit_ms_, [this, name, id](Result<void> published) {
    if (!published) {
      if (!is_allowed(published.error(), "publish")) return;
      return end();
    }
    begin("lookup " + name, some_limit_ms());
    core_->lookup(name, call_limit_ms_, [this, name, id](Result<BlockId> found) {
      if (found && *found != id) return world_.fail(fmt::format("{} names another block", name));
      if (!found && !is_allowed(found.error(), "lookup of a published name")) return;
      end();
    });
  });
}

// A block of its own: what was written is read, and once freed it is gone.
void SimClient::try_own_block() {
  begin("malloc of its own", some_limit_ms());
  const AllocateSpec spec{
      .size_bytes = 5000, .shape = blocks_.front().shape, .durability = blocks_.front().durability, .meta = {}};
  core_->allocate(spec, call_limit_ms_, [this](Result<BlockId> id) {
    if (!id) {
      if (!is_allowed(id.error(), "malloc")) return;
      return end();
    }
    const std::uint64_t value = new_value();
    begin("write of its own", some_limit_ms());
    core_->write(*id, 4096, filled(904, value), call_limit_ms_, [this, id = *id, value](Result<Version> written) {
      if (written) return on_own_block(id, value);
      if (!is_allowed(written.error(), "write")) return;
      free_own_block(id);
    });
  });
}

void SimClient::on_own_block(BlockId id, std::uint64_t value) {
  begin("read of its own", some_limit_ms());
  auto copy = std::make_shared<Copy>();
  copy->bytes.resize(5000);
  core_->read(id, 0, 5000, copy.get(), call_limit_ms_, [this, id, value, copy](Result<Version> version) {
    if (version) {
      std::uint64_t got = 0;
      std::memcpy(&got, copy->bytes.data() + 4096, 8);
      const bool rest_is_zero =
          std::ranges::all_of(std::span(copy->bytes).first(4096), [](std::byte b) { return b == std::byte{}; });
      if (got != value || !rest_is_zero) return world_.fail("a block of its own has another content");
    } else if (!is_allowed(version.error(), "read")) {
      return;
    }
    free_own_block(id);
  });
}

void SimClient::free_own_block(BlockId id) {
  begin("free of its own", some_limit_ms());
  core_->free(id, call_limit_ms_, [this, id](Result<void> freed) {
    if (!freed) {
      if (!is_allowed(freed.error(), "free")) return;
      return end();
    }
    begin("stat of a freed block", some_limit_ms());
    core_->stat(id, call_limit_ms_, [this](Result<BlockStat> stat) {
      if (stat) return world_.fail("a freed block is still there");
      if (stat.error().code != Code::kNotFound && !is_allowed(stat.error(), "stat")) return;
      end();
    });
  });
}

// ---- what was seen --------------------------------------------------------------------------------------------------

PartValues SimClient::parts_of(const SharedBlock& block, const Copy& copy, std::size_t first, std::size_t count) {
  PartValues values = kNoValues;
  for (std::size_t part = first; part < first + count; ++part) {
    const std::byte* bytes = copy.bytes.data() + part * block.part_bytes;
    std::memcpy(&values[part], bytes, 8);
    // A part is always written as a whole.
    const std::size_t words = block.part_bytes / 8;
    const std::size_t stride = std::max<std::size_t>(words / 64, 1);
    for (std::size_t word = 0; word < words; word = word + stride < words || word == words - 1 ? word + stride : words - 1) {
      std::uint64_t value = 0;
      std::memcpy(&value, bytes + word * 8, 8);
      if (value != values[part]) {
        world_.fail(
            fmt::format("client{}: part {} of {} mixes {:x} and {:x}", plan_.number, part, block.name, values[part], value));
        return values;
      }
    }
  }
  return values;
}

Buffer SimClient::filled(std::uint64_t size_bytes, std::uint64_t value) const {
  std::vector<std::byte> bytes(size_bytes);
  for (std::uint64_t at = 0; at + 8 <= size_bytes; at += 8) std::memcpy(bytes.data() + at, &value, 8);
  return Buffer::take(std::move(bytes));
}

HistoryOp& SimClient::note(SharedBlock& block) {
  block.history.push_back({.who = fmt::format("client{}", plan_.number), .called = world_.now()});
  return block.history.back();
}

// S6 at once: nothing older than what any finished call had seen when this one began.
void SimClient::saw_version(SharedBlock& block, Version version, Version at_least, const char* what) {
  if (version < at_least) {
    return world_.fail(fmt::format("S6: client{}: {} of {} gave version {} when {} was known", plan_.number, what,
                                   block.name, version, at_least));
  }
  block.version_seen = std::max(block.version_seen, version);
}

bool SimClient::is_allowed(const Error& error, const char* what) {
  world_.trace(fmt::format("client{} {}: {}", plan_.number, what, to_string(error)));
  if (is_trouble(error.code)) return true;
  const std::string_view call = what;
  const bool is_malloc = call == "malloc" && (error.code == Code::kImpossibleShape || error.code == Code::kNoSpace);
  // An attempt whose answer was lost may have freed it.
  const bool is_free = call == "free" && error.code == Code::kNotFound;
  if (is_malloc || is_free) return true;
  world_.fail(fmt::format("client{}: {} answered {}", plan_.number, what, to_string(error)));
  return false;
}

}  // namespace juxmem::sim
