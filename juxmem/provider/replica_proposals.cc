#include "juxmem/provider/replica_proposals.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kWaitingBytesMax = 64U << 20;

}  // namespace

void Proposals::place(Instance instance, const Ballot& ballot, Proposal proposal) {
  if (auto former = placed_.find(instance); former != placed_.end()) {
    forget(former->second.proposal);
    placed_.erase(former);
  }
  if (proposal.from != 0) known_.insert({proposal.from, proposal.tag});
  placed_.emplace(instance, Placed{ballot, std::move(proposal)});
}

std::optional<Proposal> Proposals::applied(Instance instance, const Ballot& ballot) {
  const auto found = placed_.find(instance);
  if (found == placed_.end()) return std::nullopt;
  std::optional<Proposal> proposal;
  if (found->second.ballot == ballot) proposal = std::move(found->second.proposal);
  forget(proposal ? *proposal : found->second.proposal);
  placed_.erase(found);
  return proposal;
}

bool Proposals::wait(Proposal proposal) {
  if (waiting_bytes_ + proposal.size_bytes() > kWaitingBytesMax) return false;
  waiting_bytes_ += proposal.size_bytes();
  if (proposal.from != 0) known_.insert({proposal.from, proposal.tag});
  waiting_.push_back(std::move(proposal));
  return true;
}

Proposal Proposals::take_first_waiting() {
  Proposal proposal = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= proposal.size_bytes();
  forget(proposal);
  return proposal;
}

std::vector<Proposal> Proposals::take_all() {
  std::vector<Proposal> all;
  for (auto& [instance, placed] : placed_) all.push_back(std::move(placed.proposal));
  for (Proposal& proposal : waiting_) all.push_back(std::move(proposal));
  placed_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  known_.clear();
  return all;
}

void Proposals::forget(const Proposal& proposal) {
  if (proposal.from != 0) known_.erase({proposal.from, proposal.tag});
}

}  // namespace juxmem
