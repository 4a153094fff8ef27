// fuzz_seeds FOLDER: writes valid inputs of every kind for the fuzzers, FOLDER/packet, FOLDER/command, FOLDER/reply and
// FOLDER/snapshot.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "juxmem/wire/codec.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/wire/random_messages.h"

namespace juxmem {
namespace {

constexpr int kPerKind = 3;

void write(const std::string& folder, std::size_t number, std::string_view bytes) {
  std::filesystem::create_directories(folder);
  std::ofstream file(folder + "/seed" + std::to_string(number), std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void write_all(const std::string& folder) {
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
