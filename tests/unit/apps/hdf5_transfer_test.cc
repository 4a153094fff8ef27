// Files through an embedded grid and back.
#include "apps/hdf5/hdf5_transfer.h"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "apps/hdf5/hdf5_handles.h"

namespace juxmem {
namespace {

class Hdf5Transfer : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "juxmem-hdf5-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
    ASSERT_EQ(juxmem_open("embedded:", nullptr, &grid_), JUXMEM_OK) << juxmem_last_error();
    file_ = H5Fcreate(path("in.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  }
  void TearDown() override {
    close_input();
    juxmem_close(grid_);
    std::filesystem::remove_all(folder_);
  }

  std::string path(const char* name) const { return folder_ + "/" + name; }

  void close_input() {
    if (file_ >= 0) H5Fclose(file_);
    file_ = H5I_INVALID_HID;
  }

  // A dataset of the file's type, filled with 1, 2, 3, ...; `properties` say how it is stored.
  void put(const char* name, hid_t type, const std::vector<hsize_t>& shape, hid_t properties = H5P_DEFAULT) {
    const H5Handle space = space_of({shape.begin(), shape.end()});
    const H5Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.get(), 1);
    const H5Handle dataset(H5Dcreate2(file_, name, type, space.get(), links.get(), properties, H5P_DEFAULT), H5Dclose);
    ASSERT_TRUE(dataset);
    std::vector<int> values(std::max<std::size_t>(1, static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()))));
    std::iota(values.begin(), values.end(), 1);
    ASSERT_GE(H5Dwrite(dataset.get(), H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  }

  Result<TransferReport> import(bool replace = false) {
    close_input();
    ImportOptions options;
    options.prefix = "data";
    options.replace = replace;
    return import_hdf5(grid_, path("in.h5"), options, {});
  }
  Result<TransferReport> export_all() { return export_hdf5(grid_, "data", path("out.h5"), {}); }

  // What h5diff says of input and output: 0 = no difference.
  int difference() const {
    return std::system(("h5diff -q '" + path("in.h5") + "' '" + path("out.h5") + "' >/dev/null 2>&1").c_str());
  }

  std::string folder_;
  juxmem_grid* grid_ = nullptr;
  hid_t file_ = H5I_INVALID_HID;
};

TEST_F(Hdf5Transfer, EveryNumberComesBack) {
  put("i8", H5T_STD_I8LE, {5});
  put("u16_big", H5T_STD_U16BE, {5});
  put("i32_big", H5T_STD_I32BE, {2, 3});
  put("u64", H5T_STD_U64LE, {2, 2, 2});
  put("f32_big", H5T_IEEE_F32BE, {7});
  put("f64", H5T_IEEE_F64LE, {7});
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->datasets, 6U);
  EXPECT_TRUE(imported->skipped.empty());
  const auto exported = export_all();
  ASSERT_TRUE(exported) << to_string(exported.error());
  EXPECT_EQ(difference(), 0);
}

TEST_F(Hdf5Transfer, NestedScalarAndEmptyDatasetsComeBack) {
  put("a/b/c", H5T_STD_I32LE, {3});
  put("a/scalar", H5T_IEEE_F64LE, {});
  put("empty", H5T_STD_I32LE, {0});
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->datasets, 3U);
  juxmem_id block = 0;
  EXPECT_EQ(juxmem_lookup(grid_, "data/a/b/c", &block), JUXMEM_OK);
  ASSERT_TRUE(export_all());
  EXPECT_EQ(difference(), 0);
}

TEST_F(Hdf5Transfer, ChunkedAndCompressedDatasetComesBack) {
  const H5Handle chunked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t chunk[] = {16, 16};
  H5Pset_chunk(chunked.get(), 2, chunk);
  H5Pset_deflate(chunked.get(), 6);
  put("compressed", H5T_STD_I32LE, {100, 50}, chunked.get());
  ASSERT_TRUE(import());
  ASSERT_TRUE(export_all());
  EXPECT_EQ(difference(), 0);
}

TEST_F(Hdf5Transfer, LargeDatasetComesBack) {
  put("large", H5T_STD_I32LE, {3, 1000, 1000});
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->bytes, 12'000'000U);
  ASSERT_TRUE(export_all());
  EXPECT_EQ(difference(), 0);
}

