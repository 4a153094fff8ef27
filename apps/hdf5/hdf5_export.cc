#include <span>
#include <utility>

#include "apps/grid_error.h"
#include "apps/hdf5/hdf5_handles.h"
#include "apps/hdf5/hdf5_scales.h"
#include "apps/hdf5/hdf5_transfer.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

struct Named {
  std::string name;
  juxmem_id block = 0;
};

int collect_name(const char* name, juxmem_id block, void* names) {
  static_cast<std::vector<Named>*>(names)->push_back({name, block});
  return 0;
}

class Exporter {
 public:
  Exporter(juxmem_grid* grid, hid_t file) : grid_(grid), file_(file), links_(H5Pcreate(H5P_LINK_CREATE), H5Pclose) {
    H5Pset_create_intermediate_group(links_.get(), 1);
  }

  Result<TransferReport> run(const std::vector<Named>& rows, const TransferProgress& progress);

 private:
  Status put(const Named& row);
  Status put_group(const DatasetMeta& meta);
  Status put_dataset(const DatasetMeta& meta, const Named& row, const juxmem_stat_info& info);

  juxmem_grid* grid_;
  hid_t file_;
  H5Handle links_;
  std::vector<std::pair<std::string, std::vector<ScaleUse>>> scales_;  // by path
  TransferReport report_;
};

Result<TransferReport> Exporter::run(const std::vector<Named>& rows, const TransferProgress& progress) {
  std::uint64_t done = 0;
  for (const Named& row : rows) {
    if (progress) progress(done++, rows.size(), row.name);
    if (Status put_out = put(row); !put_out) return std::unexpected(put_out.error());
  }
  // All datasets are there now.
  for (const auto& [path, uses] : scales_) {
    if (Status attached = attach_scale(file_, path, uses); !attached)
      report_.skipped.push_back(path + ": " + attached.error().detail);
  }
  return report_;
}

Status Exporter::put(const Named& row) {
  juxmem_stat_info info;
  std::vector<std::byte> bytes(wire::kMetaBytesMax);
  const int code = juxmem_stat(grid_, row.block, &info, bytes.data(), bytes.size());
  if (code == JUXMEM_ENOENT) {
    report_.skipped.push_back(row.name + ": its block was freed");
    return {};
  }
  if (code != JUXMEM_OK) return grid_error(code, "cannot look at " + row.name);
  const auto meta = decode_meta(std::span(bytes).first(info.meta_bytes));
  if (!meta) {
    report_.skipped.push_back(row.name + ": " + meta.error().detail);
    return {};
  }
  return meta->is_group ? put_group(*meta) : put_dataset(*meta, row, info);
}

Status Exporter::put_group(const DatasetMeta& meta) {
  const std::string path = meta.path.empty() ? "/" : meta.path;
  const bool exists = meta.path.empty() || H5Lexists(file_, path.c_str(), H5P_DEFAULT) > 0;
  const H5Handle group(exists ? H5Gopen2(file_, path.c_str(), H5P_DEFAULT)
                              : H5Gcreate2(file_, path.c_str(), links_.get(), H5P_DEFAULT, H5P_DEFAULT),
                       H5Gclose);
  if (!group) return fail(Code::kIo, "cannot make the group " + path);
  return write_attributes(group.get(), meta.attributes);
}

Status Exporter::put_dataset(const DatasetMeta& meta, const Named& row, const juxmem_stat_info& info) {
  const std::uint64_t size_bytes = meta.element_count() * *element_bytes(meta.type);
  if (size_bytes > info.size) {
    report_.skipped.push_back(row.name + ": its block is smaller than its shape");
    return {};
  }
  const bool holds_data = size_bytes > 0 && (meta.is_written || info.version > 0);
  std::vector<std::byte> data(holds_data ? size_bytes : 0);
  if (holds_data) {
    const int code = juxmem_read(grid_, row.block, 0, data.data(), data.size());
    if (code != JUXMEM_OK) return grid_error(code, "cannot read " + row.name);
  }
  const H5Handle type = type_of(meta.type);
  const H5Handle space = space_of(meta.shape);
  const H5Handle dataset(
      H5Dcreate2(file_, meta.path.c_str(), type.get(), space.get(), links_.get(), H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (!dataset) return fail(Code::kIo, "cannot make the dataset " + meta.path);
  if (holds_data && H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()) < 0) {
    return fail(Code::kIo, "cannot write the dataset " + meta.path);
  }
  if (!meta.scale_of.empty()) scales_.emplace_back(meta.path, meta.scale_of);
  ++report_.datasets;
  report_.bytes += size_bytes;
  return write_attributes(dataset.get(), meta.attributes);
}

}  // namespace

Result<TransferReport> export_hdf5(juxmem_grid* grid, const std::string& prefix, const std::string& file,
                                   const TransferProgress& progress) {
  const H5Silence silence;
  std::vector<Named> rows;
  const int code = juxmem_list(grid, (prefix + "/").c_str(), collect_name, &rows, nullptr);
  if (code != JUXMEM_OK) return grid_error(code, "cannot list " + prefix + "/");
  if (rows.empty()) return fail(Code::kNoSuchName, "nothing is published under " + prefix + "/");
  const H5Handle created(H5Fcreate(file.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  if (!created) return fail(Code::kIo, file + " exists already or cannot be made");
  return Exporter(grid, created.get()).run(rows, progress);
}

}  // namespace juxmem
