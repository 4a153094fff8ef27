// Dimension scales: datasets that give the coordinates of another one's dimensions (netCDF's dimensions).
#pragma once

#include <hdf5.h>

#include <string>
#include <vector>

#include "apps/hdf5/dataset_meta.h"
#include "juxmem/base/result.h"

namespace juxmem {

// Whom this dataset is a scale of, in the order of the file; empty if it is none.
std::vector<ScaleUse> read_scale_uses(hid_t scale);

// Attaches it again, in this order. Errors: kIo naming the dataset that is not there.
Status attach_scale(hid_t file, const std::string& path, const std::vector<ScaleUse>& uses);

// Whether an attribute is one of the two that hold these relations: they are made anew by attach_scale.
bool is_relation_of_scales(const std::string& attribute, hid_t type);

}  // namespace juxmem
