// First managers: how they meet, begin a grid, or find the one that is there.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "juxmem/provider/provider_core.h"

namespace juxmem {
namespace {

constexpr std::int64_t kMeetMs = 100;
constexpr std::size_t kAskedMax = 64;  // peers asked between two rounds of greetings

}  // namespace

bool ProviderCore::is_meeting() const { return bootstrap_ && bootstrap_->stage() == Bootstrap::Stage::kMeeting; }

void ProviderCore::begin_meeting() {
  bootstrap_.emplace(contacts_, options_.address, options_.incarnation, journal_.has_value(), grid_begun(), true);
  former_grid_.emplace(now(), options_.timing);
  meet(now());
}

void ProviderCore::meet(TimeNs time) {
  if (is_meeting() && former_grid_->may_begin(time) && bootstrap_->listens()) {
    bootstrap_->listen(false);
    meet_at_ = time;
  }
  if (!is_meeting()) {
    take_part_as_manager();
    return;
  }
  if (time < meet_at_) return;
  meet_at_ = time + ms_to_ns(kMeetMs);
  asked_.clear();
  for (auto& [address, hello] : bootstrap_->hellos()) outbox_.to_address(address, wire::GroupMessage(std::move(hello)));
}

TimeNs ProviderCore::next_meeting() const {
  if (!is_meeting()) return kNever;
  return bootstrap_->listens() ? std::min(meet_at_, former_grid_->next()) : meet_at_;
}

// The managers agree on who they are: from now on this one keeps its part of the root's log, as long as it has its seat.
void ProviderCore::take_part_as_manager() {
  if (membership_.has_begun() || bootstrap_->stage() != Bootstrap::Stage::kEstablished) return;
  become(bootstrap_->self());
  grid_ = bootstrap_->grid();
  if (!begin_journal()) return;
  StreamConfig config = stream_config({kRootGroup, 1});
  for (NodeId node : first_managers()) config.members.push_back(StreamMember{node, 1});
  config.preferred = 1;
  if (bootstrap_->goes_on()) bootstrap_.reset();  // as one that comes back from its folder: it does not know who met
  begin_replica(config, machine_maker(kRootGroup), journal_ ? Durability::kDisk : Durability::kMemory);
  update_routes();
  membership_.begin(self_, true);
  say(Notice::Severity::kInfo, fmt::format("the managers have met; this is manager {} of {}", self_, contacts_.size()));
}

void ProviderCore::come_back_as_provider() {
  if (bootstrap_->stage() != Bootstrap::Stage::kReplaced || membership_.has_begun()) return;
  membership_.begin(0, false);  // its data folder, if it has one, is a fresh one
  say(Notice::Severity::kWarning,
      "this manager was restarted: its memory of the catalog is gone, so it comes back as an ordinary provider");
}

// ---- is there a grid already? ---------------------------------------------------------------------------------------------

// Whoever has a number may belong to a grid that counts on an earlier life of this manager.
void ProviderCore::ask_for_grid(PeerId peer) {
  const bool listens = options_.timing.listen_ms != 0;
  if (!listens || asked_.size() >= kAskedMax || !asked_.insert(peer).second) return;
  reply(peer, wire::GroupMessage(bootstrap_->question()));
}

void ProviderCore::on_former_grid(std::uint64_t grid, const std::string& provider) {
  if (!bootstrap_->is_other_grid(grid)) return;
  const bool is_news = former_grid_->on_provider(now(), provider);
  bootstrap_->listen(true);
  if (is_news) say(Notice::Severity::kError, former_grid_->problem(now()));
}

// From somebody who has been asked. The managers of its grid may be others than those of its beginning.
void ProviderCore::on_list_while_meeting(const Sender& from, const wire::ManagerList& list) {
  if (from.node == 0 || !bootstrap_->is_other_grid(list.grid)) return;
  if (list.keeps_root) {
    membership_.add_contacts(list.addresses);
    bootstrap_->give_up();
    return come_back_as_provider();
  }
  on_former_grid(list.grid, list.provider);
  for (const std::string& address : list.addresses) {
    if (!std::ranges::binary_search(contacts_, address))
      outbox_.to_address(address, wire::GroupMessage(bootstrap_->question()));
  }
}

// Who belongs to a grid and is none of those who began it, or none any more, says where it is.
void ProviderCore::on_hello(const Sender& from, const wire::ManagerHello& hello) {
  const bool is_ours = !bootstrap_ || (bootstrap_->stage() == Bootstrap::Stage::kReplaced && membership_.joined());
  if (is_ours) {
    if (from.peer == 0 || !hello.answer_wanted || hello.incarnation == 0) return refuse();
    if (root_duties_ && journal_) {
      return reply(from.peer,
                   wire::GroupMessage(Bootstrap::answer_of_stored(hello, options_.address, options_.incarnation, grid_)));
    }
    return reply(from.peer, wire::GroupMessage(manager_list()));
  }
  const auto answer = bootstrap_->on_hello(hello);
  if (answer && from.peer != 0) reply(from.peer, wire::GroupMessage(*answer));
  take_part_as_manager();
  if (bootstrap_) come_back_as_provider();
}

}  // namespace juxmem
