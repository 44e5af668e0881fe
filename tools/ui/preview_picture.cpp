#include "tools/ui/preview_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "kernels/base/check.h"
#include "tools/ui/overlay_planes.h"
#include "tools/ui/picture.h"

namespace vox {
namespace {

constexpr double kPanelPixels = 220;  // the longer side of a slice on the page
constexpr double kGap = 8;
constexpr double kTitleLine = 18;
constexpr double kNamesHeight = 30;
constexpr double kCaptionHeight = 20;
constexpr double kLegendHeight = 40;

/// One slice of a volume.
struct Slice {
  std::int64_t height;
  std::int64_t width;
  std::size_t first;  ///< voxel of the volume

  [[nodiscard]] std::size_t voxels() const { return static_cast<std::size_t>(height * width); }
};

Pixels greys_of(std::span<const float> channel, const Slice& s) {
  const Window window = window_of(channel);
  Pixels p{.width = s.width, .height = s.height};
  for (const float x : channel.subspan(s.first, s.voxels())) {
    p.argb.push_back(grey(static_cast<double>(x), window.black, window.white));
  }
  return p;
}

/// Voxels of a class that have a neighbour of another, or lie at the edge.
Pixels borders_of(std::span<const std::uint8_t> label, const Slice& s) {
  const std::span<const std::uint8_t> slice = label.subspan(s.first, s.voxels());
  const auto at = [&](std::int64_t y, std::int64_t x) {
    const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
    return inside ? slice[static_cast<std::size_t>(y * s.width + x)] : std::uint8_t{0};
  };
  Pixels p{.width = s.width, .height = s.height};
  for (std::int64_t y = 0; y < s.height; ++y) {
    for (std::int64_t x = 0; x < s.width; ++x) {
      const std::uint8_t k = at(y, x);
      const bool border = at(y - 1, x) != k || at(y + 1, x) != k || at(y, x - 1) != k || at(y, x + 1) != k;
      const Colour& colour = kClassColours[k];
      p.argb.push_back(k != 0 && border ? argb(1, colour.red, colour.green, colour.blue) : 0U);
    }
  }
  return p;
}

/// Cut behind commas into lines of at most so many letters, where there are commas.
std::vector<std::string> lines_of(const std::string& text, std::size_t most) {
  std::vector<std::string> lines{""};
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size() - 1) + 1;
    if (!lines.back().empty() && lines.back().size() + to - from > most) { lines.emplace_back(); }
    lines.back() += text.substr(from, to - from);
    from = to;
  }
  return lines;
}

}  // namespace

void draw_preview(const std::filesystem::path& png, const Preview& preview) {
  const auto [depth, height, width] = preview.size;
  const auto voxels = static_cast<std::size_t>(depth * height * width);
  const double scale = kPanelPixels / static_cast<double>(std::max(height, width));
  const double panel_width = scale * static_cast<double>(width);
  const double row_height = kCaptionHeight + scale * static_cast<double>(height) + kGap;
  const auto columns = static_cast<double>(preview.channels.size());
  const double page_width = std::max(kGap + columns * (panel_width + kGap), 560.0);
  constexpr double kLetter = 6.5;  // its width, about
  const std::vector<std::string> title = lines_of(preview.title, static_cast<std::size_t>(page_width / kLetter));
  const double top = kGap + kTitleLine * static_cast<double>(title.size()) + kNamesHeight;
  Picture picture(page_width, top + static_cast<double>(preview.samples.size()) * row_height + kLegendHeight);
  double y = kGap;
  for (const std::string& line : title) { picture.text(kGap, (y += kTitleLine) - 4, 12, line); }
  for (std::size_t c = 0; c < preview.channels.size(); ++c) {
    const double x = kGap + static_cast<double>(c) * (panel_width + kGap);
    picture.text(x + panel_width / 2, top - 10, 14, preview.channels[c], true);
  }
  y = top;
  for (const PreviewSample& sample : preview.samples) {
    VOX_CHECK(sample.label.size() == voxels && sample.image.size() == preview.channels.size() * voxels,
              "preview: a sample of {} values and {} labels, wants {} channels of {}x{}x{}", sample.image.size(),
              sample.label.size(), preview.channels.size(), depth, height, width);
    const std::int64_t d = slice_to_show(sample.label, preview.size);
    const Slice slice{.height = height, .width = width, .first = static_cast<std::size_t>(d * height * width)};
    picture.text(kGap, y + 14, 12, fmt::format("{}, slice {} of {}", sample.caption, d + 1, depth));
    const Pixels borders = borders_of(sample.label, slice);
    for (std::size_t c = 0; c < preview.channels.size(); ++c) {
      const double x = kGap + static_cast<double>(c) * (panel_width + kGap);
      picture.pixels(greys_of(std::span(sample.image).subspan(c * voxels, voxels), slice), x, y + kCaptionHeight, scale,
                     scale, Between::smooth);
      picture.pixels(borders, x, y + kCaptionHeight, scale, scale, Between::nearest);
    }
    y += row_height;
  }
  picture.legend(kGap, y);
  picture.write(png);
}

}  // namespace vox
