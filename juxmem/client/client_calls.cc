// The client core's other calls: blocks, one-shot sections, names.
#include <utility>

#include "juxmem/client/client_core.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {

void ClientCore::connect(std::int64_t limit_ms, Completion<void> done) {
  if (refuse_after_stop(done)) return;
  if (welcomed_) {
    done({});
    return;
  }
  connects_.emplace_back(deadline_after(limit_ms), std::move(done));
}

void ClientCore::allocate(const AllocateSpec& spec, std::int64_t limit_ms, Completion<BlockId> done) {
  if (refuse_after_stop(done)) return;
  wire::MallocRequest request;
  request.size_bytes = spec.size_bytes;
  request.shape = spec.shape;
  request.durability = spec.durability;
  request.token = next_token_++;
  request.meta = spec.meta;
  ask(std::move(request), deadline_after(limit_ms), AtLoss::kAskAgain, [done = std::move(done)](Answer answer) mutable {
    if (!answer) {
      done(std::unexpected(answer.error()));
    } else {
      done(answer->block);
    }
  });
}

void ClientCore::free(BlockId block, std::int64_t limit_ms, Completion<void> done) {
  if (refuse_after_stop(done)) return;
  const std::uint64_t term = term_;
  ask(wire::FreeRequest{.block = block}, deadline_after(limit_ms), AtLoss::kAskAgain,
      [this, term, done = std::move(done)](Answer answer) mutable {
        // Asked through two agents, the first of which may have done it.
        if (!answer && answer.error().code == Code::kNotFound && term != term_) {
          done({});
          return;
        }
        done(without_value(answer));
      });
}

void ClientCore::stat(BlockId block, std::int64_t limit_ms, Completion<BlockStat> done) {
  if (refuse_after_stop(done)) return;
  ask(wire::StatRequest{.block = block}, deadline_after(limit_ms), AtLoss::kAskAgain,
      [done = std::move(done)](Answer answer) mutable {
        if (!answer) {
          done(std::unexpected(answer.error()));
          return;
        }
        done(BlockStat{.size_bytes = answer->size_bytes,
                       .version = answer->version,
                       .shape = answer->shape,
                       .durability = answer->durability,
                       .meta = std::move(answer->meta)});
      });
}

void ClientCore::read(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, PageSink* sink, std::int64_t limit_ms,
                      Completion<Version> done) {
  if (refuse_after_stop(done)) return;
  const TimeNs deadline = deadline_after(limit_ms);
  if (size_bytes > wire::kReplyBytesMax) {
    read_in_section(block, offset, size_bytes, sink, deadline, std::move(done));
    return;
  }
  ask(wire::ReadRequest{.block = block, .offset = offset, .size_bytes = size_bytes}, deadline, AtLoss::kAskAgain,
      [this, block, offset, size_bytes, sink, deadline, done = std::move(done)](Answer answer) mutable {
        if (!answer) {
          done(std::unexpected(answer.error()));
          return;
        }
        if (answer->covered_bytes < size_bytes) {  // it did not fit into one answer
          read_in_section(block, offset, size_bytes, sink, deadline, std::move(done));
          return;
        }
        put_ranges(sink, *answer);
        done(answer->version);
      });
}

void ClientCore::read_in_section(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, PageSink* sink,
                                 TimeNs deadline, Completion<Version> done) {
  AcquireSpec spec{.block = block, .mode = Mode::kShared, .try_only = false, .wants = {}};
  spec.wants.push_back({.offset = offset, .size_bytes = size_bytes, .have = 0, .sink = sink});
  acquire(std::move(spec), limit_until(deadline), [this, done = std::move(done)](Result<Acquired> acquired) mutable {
    if (!acquired) {
      done(std::unexpected(acquired.error()));
      return;
    }
    abandon(acquired->section);
    done(acquired->version);
  });
}

void ClientCore::write(BlockId block, std::uint64_t offset, Buffer data, std::int64_t limit_ms, Completion<Version> done) {
  if (refuse_after_stop(done)) return;
  const TimeNs deadline = deadline_after(limit_ms);
  if (data.size() > wire::kEntryBytesMax) {
    write_in_section(block, offset, std::move(data), deadline, std::move(done));
    return;
  }
  auto call = std::make_shared<WriteCall>();
  call->block = block;
  call->offset = offset;
  call->data = std::move(data);
  call->deadline = deadline;
  call->done = std::move(done);
  ask_write(call);
}

void ClientCore::ask_write(const std::shared_ptr<WriteCall>& call) {
  // For this write alone, whatever becomes of it: of another one nobody could be told the outcome.
  const auto known = next_writes_.extract(group_of(call->block));
  call->op = known ? known.mapped() : OpId{};
  call->term = term_;
  const std::uint64_t number =
      ask(wire::WriteRequest{.block = call->block, .offset = call->offset, .data = call->data, .op = call->op},
          call->deadline, AtLoss::kFail, [this, call](const Answer& answer) { on_written(call, answer); });
  requests_.at(number).on_operation = [this, call](const OpId& op) {
    call->op = op;
    call->term = term_;
  };
}

