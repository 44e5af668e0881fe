#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vox {

/// A file of HDF5 in memory, read by the library of that name, which is opened when the first file is: programs that
/// read none do without it. It is looked for as libhdf5_serial and libhdf5, version 1.10 and later, or at
/// $VOXGRAD_HDF5. Throws Error where it is absent, naming the package, and DataError for what is no such file, or is
/// damaged. Paths within the file are "layers/conv3d/vars/0"; "" is the root.
class Hdf5File {
 public:
  /// bytes: of the file, which is not opened; path: what messages call it.
  Hdf5File(std::filesystem::path path, std::string bytes);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool has(const std::string& object) const;
  [[nodiscard]] std::vector<std::string> members(const std::string& group) const;  ///< names, ascending by their bytes

  struct Values {
    std::vector<std::int64_t> shape;
    std::vector<float> values;  ///< C order
  };
  /// A dataset of floating-point numbers, at most 2^31 of them.
  [[nodiscard]] Values read(const std::string& dataset) const;

  [[nodiscard]] bool has_attribute(const std::string& object, const std::string& name) const;
  /// An attribute that is a string, or a list of them.
  [[nodiscard]] std::vector<std::string> strings(const std::string& object, const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::uint64_t bytes_ = 0;
  std::shared_ptr<const std::int64_t> file_;  ///< HDF5's handle
};

}  // namespace vox
