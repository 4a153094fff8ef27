// AgentList: whom a client may talk to, and who is next.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "juxmem/wire/client_messages.h"

namespace juxmem {

// What for: the addresses given at the start and all providers learned since, in the order in which to try them: the given
//   ones first, then those of the site of the last agent, then the others; providers that are said to be down come last.
// Thread safety: none.
// Invariants: an address appears once; what is learned never changes current().
// Ownership: owns its strings.
// Failure: none.
class AgentList {
 public:
  explicit AgentList(std::vector<std::string> addresses);

  // Replaces what was learned by what an agent of `site` says.
  void learn(std::string_view site, std::vector<wire::ProviderAddress> providers);
  // The address in use; empty if there is none at all.
  const std::string& current() const;
  // Turns to the next address, after the last one to the first.
  void next();
  std::size_t size() const { return order_.size(); }
  const std::vector<wire::ProviderAddress>& providers() const { return providers_; }

 private:
  void rebuild(const std::string& keep);

  std::vector<std::string> given_;
  std::vector<wire::ProviderAddress> providers_;
  std::string site_;
  std::vector<std::string> order_;
  std::size_t at_ = 0;
};

}  // namespace juxmem
