// Valid encodings with random damage: the decoders answer, and what they accept is what an encoder could have meant.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "juxmem/wire/codec.h"
#include "tests/unit/wire/random_messages.h"

namespace juxmem::wire {
namespace {

constexpr int kPackets = 10000;
constexpr int kDamages = 20;

// Another seed: WIRE_SEED=n wire_codec_test --gtest_filter='Mutation.*'
std::uint64_t seed() {
  const char* given = std::getenv("WIRE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

std::string replay(std::uint64_t number) {
  return "replay: WIRE_SEED=" + std::to_string(seed()) + " wire_codec_test --gtest_filter='Mutation.*' (case " +
         std::to_string(number) + ")";
}

std::vector<std::byte> damaged(const Buffer& bytes, Random& random) {
  std::vector<std::byte> out(bytes.data(), bytes.data() + bytes.size());
  if (out.empty()) return out;
  switch (random.below(4)) {
    case 0:  // a few bits
      for (std::uint64_t i = random.below(4); i < 4; ++i) {
        out[random.below(out.size())] ^= static_cast<std::byte>(1U << random.below(8));
      }
      break;
    case 1:  // a number at an edge
      out[random.below(out.size())] = random.chance(500'000) ? std::byte{0xFF} : std::byte{0};
      break;
    case 2:  // cut off
      out.resize(random.below(out.size()));
      break;
    default: {  // some bytes from elsewhere
      const std::size_t from = random.below(out.size());
      const std::size_t to = random.below(out.size());
      const std::size_t size = std::min<std::size_t>(4, out.size() - std::max(from, to));
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(from), size, out.begin() + static_cast<std::ptrdiff_t>(to));
    }
  }
  return out;
}

TEST(Mutation, DamagedPacketIsRefusedOrMeansSomething) {
  for (std::uint64_t number = 0; number < kPackets; ++number) {
    SCOPED_TRACE(replay(number));
    Random random(seed() * 1'000'003 + number);
    const std::vector<Buffer> whole = encode(random_packet(random, 1 + random.below(3)));
    for (int i = 0; i < kDamages; ++i) {
      std::vector<Buffer> parts = whole;
      parts[0] = Buffer::take(damaged(parts[0], random));
      if (parts.size() > 1 && random.chance(100'000)) parts.pop_back();
      if (random.chance(100'000)) parts.push_back(Buffer::take(damaged(parts.back(), random)));
      const Result<Packet> decoded = decode(parts);
      if (!decoded) continue;
      const Result<Packet> again = decode(encode(*decoded));
      ASSERT_TRUE(again) << to_string(again.error());
      ASSERT_EQ(*again, *decoded);
    }
  }
}

TEST(Mutation, DamagedCommandIsRefusedOrMeansSomething) {
  for (std::uint64_t number = 0; number < kPackets; ++number) {
    SCOPED_TRACE(replay(number));
    Random random(seed() * 2'000'003 + number);
    const Buffer whole = encode_command(random_command(random, random.below(command_kinds())));
    for (int i = 0; i < kDamages; ++i) {
      const Result<Command> decoded = decode_command(Buffer::take(damaged(whole, random)));
      if (!decoded) continue;
      const Result<Command> again = decode_command(encode_command(*decoded));
      ASSERT_TRUE(again) << to_string(again.error());
      ASSERT_EQ(*again, *decoded);
    }
  }
}

}  // namespace
}  // namespace juxmem::wire
