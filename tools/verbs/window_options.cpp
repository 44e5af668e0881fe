#include "tools/verbs/window_options.h"

#include <algorithm>

#include "kernels/base/check.h"

namespace vox {

void add_window_options(Command app, WindowArgs& args) {
  app.option("--window", args.window,
             "native cases go through the network by windows of so many voxels along D,H,W, or one for all")
      .delimiter(',')
      .default_text("the patch trained on");
  app.option("--overlap", args.overlap, "of neighbouring windows, from 0 to below 1");
  app.option("--window-rule", args.rule, "where windows start, and their Gaussian: nnunet or monai");
  app.option("--blend", args.blend, "what a window's voxels weigh: gaussian or constant");
  app.option("--window-batch", args.batch, "windows at a time");
}

std::optional<WindowOptions> windows_of(const WindowArgs& args, const Segmenter& segmenter) {
  std::optional<WindowOptions> windows = segmenter.windows();
  if (!windows) {
    VOX_CHECK(args == WindowArgs{}, "--window and its like are for networks of native cases; {} takes a case whole, {}",
              segmenter.file().string(), recipe_text(segmenter.recipe()));
    return windows;
  }
  if (!args.window.empty()) {
    const std::int64_t divisor = size_divisor(segmenter.config());
    const bool fits = (args.window.size() == 1 || args.window.size() == 3) &&
                      std::ranges::all_of(args.window, [&](std::int64_t n) { return n > 0 && n % divisor == 0; });
    VOX_CHECK(fits, "--window is {}, wants one number or three (D,H,W), multiples of {}", fmt::join(args.window, ","),
              divisor);
    for (std::size_t a = 0; a < 3; ++a) { windows->window[a] = args.window[args.window.size() == 1 ? 0 : a]; }
  }
  windows->overlap = args.overlap;
  windows->rule = window_rule_named(args.rule);
  windows->blend = blend_named(args.blend);
  windows->batch = args.batch;
  check_windows(*windows);
  return windows;
}

}  // namespace vox
