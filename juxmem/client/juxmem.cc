// The C API: checks its arguments, calls the Grid, turns every failure into a number and a text.
#include <juxmem/juxmem.h>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "juxmem/client/grid.h"
#include "juxmem/wire/limits.h"

struct juxmem_grid {
  std::unique_ptr<juxmem::Grid> grid;
};

namespace juxmem {
namespace {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

int report(const Error& error) {
  last_error() = to_string(error);
  // What agents use among themselves would mean nothing to the caller.
  const int number = static_cast<int>(error.code);
  return number < static_cast<int>(Code::kNotCoordinator) ? number : JUXMEM_EAGAIN;
}

int report(Code code, std::string detail = {}) { return report(Error{code, std::move(detail)}); }

template <typename T>
int report(const Result<T>& result) {
  return result ? JUXMEM_OK : report(result.error());
}

// Runs a call of the C API; nothing leaves it but a number.
template <typename Body>
int guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    last_error().clear();
    return JUXMEM_ENOMEM;
  } catch (const std::exception& failure) {
    try {
      return report(Code::kInternal, failure.what());
    } catch (...) {
      return JUXMEM_EINTERNAL;
    }
  } catch (...) {
    return JUXMEM_EINTERNAL;
  }
}

// The same with the grid behind the handle, in the process that opened it.
template <typename Body>
int with_grid(juxmem_grid* handle, Body&& body) noexcept {
  return guarded([&] {
    if (handle == nullptr) return report(Code::kInvalid, "the grid handle is NULL");
    if (const Status own = handle->grid->check_process(); !own) return report(own);
    return body(*handle->grid);
  });
}

Result<std::string_view> checked_name(const char* name, bool may_be_empty) {
  if (name == nullptr) return fail(Code::kInvalid, "the name is NULL");
  const std::string_view text(name);
  if (text.empty() && !may_be_empty) return fail(Code::kInvalid, "the name is empty");
  if (text.size() > wire::kNameBytesMax) {
    return fail(Code::kInvalid, fmt::format("the name has {} bytes; {} are allowed", text.size(), wire::kNameBytesMax));
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return fail(Code::kInvalid, "the name contains control characters");
  }
  return text;
}

// Fields that a caller compiled against an older header does not have keep their defaults.
template <typename T>
bool copy_known_fields(const T* from, T& to) {
  if (from == nullptr) return true;
  if (from->struct_size < sizeof(std::size_t) || from->struct_size > 4096) return false;
  std::memcpy(&to, from, std::min(from->struct_size, sizeof to));
  return true;
}

Result<AllocateSpec> spec_of(std::uint64_t size, const juxmem_attr* wanted) {
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  if (!copy_known_fields(wanted, attr)) {
    return fail(Code::kInvalid, "juxmem_attr.struct_size is wrong; begin with juxmem_attr_init()");
  }
  if (size == 0) return fail(Code::kInvalid, "a block has at least one byte");
  if (size > wire::kBlockBytesMax) {
    return fail(Code::kInvalid, fmt::format("a block has at most {} bytes", wire::kBlockBytesMax));
  }
  if (attr.sites == 0 || attr.nodes_per_site == 0) {
    return fail(Code::kInvalid, "a block is kept on at least one site and one node");
  }
  if (attr.consistency != JUXMEM_STRICT) return fail(Code::kNotSupported, "only JUXMEM_STRICT consistency exists so far");
  if (attr.durability != JUXMEM_DISK && attr.durability != JUXMEM_MEMORY) return fail(Code::kInvalid, "no such durability");
  if (attr.meta == nullptr && attr.meta_bytes != 0) return fail(Code::kInvalid, "meta is NULL but meta_bytes is not 0");
  if (attr.meta_bytes > wire::kMetaBytesMax) {
    return fail(Code::kTooBig, fmt::format("meta has {} bytes; {} are allowed", attr.meta_bytes, wire::kMetaBytesMax));
  }
  AllocateSpec spec;
  spec.size_bytes = size;
  spec.shape = Shape{.sites = attr.sites, .nodes_per_site = attr.nodes_per_site};
  spec.durability = attr.durability == JUXMEM_DISK ? Durability::kDisk : Durability::kMemory;
  spec.meta = Buffer::copy_of({static_cast<const std::byte*>(attr.meta), attr.meta_bytes});
  return spec;
}