TEST_F(Hdf5Transfer, AttributesOfDatasetsAndGroupsComeBack) {
  put("group/x", H5T_STD_I32LE, {3});
  const double scale[] = {0.5, 2};
  H5LTset_attribute_double(file_, "group/x", "scale", scale, 2);
  H5LTset_attribute_string(file_, "group/x", "units", "kelvin");
  H5LTset_attribute_string(file_, "group", "title", "of the group");
  H5LTset_attribute_string(file_, "/", "title", "of the file");
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->skipped_attributes, 0U);
  ASSERT_TRUE(export_all());
  EXPECT_EQ(difference(), 0);
  const H5Handle out(H5Fopen(path("out.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  char title[32] = {};
  H5LTget_attribute_string(out.get(), "group", "title", title);
  EXPECT_STREQ(title, "of the group");
  H5LTget_attribute_string(out.get(), "/", "title", title);
  EXPECT_STREQ(title, "of the file");
}

TEST_F(Hdf5Transfer, DimensionScalesComeBack) {
  put("time", H5T_IEEE_F64LE, {4});
  put("b", H5T_STD_I32LE, {4, 2});
  put("a", H5T_STD_I32LE, {4});
  for (const char* name : {"b", "a"}) {
    const H5Handle scale(H5Dopen2(file_, "time", H5P_DEFAULT), H5Dclose);
    const H5Handle dataset(H5Dopen2(file_, name, H5P_DEFAULT), H5Dclose);
    ASSERT_GE(H5DSattach_scale(dataset.get(), scale.get(), 0), 0);
  }
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->skipped_attributes, 0U);
  ASSERT_TRUE(export_all());
  EXPECT_EQ(difference(), 0);
  const H5Handle out(H5Fopen(path("out.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  const H5Handle scale(H5Dopen2(out.get(), "time", H5P_DEFAULT), H5Dclose);
  const H5Handle dataset(H5Dopen2(out.get(), "b", H5P_DEFAULT), H5Dclose);
  EXPECT_GT(H5DSis_attached(dataset.get(), scale.get(), 0), 0);
}

TEST_F(Hdf5Transfer, NeverWrittenDatasetKeepsItsFillValue) {
  const H5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const int fill = 7;
  H5Pset_fill_value(properties.get(), H5T_NATIVE_INT, &fill);
  {
    const H5Handle space = space_of({3});
    const H5Handle dataset(
        H5Dcreate2(file_, "filled", H5T_STD_I32LE, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Dclose);
    const H5Handle zeros(H5Dcreate2(file_, "zeros", H5T_STD_I32LE, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose);
  }
  ASSERT_TRUE(import());
  for (const auto& [name, expected] : {std::pair{"data/filled", 7}, std::pair{"data/zeros", 0}}) {
    juxmem_id block = 0;
    int values[3] = {-1, -1, -1};
    ASSERT_EQ(juxmem_lookup(grid_, name, &block), JUXMEM_OK);
    ASSERT_EQ(juxmem_read(grid_, block, 0, values, sizeof values), JUXMEM_OK);
    for (int value : values) EXPECT_EQ(value, expected) << name;
  }
}

TEST_F(Hdf5Transfer, UnsupportedTypesAreNamedAndTheRestIsTaken) {
  put("good", H5T_STD_I32LE, {3});
  {
    const H5Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(text.get(), H5T_VARIABLE);
    const H5Handle space = space_of({1});
    const H5Handle dataset(H5Dcreate2(file_, "stories", text.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                           H5Dclose);
  }
  const auto imported = import();
  ASSERT_TRUE(imported) << to_string(imported.error());
  EXPECT_EQ(imported->datasets, 1U);
  ASSERT_EQ(imported->skipped.size(), 1U);
  EXPECT_NE(imported->skipped[0].find("stories"), std::string::npos);
}

TEST_F(Hdf5Transfer, SecondImportNeedsReplace) {
  put("x", H5T_STD_I32LE, {3});
  ASSERT_TRUE(import());
  const auto again = import();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kNameTaken);
  const auto replaced = import(true);
  EXPECT_TRUE(replaced) << to_string(replaced.error());
}

TEST_F(Hdf5Transfer, BlockWithoutDatasetIsNamedAndTheRestIsExported) {
  put("x", H5T_STD_I32LE, {3});
  ASSERT_TRUE(import());
  juxmem_id block = 0;
  ASSERT_EQ(juxmem_malloc(grid_, 10, nullptr, &block), JUXMEM_OK);
  ASSERT_EQ(juxmem_publish(grid_, "data/foreign", block), JUXMEM_OK);
  const auto exported = export_all();
  ASSERT_TRUE(exported) << to_string(exported.error());
  EXPECT_EQ(exported->datasets, 1U);
  ASSERT_EQ(exported->skipped.size(), 1U);
  EXPECT_NE(exported->skipped[0].find("data/foreign"), std::string::npos);
}

TEST_F(Hdf5Transfer, WhatIsNoHdf5FileIsRefused) {
  close_input();
  const auto imported = import_hdf5(grid_, path("not-there.h5"), ImportOptions{.prefix = "p"}, {});
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().code, Code::kIo);
}

}  // namespace
}  // namespace juxmem
