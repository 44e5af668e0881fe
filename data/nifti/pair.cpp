#include <filesystem>
#include <string>
#include <string_view>

#include "data/nifti/bytes.h"
#include "data/nifti/header.h"

namespace vox {
namespace {

/// path with `from` at its end (before a .gz) replaced by `to`; empty when it does not end so.
std::string with_ending(const std::string& path, std::string_view from, std::string_view to) {
  const std::string_view gz = path.ends_with(".gz") ? ".gz" : "";
  const std::string stem = path.substr(0, path.size() - gz.size());
  if (!stem.ends_with(from)) { return {}; }
  return fmt::format("{}{}{}", stem.substr(0, stem.size() - from.size()), to, gz);
}

}  // namespace

std::filesystem::path header_path(const std::filesystem::path& path) {
  const std::string header = with_ending(path.string(), ".img", ".hdr");
  return header.empty() ? path : std::filesystem::path(header);
}

std::filesystem::path voxels_path(const std::filesystem::path& header) {
  const std::string image = with_ending(header.string(), ".hdr", ".img");
  if (image.empty()) {
    refuse(NiftiFault::unreadable, fmt::format("'{}' says that its voxels are in an .img file beside it, but is not "
                                               "called .hdr",
                                               header.string()));
  }
  std::string other = image.ends_with(".gz") ? image.substr(0, image.size() - 3) : image + ".gz";
  if (!std::filesystem::exists(image) && std::filesystem::exists(other)) { return other; }
  if (!std::filesystem::exists(image)) {
    refuse(NiftiFault::unreadable,
           fmt::format("'{}' is only a header: its voxels, '{}', are not there", header.string(), image));
  }
  return image;
}

}  // namespace vox
