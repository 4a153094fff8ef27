// fuzz_seeds FOLDER: writes valid inputs of every kind for the fuzzers, a folder for each of them.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "apps/hdf5/dataset_meta.h"
#include "consistency/paxos/stop_sign.h"
#include "juxmem/base/digest.h"
#include "juxmem/provider/contact_file.h"
#include "juxmem/provider/stream_facts.h"
#include "juxmem/storage/log/checkpoint_codec.h"
#include "juxmem/storage/log/headers.h"
#include "juxmem/storage/log/record_codec.h"
#include "juxmem/storage/log/sectors.h"
#include "juxmem/wire/codec.h"
#include "tests/fuzz/fuzz_disk.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_log_input.h"
#include "tests/unit/wire/random_messages.h"

namespace juxmem {
namespace {

constexpr int kPerKind = 3;

void write(const std::string& folder, std::size_t number, std::string_view bytes) {
  std::filesystem::create_directories(folder);
  std::ofstream file(folder + "/seed" + std::to_string(number), std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A segment with a record of every kind, in batches of one and of all.
void write_log(const std::string& folder) {
  const StreamId stream{3, 1};
  const Buffer text = Buffer::copy_of(std::string(700, 'x'));
  const std::vector<LogBody> bodies = {OpenedRecord{text.slice(0, 9)},
                                       PromiseRecord{{4, 2}},
                                       AcceptedRecord{7, {{4, 2}, wire::EntryKind::kCommand, text.slice(0, 5), text}},
                                       DecidedRecord{7, 2},
                                       CheckpointRecord{6, 5, 4},
                                       ReleasedRecord{2},
                                       RemovedRecord{}};
  const wal::SegmentHeader header{fuzz::kLogIdentity, 1, 1U << 16};
  for (const bool together : {false, true}) {
    std::string segment(wal::encode_header(header).text());
    wal::BatchBuilder builder;
    std::uint64_t batch = 0;
    Lsn lsn = 0;
    const auto finish = [&] {
      ++batch;
      segment += builder.finish({1, batch, batch - 1, wal::tag_of(header.identity), 1, 1, 1}).text();
      builder = wal::BatchBuilder();
    };
    for (const LogBody& body : bodies) {
      ++lsn;
      builder.add(wal::encode_record({lsn, lsn - 1, {stream, body}}), lsn);
      if (!together) finish();
    }
    if (together) finish();
    write(folder + "/log", together ? 1 : 0, segment);
  }
  std::string checkpoint(wal::encode_checkpoint_header({fuzz::kLogIdentity, {{1, 2}, 3}}).text());
  const Buffer piece = wal::encode_piece(0, text.bytes());
  checkpoint += piece.text();
  checkpoint += wal::encode_checkpoint_end({1, digest_with(0, wal::decode_piece_head(piece.bytes()).checksum)}).text();
  write(folder + "/checkpoint", 0, checkpoint);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_contacts(const std::string& folder) {
  const std::vector<std::vector<std::string>> lists = {
      {"tcp://10.0.1.1:5000"}, {"tcp://rennes-1:7400", "tcp://[fe80::1]:7400", std::string(512, 'a')}};
  for (std::size_t number = 0; number < lists.size(); ++number) {
    fuzz::FuzzDisk disk;
    ContactFile file(*disk);
    file.remember(lists[number]);
    disk.drain();
    write(folder + "/contacts", number, text_of((*disk).contents("contacts")));
  }
}

void write_facts(const std::string& folder) {
  const std::vector<StreamMember> members = {{4, 1}, {2, 1}, {9, 3}};
  const StreamFacts facts{
      .stream = {3, 2}, .members = members, .base = 17, .round_floor = 5, .promised = {6, 4}, .decided = 20};
  write(folder + "/facts", 0, encode(facts).text());
  write(folder + "/facts", 1, encode(StopSign{.next_epoch = 2, .round = 5, .members = members}).text());
}

void write_meta(const std::string& folder) {
  DatasetMeta meta{.path = "/group/longitude", .type = "u2le", .shape = {3, 70000}, .attributes = {}, .scale_of = {}};
  write(folder + "/meta", 0, text_of(*encode_meta(meta)));
  meta.attributes = {{.name = "scale", .type = "f8be", .shape = {}, .data = std::vector<std::byte>(8)},
                     {.name = "title", .type = "t12np", .shape = {2}, .data = std::vector<std::byte>(24)}};
  meta.scale_of = {{.path = "/map", .dimension = 1}};
  write(folder + "/meta", 1, text_of(*encode_meta(meta)));
}

void write_all(const std::string& folder) {
  write_log(folder);
  write_contacts(folder);
  write_facts(folder);
  write_meta(folder);
  Random random(1);
  std::size_t number = 0;
  for (std::size_t kind = 0; kind < wire::message_kinds(); ++kind) {
    for (int i = 0; i < kPerKind; ++i) {
      wire::Packet packet = wire::random_packet(random, 0);
      packet.messages.push_back(wire::random_message(random, kind));
      write(folder + "/packet", number++, fuzz::input_of(wire::encode(packet)));
    }
  }
  number = 0;
  for (std::size_t kind = 0; kind < wire::command_kinds(); ++kind) {
    for (int i = 0; i < kPerKind; ++i) {
      write(folder + "/command", number++, wire::encode_command(wire::random_command(random, kind)).text());
    }
  }
  for (number = 0; number < kPerKind; ++number) {
    write(folder + "/reply", number, wire::encode_reply(wire::random_reply(random)).text());
    write(folder + "/snapshot", number, wire::encode_snapshot_piece(wire::random_snapshot_piece(random)).text());
  }
}

}  // namespace
}  // namespace juxmem

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  juxmem::write_all(argv[1]);
  return 0;
}