// An operation whose outcome is kOwnerDead has not happened and never will: the write begins anew.
void ClientCore::on_written(const std::shared_ptr<WriteCall>& call, const Answer& answer) {
  if (answer) {
    if (answer->op.counter != 0) next_writes_[group_of(call->block)] = answer->op;
    return call->done(answer->version);
  }
  if (answer.error().code != Code::kOwnerDead || stopped_) return call->done(std::unexpected(answer.error()));
  if (call->op.counter == 0) {
    return call->done(
        fail(Code::kTryAgain, "the provider was lost during the write, which happened entirely or not at all"));
  }
  if (call->term == term_) return ask_write(call);
  ++stats_.releases_resolved;
  ask(wire::OutcomeRequest{.block = call->block, .op = call->op}, call->deadline, AtLoss::kAskAgain,
      [this, call](Answer outcome) {
        if (!outcome && outcome.error().code == Code::kOwnerDead && !stopped_) return ask_write(call);
        if (outcome) return call->done(outcome->version);
        call->done(std::unexpected(std::move(outcome.error())));
      });
}

void ClientCore::write_in_section(BlockId block, std::uint64_t offset, Buffer data, TimeNs deadline,
                                  Completion<Version> done) {
  AcquireSpec spec{.block = block, .mode = Mode::kExclusive, .try_only = false, .wants = {}};
  acquire(std::move(spec), limit_until(deadline),
          [this, offset, data = std::move(data), deadline, done = std::move(done)](Result<Acquired> acquired) mutable {
            if (!acquired) {
              done(std::unexpected(acquired.error()));
              return;
            }
            if (offset > acquired->size_bytes || data.size() > acquired->size_bytes - offset) {
              abandon(acquired->section);
              done(fail(Code::kOutOfRange));
              return;
            }
            std::vector<Change> changes;
            changes.push_back({.offset = offset, .data = std::move(data)});
            release(acquired->section, std::move(changes), limit_until(deadline), std::move(done));
          });
}

void ClientCore::wait(BlockId block, Version than, std::int64_t limit_ms, Completion<Version> done) {
  if (refuse_after_stop(done)) return;
  ask(wire::WaitRequest{.block = block, .than = than}, deadline_after(limit_ms), AtLoss::kAskAgain,
      [done = std::move(done)](Answer answer) mutable {
        if (!answer) {
          done(std::unexpected(answer.error()));
        } else {
          done(answer->version);
        }
      });
}

void ClientCore::publish(std::string_view name, BlockId block, std::int64_t limit_ms, Completion<void> done) {
  if (refuse_after_stop(done)) return;
  const TimeNs deadline = deadline_after(limit_ms);
  ask(wire::NameRequest{.name = std::string(name), .block = block}, deadline, AtLoss::kAskAgain,
      [this, name = std::string(name), block, deadline, done = std::move(done)](Answer answer) mutable {
        if (answer || answer.error().code != Code::kNameTaken) {
          done(without_value(answer));
          return;
        }
        // Perhaps by this very call through an agent that died.
        lookup(name, limit_until(deadline),
               [block, refusal = answer.error(), done = std::move(done)](Result<BlockId> found) mutable {
                 if (found && *found == block) {
                   done({});
                 } else {
                   done(std::unexpected(std::move(refusal)));
                 }
               });
      });
}

void ClientCore::unpublish(std::string_view name, std::int64_t limit_ms, Completion<void> done) {
  if (refuse_after_stop(done)) return;
  const std::uint64_t term = term_;
  ask(wire::NameRequest{.name = std::string(name), .block = 0}, deadline_after(limit_ms), AtLoss::kAskAgain,
      [this, term, done = std::move(done)](Answer answer) mutable {
        if (!answer && answer.error().code == Code::kNoSuchName && term != term_) {
          done({});  // as in free()
          return;
        }
        done(without_value(answer));
      });
}

void ClientCore::lookup(std::string_view name, std::int64_t limit_ms, Completion<BlockId> done) {
  if (refuse_after_stop(done)) return;
  wire::LookupRequest request;
  request.name = name;
  request.limit = 1;
  ask(std::move(request), deadline_after(limit_ms), AtLoss::kAskAgain, [done = std::move(done)](Answer answer) mutable {
    if (!answer) {
      done(std::unexpected(answer.error()));
    } else {
      done(answer->block);
    }
  });
}

void ClientCore::list(std::string_view prefix, std::string_view after, std::uint32_t limit, std::int64_t limit_ms,
                      Completion<NameList> done) {
  if (refuse_after_stop(done)) return;
  wire::LookupRequest request;
  request.name = prefix;
  request.list = true;
  request.after = after;
  request.limit = std::min(limit, wire::kNamesPerReplyMax);
  ask(std::move(request), deadline_after(limit_ms), AtLoss::kAskAgain, [done = std::move(done)](Answer answer) mutable {
    if (!answer) {
      done(std::unexpected(answer.error()));
      return;
    }
    if (answer->names.size() != answer->blocks.size()) {
      done(fail(Code::kProtocol, "a list of names without their blocks"));
      return;
    }
    done(NameList{.names = std::move(answer->names), .blocks = std::move(answer->blocks), .more = answer->more});
  });
}

}  // namespace juxmem
