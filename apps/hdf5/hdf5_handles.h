// HDF5's identifiers as owners, and its element types by name.
#pragma once

#include <hdf5.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/hdf5/dataset_meta.h"
#include "juxmem/base/result.h"

namespace juxmem {

// Owns one identifier of the library. Invalid (false) if the call that made it failed.
class H5Handle {
 public:
  H5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  H5Handle(H5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  H5Handle& operator=(H5Handle&&) = delete;
  ~H5Handle() {
    if (id_ >= 0) close_(id_);
  }
  explicit operator bool() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// While it lives, the library does not print its errors: the caller reports them.
class H5Silence {
 public:
  H5Silence();
  ~H5Silence();
  H5Silence(const H5Silence&) = delete;
  H5Silence& operator=(const H5Silence&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// The name of a file's element type (dataset_meta.h); nothing if it is not one of the kinds that are kept.
std::optional<std::string> type_name(hid_t type);
// The file type of a name. The name is one that element_bytes() knows.
H5Handle type_of(const std::string& name);

// Extents; nothing for a null dataspace. A scalar has none.
std::optional<std::vector<std::uint64_t>> shape_of(hid_t space);
H5Handle space_of(const std::vector<std::uint64_t>& shape);

// The attributes of an object that can be kept; others are counted in `skipped`.
std::vector<AttributeMeta> read_attributes(hid_t object, std::uint64_t& skipped);
// Errors: kIo naming the attribute.
Status write_attributes(hid_t object, const std::vector<AttributeMeta>& attributes);

}  // namespace juxmem
