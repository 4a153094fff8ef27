// BlockMachine: the state machine of a group that holds blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/snapshot_map.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/state_machine.h"
#include "juxmem/storage/page_arena.h"
#include "juxmem/storage/page_snapshots.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: the digest of a large section that travels in parts: the agent adds each part as it stages it and puts the
//   sum into Install; replicas compute their own from what they staged.
// Thread safety: none. Ownership: a value. Failure: none.
class SectionDigest {
 public:
  // Of one part; `data` are the bytes of its ranges.
  static std::uint64_t of_part(std::span<const wire::Range> ranges, const Buffer& data);
  // Parts in order, from 0.
  void add_part(std::uint64_t part_digest);
  std::uint64_t value() const;  // never 0

 private:
  std::uint64_t digest_ = 0;
};

struct BlockLimits {
  std::uint64_t staged_bytes_max = 4ULL << 30;  // of all unfinished sections of one session
  std::uint32_t staged_parts_max = 65536;       // of all unfinished sections of one session
};

struct BlockInfo {
  std::uint64_t size_bytes = 0;
  Version version = 0;  // 0: never published
  Grant fence;          // the highest grant that has published
  Buffer meta;
};

// What for: allocates, publishes, stages, installs and frees the blocks of one group (PROTOCOLS sections 3.5, 4 and 5).
// Thread safety: none; the provider's event loop.
// Invariants (beside those of StateMachine): B1 a section is visible whole or not at all. B2 a publish is executed only if its
//   grant is not lower than the highest that has published to the block. B3 slots are never used twice. B4 used <= quota.
//   B5 a page's version is the instance that last changed it, and never higher than its block's.
// Ownership: borrows the arena, which outlives it and may serve other groups; gives its extents back when destroyed.
// Failure: refusals are replies that change nothing, except that Allocate's added quota stays, since the root has reserved
//   it (unless the reservation is closed), and that an operation's staged parts are gone once it has been executed, whatever the reply. An arena that cannot hold what the quota allows would make this replica differ from
//   the others: a broken invariant, so the process ends.
class BlockMachine final : public StateMachine {
 public:
  BlockMachine(GroupId group, PageArena& arena, const BlockLimits& limits = {});
  ~BlockMachine() override;

  std::optional<BlockInfo> find(BlockId block) const;

  // The pages of the range asked that are newer than asked, copied: at most `bytes_max` bytes but at least one page. Does
  // not look at `at_least`: the caller compares it with applied() first.
  wire::PagesReply read_pages(const wire::ReadPages& request, std::uint64_t bytes_max) const;
  wire::BlockFacts facts(const wire::ReadBlock& request) const;

  std::uint64_t block_count() const { return blocks_.size(); }
  std::uint64_t used_bytes() const { return used_bytes_; }
  std::uint64_t quota_bytes() const { return quota_bytes_; }
  std::uint64_t staged_bytes() const;

