#include "groups/membership/bootstrap.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"

namespace juxmem {

NodeId Bootstrap::number_of(const std::vector<std::string>& addresses, const std::string& address) {
  const auto found = std::lower_bound(addresses.begin(), addresses.end(), address);
  if (found == addresses.end() || *found != address) return 0;
  return static_cast<NodeId>(found - addresses.begin()) + 1;
}

std::uint64_t Bootstrap::digest_of_list(const std::vector<std::string>& addresses) {
  std::uint64_t digest = addresses.size();
  for (const std::string& address : addresses) {
    digest = digest_with(digest_of(std::as_bytes(std::span(std::string_view(address))), digest), address.size());
  }
  return digest;
}

Bootstrap::Bootstrap(std::vector<std::string> addresses, const std::string& own_address, std::uint64_t incarnation,
                     bool stored, std::uint64_t begun, bool listens)
    : addresses_(std::move(addresses)),
      list_digest_(digest_of_list(addresses_)),
      self_(number_of(addresses_, own_address)),
      incarnation_(incarnation),
      stored_(stored),
      begun_(begun),
      listens_(listens),
      members_(addresses_.size(), 0),
      told_(addresses_.size()) {
  JUXMEM_CHECK(self_ != 0 && incarnation_ != 0);
  JUXMEM_CHECK(std::ranges::is_sorted(addresses_));
  members_[self_ - 1] = incarnation_;
  establish_if_all_agree();
}

wire::ManagerHello Bootstrap::own_hello(bool answer_wanted) const {
  wire::ManagerHello hello;
  hello.address = addresses_[self_ - 1];
  hello.incarnation = incarnation_;
  hello.list_digest = list_digest_;
  hello.established = stage_ != Stage::kMeeting;
  hello.members = members_;
  if (listens_ && stage_ == Stage::kMeeting) {
    hello.members.assign(members_.size(), 0);
    hello.members[self_ - 1] = incarnation_;
  }
  hello.answer_wanted = answer_wanted;
  hello.stored = stored_;
  if (stored_ && stage_ != Stage::kMeeting) hello.grid = stage_ == Stage::kReplaced ? told_grid_ : grid();
  return hello;
}

std::uint64_t Bootstrap::grid() const {
  if (goes_on_) return begun_;
  std::uint64_t digest = list_digest_;
  for (std::uint64_t incarnation : members_) digest = digest_with(digest, incarnation);
  return digest | 1;
}

wire::ManagerHello Bootstrap::answer_of_stored(const wire::ManagerHello& hello, std::string own_address,
                                               std::uint64_t incarnation, std::uint64_t grid) {
  wire::ManagerHello answer;
  answer.address = std::move(own_address);
  answer.incarnation = incarnation;
  answer.list_digest = hello.list_digest;
  answer.established = true;
  answer.members.resize(hello.members.size());
  answer.stored = true;
  answer.grid = grid;
  return answer;
}

std::optional<wire::ManagerHello> Bootstrap::on_hello(const wire::ManagerHello& hello) {
  const NodeId other = number_of(addresses_, hello.address);
  if (other == 0 || hello.list_digest != list_digest_ || hello.members.size() != members_.size()) {
    problem_ = "the manager at " + hello.address + " was given another list of managers; start all with the same --join";
    return std::nullopt;
  }
  if (hello.stored != stored_) {
    problem_ = "of this manager and the one at " + hello.address +
               " one has a data folder and the other has none; start all with --data, or none";
    return std::nullopt;
  }
  // Who was replaced tells who took part in the beginning, which it did not.
  const bool names_itself = hello.members[other - 1] == hello.incarnation || hello.established;
  const bool makes_sense = other != self_ && hello.incarnation != 0 && names_itself;
  if (!makes_sense) return std::nullopt;
  if (stage_ == Stage::kMeeting) learn(other, hello);
  if (!hello.answer_wanted) return std::nullopt;
  return own_hello(false);
}

void Bootstrap::learn(NodeId other, const wire::ManagerHello& hello) {
  if (hello.incarnation < members_[other - 1]) return;  // of a former life, late
  if (hello.grid != 0 && (hello.grid == grid() || hello.grid == begun_)) {
    goes_on_ = hello.grid == begun_;
    stage_ = Stage::kEstablished;
    return;
  }
  if (hello.established) {
    told_grid_ = hello.grid;
    members_ = hello.members;
    stage_ = members_[self_ - 1] == incarnation_ ? Stage::kEstablished : Stage::kReplaced;
    return;
  }
  members_[other - 1] = hello.incarnation;
  told_[other - 1] = hello.members;
  establish_if_all_agree();
}

void Bootstrap::listen(bool listens) {
  listens_ = listens;
  if (stage_ == Stage::kMeeting) establish_if_all_agree();
}

// Who asks this one takes part in nothing either.
void Bootstrap::give_up() {
  members_.assign(members_.size(), 0);
  members_[self_ - 1] = incarnation_;
  stage_ = Stage::kReplaced;
}

void Bootstrap::establish_if_all_agree() {
  if (listens_) return;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (i + 1 != self_ && told_[i] != members_) return;
  }
  stage_ = Stage::kEstablished;
}

std::vector<std::pair<std::string, wire::ManagerHello>> Bootstrap::hellos() const {
  std::vector<std::pair<std::string, wire::ManagerHello>> out;
  if (stage_ != Stage::kMeeting) return out;
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    if (i + 1 != self_) out.emplace_back(addresses_[i], own_hello(true));
  }
  return out;
}

}  // namespace juxmem
