// Which table or struct of wire.fbs belongs to which plain struct. Included by the codec's own files only.
#pragma once

#include <cstddef>
#include <type_traits>
#include <variant>
#include <vector>

#include "juxmem/wire/message.h"
#include "juxmem/wire/snapshot_piece.h"
#include "wire_generated.h"

namespace juxmem::wire::codec {

// Made to fail where a plain struct has no counterpart in the list below.
template <typename T>
struct SchemaOf {};

#define JUXMEM_WIRE_TYPES(X)                                                                                               \
  X(Ballot)                                                                                                                \
  X(StreamId)                                                                                                              \
  X(OpId) X(Grant) X(Shape) X(Range) X(Entry) X(PreVote) X(PreVoteReply) X(Prepare) X(Promise) X(Accept) X(Accepted) X(    \
      Heartbeat) X(Nack) X(Transfer) X(ReadIndex) X(ReadIndexReply) X(Ended) X(MemberAccepted) X(SiteAccepted)             \
      X(OpenSession) X(ExpireSession) X(Allocate) X(Free) X(Publish) X(Stage) X(Install) X(Unstage) X(ShrinkQuota) X(      \
          CloseReservations) X(SettleQuota) X(DrainProvider) X(MoveGroup) X(GroupMoved) X(JoinProvider) X(LeaveProvider)   \
          X(ProviderState) X(CreateGroup) X(Reserve) X(Unreserve) X(PublishName) X(UnpublishName) X(Action) X(Command)     \
              X(Reply) X(Propose) X(Executed) X(Redirect) X(Outcome) X(RenewSession) X(SessionRenewed) X(RequestOwnership) \
                  X(Granted) X(Recall) X(Yield) X(Reregister) X(Holding) X(HoldingsReply) X(ReadPages) X(PagesReply)       \
                      X(ReadBlock) X(BlockFacts) X(WatchBlock) X(BlockChanged) X(ManagerHello) X(Join) X(Joined) X(Report) \
                          X(WatchCatalog) X(CatalogProvider) X(CatalogGroup) X(CatalogSnapshot) X(ReadNames) X(NameRow)    \
                              X(NamesReply) X(ReadCatalogVersion) X(CatalogVersion) X(ReportGroup) X(DrainRequest)         \
                                  X(AdminReply) X(GroupMemberStatus) X(GroupStatus) X(ProviderStatus) X(StatusRequest)     \
                                      X(StatusReply) X(ClientHello) X(ProviderAddress) X(ClientWelcome) X(ClientBeat)      \
                                          X(AgentBeat) X(ClientGoodbye) X(MallocRequest) X(FreeRequest) X(StatRequest)     \
                                              X(AcquireRequest) X(SectionPagesRequest) X(ReleaseRequest) X(ReadRequest)    \
                                                  X(WriteRequest) X(OutcomeRequest) X(WaitRequest) X(NameRequest)          \
                                                      X(LookupRequest) X(CancelRequest) X(ClientRequestBody)               \
                                                          X(ClientRequest) X(OperationNumber) X(ClientAnswer) X(SlotRow)   \
                                                              X(SessionRow) X(BlocksHead) X(BlockRow) X(PagesRow)          \
                                                                  X(StagedRow) X(CatalogHead) X(SnapshotPiece)             \
                                                                      X(ReadSnapshot) X(SnapshotReply) X(CatchUpStatus)    \
                                                                          X(LedgerRow) X(ReadLog) X(LogReply)              \
                                                                              X(ManagerList) X(MoveRequest)

#define JUXMEM_WIRE_SCHEMA_OF(Name) \
  template <>                       \
  struct SchemaOf<Name> {           \
    using type = juxmem::fbs::Name; \
  };
JUXMEM_WIRE_TYPES(JUXMEM_WIRE_SCHEMA_OF)
#undef JUXMEM_WIRE_SCHEMA_OF
#undef JUXMEM_WIRE_TYPES

template <typename T>
using Schema = typename SchemaOf<T>::type;

template <typename T>
concept HasSchema = requires { typename SchemaOf<T>::type; };

// Fixed layout, stored in place.
template <typename T>
concept IsFixed = HasSchema<T> && !requires { Schema<T>::Traits::Create; };

template <typename T>
concept IsVariant = requires { typename T::variant; };

// A variant is a table with one union; each alternative has its number there.
template <typename Any, typename T>
constexpr Any number_in_union() {
  if constexpr (std::is_same_v<Any, juxmem::fbs::AnyMessage>) {
    return juxmem::fbs::AnyMessageTraits<Schema<T>>::enum_value;
  } else if constexpr (std::is_same_v<Any, juxmem::fbs::AnyAction>) {
    return juxmem::fbs::AnyActionTraits<Schema<T>>::enum_value;
  } else {
    return juxmem::fbs::AnyRequestTraits<Schema<T>>::enum_value;
  }
}

template <typename T>
using UnionOf = std::conditional_t<
    std::is_same_v<T, Action>, juxmem::fbs::AnyAction,
    std::conditional_t<std::is_same_v<T, ClientRequestBody>, juxmem::fbs::AnyRequest, juxmem::fbs::AnyMessage>>;

template <typename T>
constexpr std::size_t kFields = Schema<T>::Traits::fields_number;

// Calls f(member...) with all members of a plain struct, in order. A struct with another number of members than its
// counterpart in the schema does not compile.
template <std::size_t N, typename T, typename F>
decltype(auto) with_members(T& value, F&& f) {
  // One line per number of members: a structured binding cannot have a computed number of names.
  if constexpr (N == 1) {
    auto& [a] = value;
    return f(a);
  } else if constexpr (N == 2) {
    auto& [a, b] = value;
    return f(a, b);
  } else if constexpr (N == 3) {
    auto& [a, b, c] = value;
    return f(a, b, c);
  } else if constexpr (N == 4) {
    auto& [a, b, c, d] = value;
    return f(a, b, c, d);
  } else if constexpr (N == 5) {
    auto& [a, b, c, d, e] = value;
    return f(a, b, c, d, e);
  } else if constexpr (N == 6) {
    auto& [a, b, c, d, e, g] = value;
    return f(a, b, c, d, e, g);
  } else if constexpr (N == 7) {
    auto& [a, b, c, d, e, g, h] = value;
    return f(a, b, c, d, e, g, h);
  } else if constexpr (N == 8) {
    auto& [a, b, c, d, e, g, h, i] = value;
    return f(a, b, c, d, e, g, h, i);
  } else if constexpr (N == 9) {
    auto& [a, b, c, d, e, g, h, i, j] = value;
    return f(a, b, c, d, e, g, h, i, j);
  } else if constexpr (N == 10) {
    auto& [a, b, c, d, e, g, h, i, j, k] = value;
    return f(a, b, c, d, e, g, h, i, j, k);
  } else if constexpr (N == 11) {
    auto& [a, b, c, d, e, g, h, i, j, k, l] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l);
  } else if constexpr (N == 12) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m);
  } else if constexpr (N == 13) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n);
  } else if constexpr (N == 14) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o);
  } else if constexpr (N == 15) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p);
  } else if constexpr (N == 16) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q);
  } else if constexpr (N == 17) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r);
  } else if constexpr (N == 18) {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s);
  } else {
    static_assert(N == 19, "add a line for this number of members");
    auto& [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = value;
    return f(a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
  }
}

}  // namespace juxmem::wire::codec
