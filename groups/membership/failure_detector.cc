#include "groups/membership/failure_detector.h"

#include <algorithm>

namespace juxmem {

FailureDetector::FailureDetector(const Timing& timing)
    : dead_ns_(ms_to_ns(timing.provider_dead_ms)), repeat_ns_(ms_to_ns(timing.report_ms) * 4) {}

void FailureDetector::start() { watched_.clear(); }

FailureDetector::Watched& FailureDetector::watch(TimeNs now, const wire::CatalogProvider& provider) {
  const Watched fresh{.incarnation = provider.incarnation, .progressed_at = now};
  Watched& state = watched_.try_emplace(provider.node, fresh).first->second;
  if (state.incarnation != provider.incarnation) state = fresh;
  return state;
}

bool FailureDetector::on_report(TimeNs now, const std::map<NodeId, wire::CatalogProvider>& providers,
                                const wire::Report& report) {
  const auto provider = providers.find(report.node);
  if (provider == providers.end() || provider->second.incarnation != report.incarnation) return false;
  Watched& state = watch(now, provider->second);
  // The first report only tells where progress stands; the next ones show whether it moves. Reordered ones show nothing.
  const bool moved = state.reported && report.progress > state.progress;
  if (moved) {
    state.progressed_at = now;
    state.moving = true;
  }
  state.progress = std::max(state.progress, report.progress);
  state.used_bytes = report.used_bytes;
  state.reported = true;
  return true;
}

std::vector<wire::ProviderState> FailureDetector::tick(TimeNs now,
                                                       const std::map<NodeId, wire::CatalogProvider>& providers) {
  std::erase_if(watched_, [&](const auto& entry) { return !providers.contains(entry.first); });
  std::vector<wire::ProviderState> proposals;
  for (const auto& [node, provider] : providers) {
    Watched& state = watch(now, provider);
    const bool silent = now - state.progressed_at >= dead_ns_;
    const bool change_wanted = provider.up ? silent : state.moving && !silent;
    if (!change_wanted) {
      state.proposed_at = 0;
      continue;
    }
    if (state.proposed_at != 0 && now - state.proposed_at < repeat_ns_) continue;
    state.proposed_at = now;
    proposals.push_back({.node = node, .up = !provider.up});
  }
  return proposals;
}

std::vector<NodeId> FailureDetector::silent(TimeNs now, TimeNs for_ns) const {
  std::vector<NodeId> nodes;
  for (const auto& [node, watched] : watched_) {
    if (now - watched.progressed_at >= for_ns) nodes.push_back(node);
  }
  return nodes;
}

std::uint64_t FailureDetector::used_bytes(NodeId node) const {
  const auto found = watched_.find(node);
  return found == watched_.end() ? 0 : found->second.used_bytes;
}

}  // namespace juxmem
