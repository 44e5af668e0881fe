#pragma once

#include <string>

namespace vox {

struct Drawn {
  std::string picture;  ///< the bytes of the file
  std::string wrong;    ///< what went wrong, or nothing
};

/// Runs gnuplot, a child process, with a script on its stdin that draws on its stdout.
[[nodiscard]] Drawn run_gnuplot(const std::string& script);

}  // namespace vox
