#include "consistency/coherence/directory_record.h"

#include <algorithm>

#include "juxmem/base/mutant.h"

namespace juxmem {

Mode DirectoryRecord::held_by(SessionId session) const {
  const auto holder = holders.find(session);
  return holder == holders.end() ? Mode::kNone : holder->second.mode;
}

bool DirectoryRecord::compatible(SessionId session, Mode mode) const { return in_the_way(session, mode).empty(); }

std::vector<SessionId> DirectoryRecord::in_the_way(SessionId session, Mode mode) const {
  if (mutant("upgrade_beside_readers") && held_by(session) == Mode::kShared) return {};
  std::vector<SessionId> found;
  for (const auto& [other, holder] : holders) {
    if (other == session) continue;
    if (mode == Mode::kExclusive || holder.mode == Mode::kExclusive) found.push_back(other);
  }
  return found;
}

bool DirectoryRecord::enqueue(const DirectoryRequest& request) {
  const auto waiting = std::ranges::find(queue, request.session, &DirectoryRequest::session);
  if (waiting != queue.end()) {
    if (waiting->number >= request.number) return false;
    queue.erase(waiting);
  }
  if (mutant("serve_newest_first")) {
    queue.push_front(request);
  } else {
    queue.push_back(request);
  }
  return true;
}

bool DirectoryRecord::waits(SessionId session) const {
  return std::ranges::find(queue, session, &DirectoryRequest::session) != queue.end();
}

void DirectoryRecord::dequeue(SessionId session) {
  std::erase_if(queue, [&](const DirectoryRequest& request) { return request.session == session; });
}

bool DirectoryRecord::check() const {
  const auto exclusive = std::ranges::count_if(holders, [](const auto& row) { return row.second.mode == Mode::kExclusive; });
  return exclusive == 0 || holders.size() == 1;
}

}  // namespace juxmem