int allocate(juxmem_grid* handle, std::uint64_t size, const juxmem_attr* attr, juxmem_id* id) {
  return with_grid(handle, [&](Grid& grid) {
    if (id == nullptr) return report(Code::kInvalid, "the place for the id is NULL");
    const Result<AllocateSpec> spec = spec_of(size, attr);
    if (!spec) return report(spec);
    const Result<BlockId> block = grid.allocate(*spec);
    if (block) *id = *block;
    return report(block);
  });
}

// JUXMEM_NO_LIMIT is the longest limit there is.
std::int64_t given_limit(std::int64_t limit_ms) { return limit_ms < 0 ? wire::kTimeoutMsMax : limit_ms; }

int acquire(juxmem_grid* handle, juxmem_id id, Mode mode, bool try_only, std::int64_t limit_ms) {
  return with_grid(handle, [&](Grid& grid) { return report(grid.acquire(id, mode, try_only, limit_ms)); });
}

int release(juxmem_grid* handle, juxmem_id id, bool try_only, std::int64_t limit_ms) {
  return with_grid(handle, [&](Grid& grid) { return report(grid.release(id, try_only, limit_ms)); });
}

Result<GridOptions> options_of(const juxmem_options* wanted) {
  juxmem_options options;
  juxmem_options_init(&options);
  if (!copy_known_fields(wanted, options)) {
    return fail(Code::kInvalid, "juxmem_options.struct_size is wrong; begin with juxmem_options_init()");
  }
  if (options.call_limit_ms == 0) return fail(Code::kInvalid, "call_limit_ms must not be 0");
  if (options.embedded_memory_bytes == 0) return fail(Code::kInvalid, "embedded_memory_bytes must not be 0");
  GridOptions result;
  result.call_limit_ms = given_limit(options.call_limit_ms);
  result.embedded_memory_bytes = options.embedded_memory_bytes;
  if (options.key_file != nullptr) result.key_file = options.key_file;
  return result;
}

}  // namespace
}  // namespace juxmem

using juxmem::Code;
using juxmem::Grid;
using juxmem::Mode;

void juxmem_options_init(juxmem_options* options) {
  if (options == nullptr) return;
  *options = juxmem_options{};
  options->struct_size = sizeof *options;
  options->call_limit_ms = juxmem::Timing{}.call_limit_ms;
  options->embedded_memory_bytes = 1ULL << 30;
}

void juxmem_attr_init(juxmem_attr* attr) {
  if (attr == nullptr) return;
  *attr = juxmem_attr{};
  attr->struct_size = sizeof *attr;
  attr->sites = 1;
  attr->nodes_per_site = 1;
}

int juxmem_open(const char* uri, const juxmem_options* options, juxmem_grid** grid) {
  return juxmem::guarded([&] {
    if (grid == nullptr) return juxmem::report(Code::kInvalid, "the place for the handle is NULL");
    const auto checked = juxmem::options_of(options);
    if (!checked) return juxmem::report(checked);
    if (uri != nullptr && *uri == '\0') return juxmem::report(Code::kInvalid, "the uri is empty");
    auto opened = Grid::open(uri == nullptr ? std::string_view{} : std::string_view{uri}, *checked);
    if (!opened) return juxmem::report(opened);
    auto handle = std::make_unique<juxmem_grid>();
    handle->grid = std::move(*opened);
    *grid = handle.release();
    return static_cast<int>(JUXMEM_OK);
  });
}

int juxmem_close(juxmem_grid* grid) {
  if (grid == nullptr) return JUXMEM_OK;
  return juxmem::with_grid(grid, [&](Grid&) {
    delete grid;
    return static_cast<int>(JUXMEM_OK);
  });
}