 protected:
  wire::Reply execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                      Applied& applied) override;
  bool is_idempotent(const wire::Action& action) const override;
  bool is_preparation(const wire::Action& action) const override;
  void on_session_expired(SessionId session) override;
  std::uint64_t state_digest() const override;

  // Snapshots: block_machine_snapshot.cc.
  void open_state(SnapshotNumber number) override;
  void close_state(SnapshotNumber number) override;
  bool holds_state(SnapshotNumber number) const override;
  void read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const override;
  bool read_state(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const override;
  std::uint32_t percent_read(SnapshotNumber number, const wire::SnapshotCursor& cursor) const override;
  bool keeps_too_much(std::uint64_t session_bytes) const override;
  bool takes_changes() const override { return true; }
  void begin_state_changes() override;
  Status restore_state(const wire::SnapshotPiece& piece) override;
  Status check_restored() const override;

 private:
  struct Block {
    std::uint64_t size_bytes = 0;
    Version version = 0;
    Grant fence;
    Buffer meta;
    std::uint64_t owner = 0;  // of the allocation, with
    std::uint64_t token = 0;
    Extent extent;
    SnapshotNumber born = 0;           // snapshots up to this one do not have it
    std::uint64_t content_digest = 0;  // chained over its publishes
    std::uint64_t digest = 0;          // what the block contributes to the state's
    std::uint64_t cost_bytes() const { return sizeof(Block) + meta.size(); }
  };
  struct StagedPart {
    std::vector<wire::Range> ranges;
    Buffer data;  // shares the log's bytes
    std::uint64_t digest = 0;
  };
  // One section on its way: at least one part.
  struct Section {
    std::uint64_t counter = 0;  // of the operation that will install it
    BlockId block = 0;
    std::map<std::uint32_t, std::shared_ptr<const StagedPart>> parts;
    std::uint64_t bytes = 0;
    std::uint64_t cost_bytes() const { return sizeof(Section) + bytes + parts.size() * sizeof(StagedPart); }
  };
  using SectionKey = std::pair<SessionId, std::uint32_t>;  // and slot
  // Of all sections of one session.
  struct Staging {
    std::uint64_t bytes = 0;
    std::uint64_t parts = 0;
  };
  // What a snapshot has beside rows and pages.
  struct Head {
    std::uint64_t next_slot = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t quota_bytes = 0;
    std::uint64_t reservations_from = 0;
  };

  wire::Reply allocate(const wire::Allocate& command);
  wire::Reply free(const wire::Free& command, Applied& applied);
  wire::Reply publish(Instance instance, const wire::Publish& command, const Buffer& data, Applied& applied);
  wire::Reply stage(Instance instance, const OpId& op, const wire::Stage& command, const Buffer& data);
  wire::Reply install(Instance instance, const OpId& op, const wire::Install& command, Applied& applied);
  wire::Reply unstage() const;
  wire::Reply shrink_quota(Instance instance, const wire::ShrinkQuota& command);
  wire::Reply close_reservations(Instance instance, const wire::CloseReservations& command);

  const Block* block_of(BlockId block) const;
  // To be changed; it exists.
  Block& changed_block(BlockId block);
  void write(Block& block, Instance instance, std::span<const wire::Range> ranges, const Buffer& data);
  // The block's new version is complete.
  void seal(BlockId id, Block& block, Instance instance, const Grant& grant, std::uint64_t section_digest);
  void redigest(BlockId id, Block& block);
  const Section* section_of(const OpId& op) const;
  void add_staged(const OpId& op, BlockId block, std::uint32_t number, StagedPart part);
  // What the slot has staged for operations up to this one.
  void drop_section(const OpId& op);

  bool read_blocks(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  bool read_pages_of(SnapshotNumber number, const Block& block, wire::SnapshotCursor& cursor,
                     wire::SnapshotFiller& filler) const;
  bool read_staged(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  static bool read_part(const Section& section, const StagedPart& part, wire::SnapshotCursor& cursor,
                        wire::SnapshotFiller& filler);
  Status restore_block(const wire::BlockRow& row, Instance at);
  Result<Extent> extent_for(std::uint64_t slot, std::uint64_t pages);
  void free_former_before(std::uint64_t slot);
  Status restore_pages(const wire::PagesRow& row);
  Status restore_staged(const wire::StagedRow& row);

  GroupId group_ = 0;
  PageArena& arena_;
  BlockLimits limits_;
  std::uint64_t next_slot_ = 1;
  PageSnapshots pages_;
  std::map<SnapshotNumber, Head> heads_;       // of open snapshots
  std::optional<wire::StagedRow> unfinished_;  // while a snapshot is restored: a part that comes in pieces,
  std::uint64_t restored_used_bytes_ = 0;      // and how much the blocks must be in the end,
  std::map<std::uint64_t, Extent> former_;     // and blocks that were there, by slot, with their pages
  SnapshotMap<std::uint64_t, Block> blocks_;   // by slot
  std::map<std::pair<std::uint64_t, std::uint64_t>, BlockId> by_token_;  // (owner, token) of blocks that have one
  SnapshotMap<SectionKey, Section> sections_;
  std::map<SessionId, Staging> staging_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t quota_bytes_ = 0;
  std::uint64_t reservations_from_ = 0;  // reservations with lower numbers add nothing any more
  std::uint64_t blocks_digest_ = 0;      // sum over blocks
  std::uint64_t staged_digest_ = 0;      // sum over staged parts
};

}  // namespace juxmem
