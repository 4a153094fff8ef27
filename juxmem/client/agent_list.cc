#include "juxmem/client/agent_list.h"

#include <algorithm>
#include <utility>

namespace juxmem {
namespace {

void add_once(std::vector<std::string>& list, const std::string& address) {
  if (!address.empty() && std::find(list.begin(), list.end(), address) == list.end()) list.push_back(address);
}

}  // namespace

AgentList::AgentList(std::vector<std::string> addresses) : given_(std::move(addresses)) { rebuild({}); }

void AgentList::learn(std::string_view site, std::vector<wire::ProviderAddress> providers) {
  site_ = site;
  providers_ = std::move(providers);
  const std::string keep = current();  // the list that holds it is made anew
  rebuild(keep);
}

const std::string& AgentList::current() const {
  static const std::string kNone;
  return order_.empty() ? kNone : order_[at_];
}

void AgentList::next() {
  if (!order_.empty()) at_ = (at_ + 1) % order_.size();
}

void AgentList::rebuild(const std::string& keep) {
  order_.clear();
  for (const std::string& address : given_) add_once(order_, address);
  for (const bool near : {true, false}) {
    for (const wire::ProviderAddress& provider : providers_) {
      if (provider.up && (provider.site == site_) == near) add_once(order_, provider.address);
    }
  }
  for (const wire::ProviderAddress& provider : providers_) add_once(order_, provider.address);
  at_ = 0;
  const auto kept = std::find(order_.begin(), order_.end(), keep);
  if (kept != order_.end()) at_ = static_cast<std::size_t>(kept - order_.begin());
}

}  // namespace juxmem
