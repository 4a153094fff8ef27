#include "apps/hdf5/hdf5_handles.h"

#include <charconv>

#include "apps/hdf5/hdf5_scales.h"

namespace juxmem {
namespace {

std::optional<std::string> text_name(hid_t type) {
  if (H5Tis_variable_str(type) > 0) return std::nullopt;
  std::string name = (H5Tget_cset(type) == H5T_CSET_UTF8 ? "t" : "s") + std::to_string(H5Tget_size(type));
  const H5T_str_t padding = H5Tget_strpad(type);
  if (padding == H5T_STR_NULLPAD) name += "np";
  if (padding == H5T_STR_SPACEPAD) name += "sp";
  return name;
}

H5Handle text_type(const std::string& name) {
  H5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), *element_bytes(name));
  H5Tset_cset(type.get(), name.front() == 't' ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
  H5Tset_strpad(type.get(), name.ends_with("np")   ? H5T_STR_NULLPAD
                            : name.ends_with("sp") ? H5T_STR_SPACEPAD
                                                   : H5T_STR_NULLTERM);
  return type;
}

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::optional<AttributeMeta> read_attribute(hid_t object, const std::string& name) {
  const H5Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) return std::nullopt;
  const H5Handle type(H5Aget_type(attribute.get()), H5Tclose);
  const H5Handle space(H5Aget_space(attribute.get()), H5Sclose);
  const auto type_text = type_name(type.get());
  const auto shape = shape_of(space.get());
  if (!type_text || !shape) return std::nullopt;
  AttributeMeta meta{name, *type_text, *shape, {}};
  meta.data.resize(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())) * H5Tget_size(type.get()));
  if (!meta.data.empty() && H5Aread(attribute.get(), type.get(), meta.data.data()) < 0) return std::nullopt;
  return meta;
}

bool is_kept_otherwise(hid_t object, const std::string& name) {
  const H5Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) return false;
  const H5Handle type(H5Aget_type(attribute.get()), H5Tclose);
  return is_relation_of_scales(name, type.get());
}

}  // namespace

H5Silence::H5Silence() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

H5Silence::~H5Silence() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

std::optional<std::string> type_name(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_STRING) return text_name(type);
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return std::nullopt;
  const char letter = kind == H5T_FLOAT ? 'f' : H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
  std::string name = letter + std::to_string(H5Tget_size(type)) + (H5Tget_order(type) == H5T_ORDER_BE ? "be" : "le");
  // Only the standard layouts: others (odd precisions, padding, VAX order) would not come back the same.
  if (!element_bytes(name)) return std::nullopt;
  const H5Handle standard = type_of(name);
  if (H5Tequal(standard.get(), type) <= 0) return std::nullopt;
  return name;
}

H5Handle type_of(const std::string& name) {
  if (name.front() == 's' || name.front() == 't') return text_type(name);
  const bool big = name.ends_with("be");
  const std::uint64_t size = *element_bytes(name);
  hid_t type = H5I_INVALID_HID;
  if (name.front() == 'f') {
    type = size == 4 ? (big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE) : (big ? H5T_IEEE_F64BE : H5T_IEEE_F64LE);
  } else if (name.front() == 'i') {
    type = size == 1   ? (big ? H5T_STD_I8BE : H5T_STD_I8LE)
           : size == 2 ? (big ? H5T_STD_I16BE : H5T_STD_I16LE)
           : size == 4 ? (big ? H5T_STD_I32BE : H5T_STD_I32LE)
                       : (big ? H5T_STD_I64BE : H5T_STD_I64LE);
  } else {
    type = size == 1   ? (big ? H5T_STD_U8BE : H5T_STD_U8LE)
           : size == 2 ? (big ? H5T_STD_U16BE : H5T_STD_U16LE)
           : size == 4 ? (big ? H5T_STD_U32BE : H5T_STD_U32LE)
                       : (big ? H5T_STD_U64BE : H5T_STD_U64LE);
  }
  return H5Handle(H5Tcopy(type), H5Tclose);
}

std::optional<std::vector<std::uint64_t>> shape_of(hid_t space) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  if (kind == H5S_SCALAR) return std::vector<std::uint64_t>{};
  if (kind != H5S_SIMPLE) return std::nullopt;
  std::vector<hsize_t> extents(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  return std::vector<std::uint64_t>(extents.begin(), extents.end());
}

H5Handle space_of(const std::vector<std::uint64_t>& shape) {
  if (shape.empty()) return H5Handle(H5Screate(H5S_SCALAR), H5Sclose);
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  return H5Handle(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
}

std::vector<AttributeMeta> read_attributes(hid_t object, std::uint64_t& skipped) {
  std::vector<std::string> names;
  H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names);
  std::vector<AttributeMeta> kept;
  for (const std::string& name : names) {
    auto attribute = read_attribute(object, name);
    if (attribute) {
      kept.push_back(std::move(*attribute));
    } else if (!is_kept_otherwise(object, name)) {
      ++skipped;
    }
  }
  return kept;
}

Status write_attributes(hid_t object, const std::vector<AttributeMeta>& attributes) {
  for (const AttributeMeta& meta : attributes) {
    if (!element_bytes(meta.type)) return fail(Code::kInvalid, "unknown type " + meta.type + " of attribute " + meta.name);
    const H5Handle type = type_of(meta.type);
    const H5Handle space = space_of(meta.shape);
    const auto elements = H5Sget_simple_extent_npoints(space.get());
    if (elements < 0 || static_cast<std::uint64_t>(elements) * *element_bytes(meta.type) != meta.data.size()) {
      return fail(Code::kInvalid, "attribute " + meta.name + " is not as long as its shape");
    }
    const H5Handle attribute(H5Acreate2(object, meta.name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                             H5Aclose);
    if (!attribute || (!meta.data.empty() && H5Awrite(attribute.get(), type.get(), meta.data.data()) < 0)) {
      return fail(Code::kIo, "cannot write attribute " + meta.name);
    }
  }
  return {};
}

}  // namespace juxmem