int juxmem_malloc(juxmem_grid* grid, uint64_t size, const juxmem_attr* attr, juxmem_id* id) {
  return juxmem::allocate(grid, size, attr, id);
}

int juxmem_calloc(juxmem_grid* grid, uint64_t count, uint64_t size, const juxmem_attr* attr, juxmem_id* id) {
  uint64_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) {
    return juxmem::guarded([&] { return juxmem::report(Code::kInvalid, "count * size is too large"); });
  }
  return juxmem::allocate(grid, total, attr, id);
}

int juxmem_free(juxmem_grid* grid, juxmem_id id) {
  return juxmem::with_grid(grid, [&](Grid& g) { return juxmem::report(g.free(id)); });
}

int juxmem_stat(juxmem_grid* grid, juxmem_id id, juxmem_stat_info* info, void* meta, size_t meta_capacity) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (info == nullptr || (meta == nullptr && meta_capacity != 0)) {
      return juxmem::report(Code::kInvalid, "a place for the answer is NULL");
    }
    const auto facts = g.stat(id);
    if (!facts) return juxmem::report(facts);
    *info = juxmem_stat_info{};
    info->size = facts->size_bytes;
    info->version = facts->version;
    info->sites = facts->shape.sites;
    info->nodes_per_site = facts->shape.nodes_per_site;
    info->durability = facts->durability == juxmem::Durability::kDisk ? JUXMEM_DISK : JUXMEM_MEMORY;
    info->meta_bytes = facts->meta.size();
    const std::size_t copied = std::min(meta_capacity, facts->meta.size());
    if (copied != 0) std::memcpy(meta, facts->meta.data(), copied);
    return static_cast<int>(JUXMEM_OK);
  });
}

int juxmem_mmap(juxmem_grid* grid, juxmem_id id, uint64_t offset, uint64_t length, void** ptr) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (ptr == nullptr) return juxmem::report(Code::kInvalid, "the place for the pointer is NULL");
    const auto mapped = g.map(id, offset, length);
    if (mapped) *ptr = *mapped;
    return juxmem::report(mapped);
  });
}

int juxmem_munmap(juxmem_grid* grid, void* ptr) {
  return juxmem::with_grid(grid, [&](Grid& g) { return juxmem::report(g.unmap(ptr)); });
}

int juxmem_acquire(juxmem_grid* grid, juxmem_id id) { return juxmem::acquire(grid, id, Mode::kExclusive, false, -1); }
int juxmem_acquire_read(juxmem_grid* grid, juxmem_id id) { return juxmem::acquire(grid, id, Mode::kShared, false, -1); }
int juxmem_try_acquire(juxmem_grid* grid, juxmem_id id) { return juxmem::acquire(grid, id, Mode::kExclusive, true, -1); }
int juxmem_try_acquire_read(juxmem_grid* grid, juxmem_id id) { return juxmem::acquire(grid, id, Mode::kShared, true, -1); }
int juxmem_timed_acquire(juxmem_grid* grid, juxmem_id id, int64_t limit_ms) {
  return juxmem::acquire(grid, id, Mode::kExclusive, false, juxmem::given_limit(limit_ms));
}
int juxmem_timed_acquire_read(juxmem_grid* grid, juxmem_id id, int64_t limit_ms) {
  return juxmem::acquire(grid, id, Mode::kShared, false, juxmem::given_limit(limit_ms));
}

int juxmem_release(juxmem_grid* grid, juxmem_id id) { return juxmem::release(grid, id, false, -1); }
int juxmem_try_release(juxmem_grid* grid, juxmem_id id) { return juxmem::release(grid, id, true, -1); }
int juxmem_timed_release(juxmem_grid* grid, juxmem_id id, int64_t limit_ms) {
  return juxmem::release(grid, id, false, juxmem::given_limit(limit_ms));
}

