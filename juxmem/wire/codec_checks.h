// What decoded values must satisfy beyond their types: the limits of limits.h, lists that belong together.
#pragma once

#include "juxmem/wire/message.h"
#include "juxmem/wire/snapshot_piece.h"

namespace juxmem::wire::codec {

// Each answers nullptr, or what is wrong. Requests of clients that only ask for too much are not refused here: their agent
// answers them with an error that a person understands.
const char* check(const StreamId& stream);
const char* check(const OpId& op);
const char* check(const Range& range);
const char* check(const Entry& entry);

const char* check(const Allocate& allocate);
const char* check(const PublishName& publish);
const char* check(const UnpublishName& unpublish);

const char* check(const DrainRequest& drain);
const char* check(const MoveRequest& move);
const char* check(const ManagerList& list);
const char* check(const Propose& propose);
const char* check(const PagesReply& reply);
const char* check(const BlockFacts& facts);
const char* check(const WatchBlock& watch);
const char* check(const ReadNames& read);
const char* check(const NameRow& row);
const char* check(const NamesReply& reply);

const char* check(const SnapshotReply& reply);
const char* check(const SlotRow& row);
const char* check(const SessionRow& row);
const char* check(const BlockRow& row);
const char* check(const PagesRow& row);
const char* check(const LedgerRow& row);
const char* check(const CatalogGroup& group);
const char* check(const StagedRow& row);

const char* check(const MallocRequest& request);
const char* check(const ReleaseRequest& request);
const char* check(const NameRequest& request);
const char* check(const LookupRequest& request);
const char* check(const ClientRequest& request);
const char* check(const ClientAnswer& answer);

}  // namespace juxmem::wire::codec
