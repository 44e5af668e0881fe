#pragma once

#include <filesystem>
#include <string>

namespace vox::test {

/// How a run of the program ended.
struct Ended {
  int code = -1;       ///< exit code; 1000 + the signal where one ended it
  std::string output;  ///< stdout and stderr
};

/// Runs voxgrad with arguments as a shell reads them: quote what has spaces, redirect what is to be redirected.
[[nodiscard]] Ended voxgrad(const std::string& arguments);
/// A path among them.
[[nodiscard]] inline std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

}  // namespace vox::test
