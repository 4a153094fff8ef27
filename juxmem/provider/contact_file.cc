#include "juxmem/provider/contact_file.h"

#include <cstdint>
#include <span>
#include <utility>

#include "juxmem/base/digest.h"
#include "juxmem/storage/log/byte_codec.h"

namespace juxmem {
namespace {

// As juxmem/storage/log/FORMAT.md says.
constexpr std::string_view kName = "contacts";
constexpr std::string_view kNewName = "contacts.new";
constexpr std::uint32_t kMagic = 0x4354584A;  // "JXTC"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kFileBytesMax = 64U << 10;
constexpr std::size_t kAddressBytesMax = 512;

Buffer encode(const std::vector<std::string>& addresses) {
  std::vector<std::byte> bytes;
  wal::ByteWriter out(bytes);
  out.number(std::uint64_t{0});
  out.number(kMagic);
  out.number(kVersion);
  out.number(static_cast<std::uint32_t>(addresses.size()));
  for (const std::string& address : addresses) {
    out.number(static_cast<std::uint32_t>(address.size()));
    out.raw(std::as_bytes(std::span(address)));
  }
  wal::put_number(std::span(bytes), 0, digest_of(std::span(bytes).subspan(8)));
  return Buffer::take(std::move(bytes));
}

std::vector<std::string> decode(std::span<const std::byte> bytes) {
  wal::ByteReader in(bytes);
  const auto digest = in.number<std::uint64_t>();
  if (!in.ok() || digest != digest_of(bytes.subspan(8))) return {};
  if (in.number<std::uint32_t>() != kMagic || in.number<std::uint32_t>() != kVersion) return {};
  const auto count = in.number<std::uint32_t>();
  if (count > ContactFile::kContactsMax) return {};
  std::vector<std::string> addresses;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto size = in.number<std::uint32_t>();
    if (size > kAddressBytesMax) return {};
    const std::span<const std::byte> text = in.raw(size);
    addresses.emplace_back(reinterpret_cast<const char*>(text.data()), text.size());
  }
  return in.ended_well() ? addresses : std::vector<std::string>{};
}

}  // namespace

void ContactFile::read(std::function<void(std::vector<std::string>)> done) {
  disk_.read(std::string(kName), 0, kFileBytesMax, alive_.guard([done = std::move(done)](const Result<Buffer>& bytes) {
    done(bytes ? decode(bytes->bytes()) : std::vector<std::string>{});
  }));
}

void ContactFile::remember(std::vector<std::string> addresses) {
  std::erase_if(addresses, [](const std::string& address) { return address.size() > kAddressBytesMax; });
  if (addresses.size() > kContactsMax) addresses.resize(kContactsMax);
  wanted_ = std::move(addresses);
  if (!writing_ && wanted_ != given_) write();
}

// A fresh file takes the place of the old one: whatever ends this life on the way, one of the two is there.
void ContactFile::write() {
  writing_ = true;
  given_ = wanted_;
  const std::string fresh(kNewName);
  const auto then = [this](auto next) {
    return alive_.guard([this, next](const Status& status) {
      if (!status) return written(false);
      next();
    });
  };
  const auto named = [this] { written(true); };
  const auto renamed = [this, then, named] { disk_.sync_names(then(named)); };
  const auto synced = [this, then, fresh, renamed] { disk_.rename(fresh, std::string(kName), then(renamed)); };
  const auto filled = [this, then, fresh, synced] { disk_.sync(fresh, then(synced)); };
  const auto made = [this, then, fresh, filled] { disk_.write(fresh, 0, encode(given_), then(filled)); };
  const auto removed = [this, then, fresh, made] { disk_.allocate(fresh, 0, then(made)); };
  disk_.remove(fresh, alive_.guard([removed](const Status&) { removed(); }));  // a former life's may be longer
}

void ContactFile::written(bool is_good) {
  writing_ = false;
  if (!is_good) return given_.clear();  // with the next change
  if (wanted_ != given_) write();
}

}  // namespace juxmem
