#include "apps/hdf5/hdf5_scales.h"

#include <hdf5_hl.h>

#include <algorithm>

#include "apps/hdf5/hdf5_handles.h"

namespace juxmem {
namespace {

// A row of the attribute REFERENCE_LIST.
struct Reference {
  hobj_ref_t dataset;
  int dimension;
};

H5Handle type_of_reference() {
  H5Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Reference)), H5Tclose);
  H5Tinsert(type.get(), "dataset", HOFFSET(Reference, dataset), H5T_STD_REF_OBJ);
  H5Tinsert(type.get(), "dimension", HOFFSET(Reference, dimension), H5T_NATIVE_INT);
  return type;
}

// Without the leading slash, as DatasetMeta::path.
std::string path_of(hid_t object) {
  std::vector<char> name(static_cast<std::size_t>(std::max<ssize_t>(H5Iget_name(object, nullptr, 0), 0)) + 1);
  H5Iget_name(object, name.data(), name.size());
  const std::string path(name.data());
  return path.starts_with('/') ? path.substr(1) : path;
}

}  // namespace

std::vector<ScaleUse> read_scale_uses(hid_t scale) {
  if (H5Aexists(scale, "REFERENCE_LIST") <= 0) return {};
  const H5Handle attribute(H5Aopen(scale, "REFERENCE_LIST", H5P_DEFAULT), H5Aclose);
  const H5Handle space(H5Aget_space(attribute.get()), H5Sclose);
  const H5Handle type = type_of_reference();
  std::vector<Reference> references(
      static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.get()), 0)));
  if (references.empty() || H5Aread(attribute.get(), type.get(), references.data()) < 0) return {};
  std::vector<ScaleUse> uses;
  for (const Reference& reference : references) {
    const H5Handle dataset(H5Rdereference2(scale, H5P_DEFAULT, H5R_OBJECT, &reference.dataset), H5Oclose);
    if (dataset && reference.dimension >= 0)
      uses.push_back({path_of(dataset.get()), static_cast<std::uint32_t>(reference.dimension)});
  }
  return uses;
}

Status attach_scale(hid_t file, const std::string& path, const std::vector<ScaleUse>& uses) {
  const H5Handle scale(H5Dopen2(file, path.c_str(), H5P_DEFAULT), H5Dclose);
  for (const ScaleUse& use : uses) {
    const H5Handle dataset(H5Dopen2(file, use.path.c_str(), H5P_DEFAULT), H5Dclose);
    if (!scale || !dataset || H5DSattach_scale(dataset.get(), scale.get(), use.dimension) < 0) {
      return fail(Code::kIo, "it cannot be made the dimension scale of " + use.path + " again");
    }
  }
  return {};
}

bool is_relation_of_scales(const std::string& attribute, hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  return (attribute == "DIMENSION_LIST" && kind == H5T_VLEN) || (attribute == "REFERENCE_LIST" && kind == H5T_COMPOUND);
}

}  // namespace juxmem
