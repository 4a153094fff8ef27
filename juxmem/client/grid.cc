#include "juxmem/client/grid.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "juxmem/client/embedded_grid.h"
#include "juxmem/env/key_file.h"
#include "juxmem/env/run_dir.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::int64_t kPulseMs = 50;

// "a,b,c" without blanks and empty parts.
std::vector<std::string> split_addresses(std::string_view uri) {
  std::vector<std::string> addresses;
  while (!uri.empty()) {
    const std::size_t comma = std::min(uri.find(','), uri.size());
    std::string_view part = uri.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) addresses.emplace_back(part);
    uri.remove_prefix(std::min(comma + 1, uri.size()));
  }
  return addresses;
}

Status check_addresses(const std::vector<std::string>& addresses) {
  if (addresses.empty()) return fail(Code::kInvalid, "the uri names no provider");
  for (const std::string& address : addresses) {
    const bool known = address.starts_with("tcp://") || address.starts_with("ipc://");
    if (!known || address.size() <= 6) {
      return fail(Code::kInvalid, fmt::format("'{}' is not an address; write tcp://host:port or ipc://path", address));
    }
  }
  return {};
}

std::string program_name() { return fmt::format("{}:{}", program_invocation_short_name, ::getpid()); }

Result<std::shared_ptr<const KeyFile>> key_of(const GridOptions& options) {
  if (options.key_file.empty()) return key_of_environment();
  Result<KeyFile> key = load_key_file(options.key_file);
  if (!key) return std::unexpected(key.error());
  return std::make_shared<const KeyFile>(std::move(*key));
}

// Puts pieces into the caller's memory.
class CopySink final : public PageSink {
 public:
  CopySink(std::uint64_t offset, std::span<std::byte> to) : offset_(offset), to_(to) {}
  void put(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::uint64_t begin = std::max(offset, offset_);
    const std::uint64_t end = std::min(offset + bytes.size(), offset_ + to_.size());
    if (begin < end) std::memcpy(to_.data() + (begin - offset_), bytes.data() + (begin - offset), end - begin);
  }

 private:
  const std::uint64_t offset_;
  const std::span<std::byte> to_;
};

}  // namespace

Result<std::unique_ptr<Grid>> Grid::open(std::string_view uri, const GridOptions& options) {
  std::string place(uri);
  if (place.empty()) {
    const char* variable = std::getenv("JUXMEM_GRID");
    if (variable != nullptr) place = variable;
  }
  std::vector<std::string> addresses = place.empty() ? local_agents() : split_addresses(place);
  if (place == kEmbeddedAddress || (place.empty() && addresses.empty())) {
    Result<std::unique_ptr<ClientLoop>> loop = make_embedded_loop(options.embedded_memory_bytes);
    if (!loop) return std::unexpected(loop.error());
    return open(std::move(*loop), {kEmbeddedAddress}, Timing{}, options);
  }
  if (const Status checked = check_addresses(addresses); !checked) return std::unexpected(checked.error());
  Result<std::shared_ptr<const KeyFile>> key = key_of(options);
  if (!key) return std::unexpected(key.error());
  Result<std::unique_ptr<ClientLoop>> loop = make_network_loop(std::move(*key));
  if (!loop) return std::unexpected(loop.error());
  return open(std::move(*loop), std::move(addresses), Timing{}, options);
}

Result<std::unique_ptr<Grid>> Grid::open(std::unique_ptr<ClientLoop> loop, std::vector<std::string> addresses,
                                         const Timing& timing, const GridOptions& options) {
  std::unique_ptr<Grid> grid(new Grid(std::move(loop), std::move(addresses), timing, options));
  const std::int64_t limit_ms = std::min(grid->limit_of(-1), options.connect_limit_ms);
  const Status connected =
      grid->driver_->run<void>([&](ClientCore& core, Completion<void> done) { core.connect(limit_ms, std::move(done)); });
  if (!connected) return std::unexpected(connected.error());
  return grid;
}

Grid::Grid(std::unique_ptr<ClientLoop> loop, std::vector<std::string> addresses, const Timing& timing,
           const GridOptions& options)
    : process_(::getpid()), options_(options), loop_(std::move(loop)) {
  ClientCore::Options core;
  core.addresses = std::move(addresses);
  core.client = loop_->env().random() | 1;
  core.program = program_name();
  core.timing = timing;
  core_ = std::make_unique<ClientCore>(loop_->env(), std::move(core));
  loop_->attach(*core_);
  driver_ = std::make_unique<Driver>(*loop_, *core_, kPulseMs);
}

