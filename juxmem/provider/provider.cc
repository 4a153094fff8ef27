#include "juxmem/provider/provider.h"

#include <algorithm>
#include <utility>

#include "juxmem/provider/provider_core.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

Status ProviderOptions::check() const {
  if (name.empty() || name.size() > wire::kNameBytesMax) return fail(Code::kInvalid, "a provider needs a name");
  if (site.empty() || site.size() > wire::kNameBytesMax) return fail(Code::kInvalid, "a provider needs a site");
  if (address.empty() || address.size() > wire::kNameBytesMax) return fail(Code::kInvalid, "a provider needs an address");
  if (incarnation == 0) return fail(Code::kInvalid, "a provider needs an incarnation");
  if (capacity_bytes < kPageBytes) return fail(Code::kInvalid, "a provider offers at least one page of memory");
  if (managers.empty()) return fail(Code::kInvalid, "no manager was named");
  if (manager && std::find(managers.begin(), managers.end(), address) == managers.end()) {
    return fail(Code::kInvalid, "the address of this manager, " + address + ", is not in the list of all managers");
  }
  return timing.check();
}

Provider::Provider(Env& env, ProviderOptions options) : core_(std::make_unique<ProviderCore>(env, std::move(options))) {}
Provider::~Provider() = default;

void Provider::start() {
  core_->start();
  core_->end_turn();
}

void Provider::stop() {
  core_->stop();
  core_->end_turn();
}

bool Provider::stopped() const { return core_->stopped(); }
bool Provider::ready() const { return core_->ready(); }
std::string Provider::waiting_for() const { return core_->waiting_for(); }
std::optional<Error> Provider::failure() const { return core_->failure(); }

void Provider::on_packet(PeerId from, wire::Packet packet) { core_->on_packet(from, std::move(packet)); }
void Provider::on_timer() { core_->on_timer(); }
void Provider::end_turn() { core_->end_turn(); }

NodeId Provider::self() const { return core_->self(); }
const CatalogView& Provider::catalog() const { return core_->catalog(); }
std::vector<GroupId> Provider::groups() const { return core_->groups(); }
const Replica* Provider::replica(GroupId group) const { return core_->find_replica(group); }
const Learner* Provider::learner(GroupId group) const { return core_->find_learner(group); }
const Agent* Provider::agent() const { return core_->agent(); }
ProviderStats Provider::stats() const { return core_->stats(); }

}  // namespace juxmem
