#include "consistency/paxos/readers.h"

#include <limits>
#include <utility>

#include "juxmem/base/mutant.h"
#include "juxmem/base/random.h"

namespace juxmem {

// A member that is kept on disk may be asked again by the same coordinator after a restart: late answers to its former life's questions
// must not be taken for answers to these.
Readers::Readers(const StreamConfig& config)
    : config_(config), number_(config.durability == Durability::kDisk ? Random(config.seed).next() >> 16 : 0) {}

void Readers::add(std::uint64_t tag) {
  fresh_.push_back(tag);
  ++count_;
}

void Readers::place_all(Instance index) {
  for (const Question& question : questions_) {
    for (std::uint64_t tag : question.tags) placed_.emplace(index, tag);
  }
  for (std::uint64_t tag : fresh_) placed_.emplace(index, tag);
  questions_.clear();
  fresh_.clear();
}

void Readers::ask(TimeNs now, NodeId coordinator, std::vector<Outgoing>& out) {
  if (coordinator == 0) return;
  const bool again = !questions_.empty() && now >= ask_again_at_;
  if (again) {
    for (Question& question : questions_) fresh_.insert(fresh_.end(), question.tags.begin(), question.tags.end());
    questions_.clear();
  }
  if (fresh_.empty()) return;
  if (questions_.empty()) ask_again_at_ = now + ms_to_ns(config_.timing.retransmit_ms);
  questions_.push_back({++number_, std::move(fresh_)});
  fresh_.clear();
  out.push_back({coordinator, wire::ReadIndex{config_.stream, number_}, Durable::kNothing});
}

void Readers::on_reply(const wire::ReadIndexReply& reply) {
  if (reply.tag > number_) return;
  // An answer to a later question includes all that an earlier one asks for; not the other way round.
  while (!questions_.empty() && (questions_.front().number <= reply.tag || mutant("old_answer_for_new_read"))) {
    for (std::uint64_t tag : questions_.front().tags) placed_.emplace(reply.index, tag);
    questions_.pop_front();
  }
}

void Readers::take_answered(Instance handed_out, std::vector<AnsweredRead>& out) {
  while (!placed_.empty() && placed_.begin()->first <= handed_out) {
    out.push_back({placed_.begin()->second, placed_.begin()->first});
    placed_.erase(placed_.begin());
    --count_;
  }
}

std::vector<std::uint64_t> Readers::take_unplaced() {
  std::vector<std::uint64_t> tags;
  for (const Question& question : questions_) tags.insert(tags.end(), question.tags.begin(), question.tags.end());
  tags.insert(tags.end(), fresh_.begin(), fresh_.end());
  questions_.clear();
  fresh_.clear();
  count_ -= tags.size();
  return tags;
}

TimeNs Readers::next_wakeup() const { return questions_.empty() ? std::numeric_limits<TimeNs>::max() : ask_again_at_; }

}  // namespace juxmem
