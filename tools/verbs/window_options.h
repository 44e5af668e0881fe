#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/run/segmenter.h"
#include "tools/ui/command_line.h"

namespace vox {

/// How cases of no common extent go through a network, as it stands on the command line.
struct WindowArgs {
  std::vector<std::int64_t> window;  ///< D,H,W, or one for all; empty: the patch that the network was trained on
  double overlap = 0.5;
  std::string rule = "nnunet";
  std::string blend = "gaussian";
  std::int64_t batch = 1;
  friend bool operator==(const WindowArgs&, const WindowArgs&) = default;
};

void add_window_options(Command, WindowArgs&);  ///< --window, --overlap, --window-rule, --blend, --window-batch

/// Windows where the recipe gives no cube: what was asked for, and what that leaves open as the network was trained.
/// Throws Error for windows that do not suit the network, and for any that were asked for where cases go whole.
[[nodiscard]] std::optional<WindowOptions> windows_of(const WindowArgs&, const Segmenter&);

}  // namespace vox
