#include "tools/interchange/hdf5_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "kernels/base/check.h"
#include "kernels/base/size_product.h"
#include "tools/interchange/hdf5_library.h"

namespace vox {
namespace {

static_assert(sizeof(hid_t) == sizeof(std::int64_t));

constexpr std::int64_t kMostNumbers = std::int64_t{1} << 31;
constexpr std::int64_t kMostStrings = 1 << 20;
constexpr std::size_t kMostText = std::size_t{1} << 28U;  // bytes of all strings of an attribute
constexpr unsigned kReadOnly = 0;                         // H5F_ACC_RDONLY, a macro that calls the library

/// A handle of HDF5, closed at the end of the scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) { close_(id_); }
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle(Handle&&) = delete;
  Handle& operator=(Handle&&) = delete;
  [[nodiscard]] hid_t id() const { return id_; }
  [[nodiscard]] bool fine() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

const char* path_of(const std::string& object) { return object.empty() ? "/" : object.c_str(); }

std::vector<std::int64_t> extents_of(hid_t space) {
  const Hdf5Library& h = hdf5_library();
  const int rank = h.s_get_simple_extent_ndims(space);
  std::vector<hsize_t> dims(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) { h.s_get_simple_extent_dims(space, dims.data(), nullptr); }
  std::vector<std::int64_t> extents;
  for (const hsize_t d : dims) { extents.push_back(static_cast<std::int64_t>(std::min<hsize_t>(d, kMostNumbers))); }
  return extents;
}

/// Numbers of two bytes or more, deflated at best: what keeps a hostile shape from reserving gigabytes.
std::int64_t most_values(std::uint64_t file_bytes) {
  constexpr std::uint64_t kMostInflation = 1032;  // deflate's limit: 258 bytes from 2 bits
  if (file_bytes >= static_cast<std::uint64_t>(kMostNumbers)) { return kMostNumbers; }
  return std::min(kMostNumbers, static_cast<std::int64_t>(file_bytes * kMostInflation / 2));
}

/// The values of a dataset may lie in other files, of any path: such a one is refused.
void check_inside(hid_t dataset, const std::filesystem::path& path, const std::string& name) {
  const Hdf5Library& h = hdf5_library();
  const Handle made(h.d_get_create_plist(dataset), h.p_close);
  const bool inside = made.fine() && h.p_get_external_count(made.id()) == 0;
  VOX_CHECK_DATA(inside && h.p_get_layout(made.id()) != H5D_VIRTUAL,
                 "{}: the numbers of '{}' lie in another file; wants them in this one", path.string(), name);
}

/// A file that HDF5 has open, closed with it.
struct OpenedFile {
  explicit OpenedFile(std::int64_t handle) : id(handle) {}
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  ~OpenedFile() { hdf5_library().f_close(id); }
  std::int64_t id;
};

}  // namespace

Hdf5File::Hdf5File(std::filesystem::path path, std::string bytes) : path_(std::move(path)), bytes_(bytes.size()) {
  const Hdf5Library& h = hdf5_library();
  constexpr std::size_t kStep = 1U << 16U;  // by which a file in memory would grow
  const Handle access(h.p_create(h.file_access), h.p_close);
  const bool ready = access.fine() && h.p_set_fapl_core(access.id(), kStep, 0) >= 0 &&
                     (bytes.empty() || h.p_set_file_image(access.id(), bytes.data(), bytes.size()) >= 0);
  if (!ready) {
    fail<MemoryError>(__FILE__, __LINE__, fmt::format("{}: its {} bytes do not fit in memory", path_.string(), bytes_));
  }
  bytes = std::string();                                  // the library has a copy
  const std::filesystem::path nowhere = path_ / "image";  // of an image HDF5 wants a name that no file has
  const hid_t id = bytes_ == 0 ? -1 : h.f_open(nowhere.c_str(), kReadOnly, access.id());
  VOX_CHECK_DATA(id >= 0, "{}: is no file of HDF5, or a damaged one", path_.string());
  const auto opened = std::make_shared<const OpenedFile>(id);
  file_ = {opened, &opened->id};
}

bool Hdf5File::has(const std::string& object) const {
  const Hdf5Library& h = hdf5_library();
  for (std::size_t slash = object.find('/');; slash = object.find('/', slash + 1)) {  // every part of the path
    if (h.l_exists(*file_, object.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) { return false; }
    if (slash == std::string::npos) { return true; }
  }
}

std::vector<std::string> Hdf5File::members(const std::string& group) const {
  const Hdf5Library& h = hdf5_library();
  const Handle object(h.o_open(*file_, path_of(group), H5P_DEFAULT), h.o_close);
  H5G_info_t info{};
  VOX_CHECK_DATA(object.fine() && h.i_get_type(object.id()) == H5I_GROUP && h.g_get_info(object.id(), &info) >= 0,
                 "{}: '{}' is no group", path_.string(), group);
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_of = [&](char* to, std::size_t room) {
      return h.l_get_name_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, to, room, H5P_DEFAULT);
    };
    const auto length = name_of(nullptr, 0);
    VOX_CHECK_DATA(length > 0, "{}: '{}' is damaged: a member has no name", path_.string(), group);
    std::string name(static_cast<std::size_t>(length), '\0');
    name_of(name.data(), name.size() + 1);
    names.push_back(std::move(name));
  }
  return names;
}