int juxmem_read(juxmem_grid* grid, juxmem_id id, uint64_t offset, void* data, uint64_t length) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (data == nullptr && length != 0) return juxmem::report(Code::kInvalid, "the place for the bytes is NULL");
    return juxmem::report(g.read(id, offset, {static_cast<std::byte*>(data), length}));
  });
}

int juxmem_write(juxmem_grid* grid, juxmem_id id, uint64_t offset, const void* data, uint64_t length) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (data == nullptr && length != 0) return juxmem::report(Code::kInvalid, "the bytes to write are NULL");
    return juxmem::report(g.write(id, offset, {static_cast<const std::byte*>(data), length}));
  });
}

int juxmem_publish(juxmem_grid* grid, const char* name, juxmem_id id) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    const auto checked = juxmem::checked_name(name, false);
    if (!checked) return juxmem::report(checked);
    if (id == 0) return juxmem::report(Code::kNotFound, "0 is never a block");
    return juxmem::report(g.publish(*checked, id));
  });
}

int juxmem_lookup(juxmem_grid* grid, const char* name, juxmem_id* id) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (id == nullptr) return juxmem::report(Code::kInvalid, "the place for the id is NULL");
    const auto checked = juxmem::checked_name(name, false);
    if (!checked) return juxmem::report(checked);
    const auto block = g.lookup(*checked);
    if (block) *id = *block;
    return juxmem::report(block);
  });
}

int juxmem_unpublish(juxmem_grid* grid, const char* name) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    const auto checked = juxmem::checked_name(name, false);
    if (!checked) return juxmem::report(checked);
    return juxmem::report(g.unpublish(*checked));
  });
}

int juxmem_list(juxmem_grid* grid, const char* prefix, juxmem_name_visitor visit, void* context, int* visited) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (visit == nullptr) return juxmem::report(Code::kInvalid, "the visitor is NULL");
    const auto checked = juxmem::checked_name(prefix, true);
    if (!checked) return juxmem::report(checked);
    std::string after;
    for (;;) {
      const auto rows = g.list(*checked, after, juxmem::wire::kNamesPerReplyMax);
      if (!rows) return juxmem::report(rows);
      for (std::size_t i = 0; i < rows->names.size(); ++i) {
        const int answer = visit(rows->names[i].c_str(), rows->blocks[i], context);
        if (answer == 0) continue;
        if (visited != nullptr) *visited = answer;
        return static_cast<int>(JUXMEM_OK);
      }
      if (!rows->more || rows->names.empty()) break;
      after = rows->names.back();
    }
    if (visited != nullptr) *visited = 0;
    return static_cast<int>(JUXMEM_OK);
  });
}

int juxmem_wait(juxmem_grid* grid, juxmem_id id, uint64_t version, int64_t limit_ms, uint64_t* newer) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    const auto found = g.wait(id, version, juxmem::given_limit(limit_ms));
    if (found && newer != nullptr) *newer = *found;
    return juxmem::report(found);
  });
}

int juxmem_section_version(juxmem_grid* grid, juxmem_id id, uint64_t* version) {
  return juxmem::with_grid(grid, [&](Grid& g) {
    if (version == nullptr) return juxmem::report(Code::kInvalid, "the place for the version is NULL");
    const auto found = g.section_version(id);
    if (found) *version = *found;
    return juxmem::report(found);
  });
}

const char* juxmem_strerror(int error) {
  if (error < 0 || !juxmem::is_code(static_cast<std::uint32_t>(error))) return "unknown error";
  return juxmem::text_of(static_cast<Code>(error));
}

const char* juxmem_last_error(void) { return juxmem::last_error().c_str(); }

#define JUXMEM_TEXT_OF(number) #number
#define JUXMEM_VERSION_TEXT(major, minor, patch) JUXMEM_TEXT_OF(major) "." JUXMEM_TEXT_OF(minor) "." JUXMEM_TEXT_OF(patch)

const char* juxmem_version(void) {
  return JUXMEM_VERSION_TEXT(JUXMEM_VERSION_MAJOR, JUXMEM_VERSION_MINOR, JUXMEM_VERSION_PATCH);
}
