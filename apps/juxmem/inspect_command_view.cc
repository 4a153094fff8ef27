#include "apps/juxmem/inspect_command_view.h"

#include <fmt/format.h>

#include "apps/juxmem/text_table.h"
#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/format.h"

namespace juxmem {
namespace {

using nlohmann::json;

std::string lost_text(const LsnRange& range) {
  if (range.last == wal::kLsnOpenEnd) return fmt::format("from {} on", range.first);
  return range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{} to {}", range.first, range.last);
}

std::string trust_text(const StreamTrust& trust) {
  if (trust.whole()) return "whole";
  return fmt::format("{} {}", trust.certain ? "LOST" : "PERHAPS LOST", lost_text(*trust.lost));
}

std::string place_text(const LogFault& fault) {
  if (fault.segment == 0) return "";
  return fmt::format(" in {} at {}", wal::segment_name(fault.segment), fault.offset);
}

std::string log_text(const InspectedLog& log) {
  std::uint64_t bytes = 0;
  for (const auto& [number, size] : log.segments) bytes += size;
  std::string text = fmt::format("log of {}\n{} segments ({} of them empty), {}; {} records, the next one is {}\n\n",
                                 to_string(log.report.identity), log.segments.size(), log.prepared, size_text(bytes),
                                 log.report.records, log.next_lsn);
  TextTable table({"STREAM", "RECORDS ", "FIRST ", "LAST ", "PROMISED", "ACCEPTED ", "DECIDED ", "CHECKPOINT ", "STATE"});
  for (const StreamTrust& trust : log.report.streams) {
    const auto found = log.streams.find(trust.stream);
    const StreamFacts facts = found == log.streams.end() ? StreamFacts{} : found->second;
    table.add({to_string(trust.stream), std::to_string(facts.records), std::to_string(trust.first),
               std::to_string(trust.last), to_string(facts.promised), std::to_string(facts.accepted),
               std::to_string(facts.decided), std::to_string(facts.checkpoint), trust_text(trust)});
  }
  text += table.text();
  for (const LogFault& fault : log.report.faults) {
    text += fmt::format("\n{}{}{}: {}", fault.kind == LogFaultKind::kTornTail ? "note: " : "FAULT: ", to_string(fault.kind),
                        place_text(fault), fault.detail);
  }
  for (const LsnRange& range : log.report.lost) text += fmt::format("\nLOST: records {}", lost_text(range));
  if (!log.report.complete()) {
    text += "\nStreams that are not listed may have had records here, too. The node repairs what it can from its peers.";
  }
  return text + "\n";
}

const char* state_of(const wal::FoundBatch& batch) {
  if (batch.whole()) return "whole";
  return batch.torn() ? "torn" : "DAMAGED";
}

std::string segment_text(const InspectedSegment& segment) {
  std::string text = fmt::format("segment {} of {}\n\n", segment.header.number, to_string(segment.header.identity));
  TextTable table({"BATCH ", "OFFSET ", "BYTES ", "LIFE ", "RECORDS ", "FIRST ", "STATE"});
  for (const wal::FoundBatch& batch : segment.findings.batches) {
    const wal::BatchContents contents = read_batch(batch);
    table.add({std::to_string(batch.head.batch), std::to_string(batch.offset), std::to_string(batch.size_bytes()),
               std::to_string(batch.head.life), std::to_string(contents.records.size()),
               contents.head ? std::to_string(contents.head->first_lsn) : "?", state_of(batch)});
  }
  text += table.text();
  if (segment.findings.end_damaged) text += fmt::format("\nFAULT: the block at {} cannot be read\n", segment.findings.end);
  return text;
}

std::string checkpoints_text(const Inspection& inspection) {
  TextTable table({"CHECKPOINT OF", "INSTANCE ", "SIZE ", "PIECES ", "STATE"});
  for (const InspectedCheckpoint& checkpoint : inspection.checkpoints) {
    const auto id = wal::checkpoint_of(checkpoint.name);
    table.add({id ? to_string(id->stream) : checkpoint.name, id ? std::to_string(id->instance) : "?",
               size_text(checkpoint.size_bytes), std::to_string(checkpoint.pieces),
               checkpoint.problem ? "FAULT: " + to_string(*checkpoint.problem) : "whole"});
  }
  return table.text();
}

json range_json(const LsnRange& range) {
  json row{{"first", range.first}, {"last", range.last}};
  if (range.last == wal::kLsnOpenEnd) row["last"] = nullptr;
  return row;
}

json log_json(const InspectedLog& log) {
  json out;
  out["identity"] = {{"grid", fmt::format("{:016x}", log.report.identity.grid)},
                     {"node", log.report.identity.node},
                     {"incarnation", log.report.identity.incarnation}};
  out["records"] = log.report.records;
  out["next_lsn"] = log.next_lsn;
  out["complete"] = log.report.complete();
  for (const char* list : {"segments", "streams", "faults", "lost"}) out[list] = json::array();
  for (const auto& [number, size] : log.segments) {
    const auto first = log.first_lsns.find(number);
    out["segments"].push_back({{"name", wal::segment_name(number)},
                               {"bytes", size},
                               {"first_lsn", first == log.first_lsns.end() ? json(nullptr) : json(first->second)}});
  }
  for (const StreamTrust& trust : log.report.streams) {
    const auto found = log.streams.find(trust.stream);
    const StreamFacts facts = found == log.streams.end() ? StreamFacts{} : found->second;
    json row{{"group", trust.stream.group}, {"epoch", trust.stream.epoch}, {"records", facts.records},
             {"first_lsn", trust.first},    {"last_lsn", trust.last},      {"promised", to_string(facts.promised)},
             {"accepted", facts.accepted},  {"decided", facts.decided},    {"checkpoint", facts.checkpoint},
             {"whole", trust.whole()}};
    if (trust.lost) row["lost"] = range_json(*trust.lost);
    if (trust.lost) row["certain"] = trust.certain;
    out["streams"].push_back(std::move(row));
  }
  for (const LogFault& fault : log.report.faults) {
    out["faults"].push_back({{"kind", to_string(fault.kind)},
                             {"segment", fault.segment},
                             {"offset", fault.offset},
                             {"bytes", fault.size_bytes},
                             {"detail", fault.detail}});
  }
  for (const LsnRange& range : log.report.lost) out["lost"].push_back(range_json(range));
  return out;
}

json segment_json(const InspectedSegment& segment) {
  json out{{"number", segment.header.number}, {"end", segment.findings.end}, {"end_damaged", segment.findings.end_damaged}};
  out["batches"] = json::array();
  for (const wal::FoundBatch& batch : segment.findings.batches) {
    out["batches"].push_back({{"batch", batch.head.batch},
                              {"offset", batch.offset},
                              {"bytes", batch.size_bytes()},
                              {"life", batch.head.life},
                              {"records", read_batch(batch).records.size()},
                              {"missing_sectors", batch.missing},
                              {"damaged_sectors", batch.damaged}});
  }
  return out;
}

}  // namespace

std::string inspection_text(const Inspection& inspection) {
  std::string text;
  if (inspection.in_use) {
    text += "A provider runs on this folder. It is only read; what is being written may look like a torn tail.\n\n";
  }
  if (inspection.log) text += log_text(*inspection.log);
  if (inspection.segment) text += segment_text(*inspection.segment);
  if (!inspection.checkpoints.empty()) text += (text.empty() ? "" : "\n") + checkpoints_text(inspection);
  for (const std::string& name : inspection.unfinished) text += fmt::format("note: {} was never finished\n", name);
  return text;
}

json inspection_json(const Inspection& inspection) {
  json out{{"path", inspection.path}, {"in_use", inspection.in_use}, {"faults_found", inspection.has_faults()}};
  if (inspection.log) out["log"] = log_json(*inspection.log);
  if (inspection.segment) out["segment"] = segment_json(*inspection.segment);
  out["checkpoints"] = json::array();
  for (const InspectedCheckpoint& checkpoint : inspection.checkpoints) {
    json row{{"name", checkpoint.name}, {"bytes", checkpoint.size_bytes}, {"pieces", checkpoint.pieces}};
    row["problem"] = checkpoint.problem ? json(to_string(*checkpoint.problem)) : json(nullptr);
    out["checkpoints"].push_back(std::move(row));
  }
  out["unfinished_checkpoints"] = inspection.unfinished;
  return out;
}

}  // namespace juxmem