Hdf5File::Values Hdf5File::read(const std::string& dataset) const {
  const Hdf5Library& h = hdf5_library();
  const Handle object(h.o_open(*file_, path_of(dataset), H5P_DEFAULT), h.o_close);
  VOX_CHECK_DATA(object.fine() && h.i_get_type(object.id()) == H5I_DATASET, "{}: '{}' is no dataset", path_.string(),
                 dataset);
  const Handle type(h.d_get_type(object.id()), h.t_close);
  const Handle space(h.d_get_space(object.id()), h.s_close);
  VOX_CHECK_DATA(type.fine() && space.fine() && h.t_get_class(type.id()) == H5T_FLOAT,
                 "{}: '{}' does not hold floating-point numbers", path_.string(), dataset);
  Values v{.shape = extents_of(space.id()), .values = {}};
  check_inside(object.id(), path_, dataset);
  const std::int64_t most = most_values(bytes_);
  const std::optional<std::int64_t> count = size_product(v.shape, most);
  VOX_CHECK_DATA(count, "{}: '{}' is {}: more than the {} numbers that a file of this size can hold", path_.string(),
                 dataset, fmt::join(v.shape, "x"), most);
  v.values.resize(static_cast<std::size_t>(*count));
  const bool read =
      v.values.empty() || h.d_read(object.id(), h.native_float, H5S_ALL, H5S_ALL, H5P_DEFAULT, v.values.data()) >= 0;
  VOX_CHECK_DATA(read, "{}: '{}' cannot be read: the file is damaged", path_.string(), dataset);
  return v;
}

bool Hdf5File::has_attribute(const std::string& object, const std::string& name) const {
  const Hdf5Library& h = hdf5_library();
  const Handle there(h.o_open(*file_, path_of(object), H5P_DEFAULT), h.o_close);
  return there.fine() && h.a_exists(there.id(), name.c_str()) > 0;
}

std::vector<std::string> Hdf5File::strings(const std::string& object, const std::string& name) const {
  const Hdf5Library& h = hdf5_library();
  const Handle there(h.o_open(*file_, path_of(object), H5P_DEFAULT), h.o_close);
  const auto damaged = [&] {
    VOX_FAIL_DATA("{}: attribute '{}' of '{}' is no string or list of them", path_.string(), name, object);
  };
  if (!there.fine()) { damaged(); }
  const Handle attribute(h.a_open(there.id(), name.c_str(), H5P_DEFAULT), h.a_close);
  if (!attribute.fine()) { damaged(); }
  const Handle type(h.a_get_type(attribute.id()), h.t_close);
  const Handle space(h.a_get_space(attribute.id()), h.s_close);
  if (!type.fine() || !space.fine()) { damaged(); }
  const std::int64_t count = size_product(extents_of(space.id()), kMostStrings).value_or(-1);
  if (count == 0) { return {}; }  // h5py writes a list of nothing as one of numbers
  if (count < 0 || h.t_get_class(type.id()) != H5T_STRING) { damaged(); }
  std::vector<std::string> found(static_cast<std::size_t>(count));
  if (h.t_is_variable_str(type.id()) > 0) {
    std::vector<char*> read(found.size());
    if (h.a_read(attribute.id(), type.id(), static_cast<void*>(read.data())) < 0) { damaged(); }
    std::ranges::transform(read, found.begin(), [](const char* s) { return s == nullptr ? "" : std::string(s); });
    h.d_vlen_reclaim(type.id(), space.id(), H5P_DEFAULT, static_cast<void*>(read.data()));
    return found;
  }
  const std::size_t each = h.t_get_size(type.id());
  if (each == 0 || each > kMostText / found.size()) { damaged(); }
  std::string bytes(each * found.size(), '\0');
  if (h.a_read(attribute.id(), type.id(), bytes.data()) < 0) { damaged(); }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string one = bytes.substr(i * each, each);
    found[i] = one.substr(0, one.find('\0'));  // shorter ones are filled up
  }
  return found;
}

}  // namespace vox