Grid::~Grid() {
  driver_->stop();
  driver_.reset();
  mappings_.clear();
}

Status Grid::check_process() const {
  if (::getpid() == process_) return {};
  return fail(Code::kForked);
}

std::int64_t Grid::limit_of(std::int64_t limit_ms) const {
  if (limit_ms < 0) limit_ms = options_.call_limit_ms;
  if (limit_ms < 0) limit_ms = wire::kTimeoutMsMax;
  return std::min<std::int64_t>(limit_ms, wire::kTimeoutMsMax);
}

Result<BlockId> Grid::allocate(const AllocateSpec& spec) {
  return driver_->run<BlockId>(
      [&](ClientCore& core, Completion<BlockId> done) { core.allocate(spec, limit_of(-1), std::move(done)); });
}

Status Grid::free(BlockId block) {
  if (holds(block)) return fail(Code::kAlreadyHeld, "the calling thread is inside a section of " + block_name(block));
  return driver_->run<void>(
      [&](ClientCore& core, Completion<void> done) { core.free(block, limit_of(-1), std::move(done)); });
}

Result<BlockStat> Grid::stat(BlockId block) {
  return driver_->run<BlockStat>(
      [&](ClientCore& core, Completion<BlockStat> done) { core.stat(block, limit_of(-1), std::move(done)); });
}

Status Grid::read(BlockId block, std::uint64_t offset, std::span<std::byte> data) {
  if (holds(block)) return fail(Code::kAlreadyHeld, "the calling thread is inside a section of " + block_name(block));
  // What was never written does not travel.
  if (!data.empty()) std::memset(data.data(), 0, data.size());
  CopySink sink(offset, data);
  const Result<Version> version = driver_->run<Version>([&](ClientCore& core, Completion<Version> done) {
    core.read(block, offset, data.size(), &sink, limit_of(-1), std::move(done));
  });
  if (!version) return std::unexpected(version.error());
  return {};
}

Status Grid::write(BlockId block, std::uint64_t offset, std::span<const std::byte> data) {
  if (holds(block)) return fail(Code::kAlreadyHeld, "the calling thread is inside a section of " + block_name(block));
  const Buffer bytes = Buffer::copy_of(data);
  const Result<Version> version = driver_->run<Version>(
      [&](ClientCore& core, Completion<Version> done) { core.write(block, offset, bytes, limit_of(-1), std::move(done)); });
  if (!version) return std::unexpected(version.error());
  return {};
}

Status Grid::publish(std::string_view name, BlockId block) {
  return driver_->run<void>(
      [&](ClientCore& core, Completion<void> done) { core.publish(name, block, limit_of(-1), std::move(done)); });
}

Status Grid::unpublish(std::string_view name) {
  return driver_->run<void>(
      [&](ClientCore& core, Completion<void> done) { core.unpublish(name, limit_of(-1), std::move(done)); });
}

Result<BlockId> Grid::lookup(std::string_view name) {
  return driver_->run<BlockId>(
      [&](ClientCore& core, Completion<BlockId> done) { core.lookup(name, limit_of(-1), std::move(done)); });
}

Result<NameList> Grid::list(std::string_view prefix, std::string_view after, std::uint32_t limit) {
  return driver_->run<NameList>(
      [&](ClientCore& core, Completion<NameList> done) { core.list(prefix, after, limit, limit_of(-1), std::move(done)); });
}

Result<Version> Grid::wait(BlockId block, Version than, std::int64_t limit_ms) {
  return driver_->run<Version>([&](ClientCore& core, Completion<Version> done) {
    core.wait(block, than, limit_ms < 0 ? wire::kTimeoutMsMax : limit_ms, std::move(done));
  });
}

ClientStats Grid::stats() {
  return driver_->look([](ClientCore& core) { return core.stats(); });
}

std::string Grid::agent_address() {
  return driver_->look([](ClientCore& core) { return core.agent_address(); });
}

std::vector<wire::ProviderAddress> Grid::providers() {
  return driver_->look([](ClientCore& core) { return core.providers(); });
}

}  // namespace juxmem
