#include "consistency/paxos/entry_log.h"

#include <bit>
#include <utility>

#include "juxmem/base/check.h"

namespace juxmem {

void EntryLog::put(Instance instance, wire::Entry entry) {
  JUXMEM_CHECK(instance >= first_ && !is_hole(entry));
  const std::uint64_t offset = instance - first_;
  if (offset >= count_) {
    if (offset >= ring_.size()) grow_to(offset + 1);
    count_ = offset + 1;
  }
  wire::Entry& place = ring_[place_of(instance)];
  if (!is_hole(place)) bytes_ -= cost_bytes(place);
  bytes_ += cost_bytes(entry);
  place = std::move(entry);
}

void EntryLog::set_ballot(Instance instance, const Ballot& ballot) {
  JUXMEM_CHECK(at(instance) != nullptr);
  ring_[place_of(instance)].ballot = ballot;
}

void EntryLog::drop_before(Instance instance) {
  while (first_ < instance && count_ > 0) {
    wire::Entry& place = ring_[place_of(first_)];
    if (!is_hole(place)) {
      bytes_ -= cost_bytes(place);
      place = {};
    }
    ++first_;
    --count_;
  }
  if (first_ < instance) first_ = instance;
}

void EntryLog::drop_after(Instance instance) {
  JUXMEM_CHECK(instance + 1 >= first_);
  while (count_ > 0 && last() > instance) {
    wire::Entry& place = ring_[place_of(last())];
    if (!is_hole(place)) {
      bytes_ -= cost_bytes(place);
      place = {};
    }
    --count_;
  }
}

void EntryLog::grow_to(std::uint64_t count) {
  std::vector<wire::Entry> larger(std::bit_ceil(count < 64 ? 64 : count));
  for (Instance instance = first_; instance < first_ + count_; ++instance) {
    larger[instance & (larger.size() - 1)] = std::move(ring_[place_of(instance)]);
  }
  ring_ = std::move(larger);
}

}  // namespace juxmem
