// Status duties: what a provider tells people about the grid.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "groups/catalog_view.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// Where an answer goes: to a connection, or to a provider.
struct ReturnPath {
  PeerId peer = 0;
  NodeId node = 0;  // used if `peer` is 0
};

// What for: answers for one provider, or asks all of them and puts their answers together.
// Thread safety: none; the provider's event loop.
// Invariants: every request is answered once, at the latest after a fixed time; of each group the best informed report is told:
//   its coordinator's, else the one that knows most decisions.
// Ownership: borrows the outbox. Failure: providers that do not answer in time are left out.
class StatusDuties {
 public:
  explicit StatusDuties(Outbox& outbox) : outbox_(outbox) {}

  // `own`: this provider's own answer.
  void on_request(TimeNs now, const ReturnPath& from, const wire::StatusRequest& request, const CatalogView& catalog,
                  wire::StatusReply own);
  void on_reply(NodeId from, const wire::StatusReply& reply);

  void tick(TimeNs now);
  TimeNs next_tick() const;

 private:
  struct Gathering {
    ReturnPath from;
    std::uint64_t tag = 0;  // the asker's
    TimeNs until = 0;
    std::set<NodeId> missing;
    wire::StatusReply reply;
  };

  void send(const ReturnPath& to, wire::StatusReply reply);
  void finish(std::uint64_t tag);
  static void take_in(wire::StatusReply& into, const wire::StatusReply& reply);

  Outbox& outbox_;
  std::uint64_t last_tag_ = 0;
  std::map<std::uint64_t, Gathering> gatherings_;  // by own tag
};

}  // namespace juxmem
