#include "tools/ui/montage.h"

#include <algorithm>
#include <utility>

#include "kernels/base/check.h"
#include "tools/ui/overlay_paint.h"
#include "tools/ui/overlay_planes.h"

namespace vox {
namespace {

constexpr double kPanel = 190;  // edge of the square that a slice is fitted into
constexpr double kGap = 10;
constexpr double kWords = 38;  // above a tile: its two lines
constexpr double kTitle = 34;
constexpr double kLegend = 40;
constexpr double kTileWidth = 2 * kPanel + 2 * kGap;
constexpr double kTileHeight = kPanel + kWords + kGap;
constexpr std::int64_t kLongest = 32'000;  // pixels: Cairo takes 32767

std::int64_t rows_of(std::int64_t tiles, std::int64_t columns) { return (tiles + columns - 1) / columns; }

Picture page_of(std::int64_t tiles, std::int64_t columns) {
  VOX_CHECK(tiles >= 1 && columns >= 1, "montage: {} cases in {} columns", tiles, columns);
  const double width = kGap + kTileWidth * static_cast<double>(std::min(columns, tiles));
  const double height = kTitle + kTileHeight * static_cast<double>(rows_of(tiles, columns)) + kLegend;
  VOX_CHECK(std::max(width, height) <= kLongest,
            "montage: {} cases in {} columns make a page of {:.0f}x{:.0f}, at most {}", tiles, columns, width, height,
            kLongest);
  return {width, height};
}

}  // namespace

Montage::Montage(const std::string& title, std::int64_t tiles, std::int64_t columns)
    : columns_(columns), page_(page_of(tiles, columns)) {
  page_.text(kGap, 22, 15, title);
  page_.legend(kGap, kTitle + kTileHeight * static_cast<double>(rows_of(tiles, columns)));
}

void Montage::add(const MontageTile& tile) {
  const double x = kGap + kTileWidth * static_cast<double>(added_ % columns_);
  const auto row = added_ / columns_;
  const double y = kTitle + kTileHeight * static_cast<double>(row);
  ++added_;
  page_.text(x, y + 14, 12, tile.title);
  page_.text(x, y + 31, 12, tile.scores);
  const Slices slices{tile.slice, tile.image->geometry.size[1] / 2, tile.image->geometry.size[2] / 2};
  const Extent shown = extent_of(*tile.image, *tile.prediction, tile.truth, slices);
  const Plane plane = plane_of(tile.image->geometry, View::axial, slices, shown);
  const double width_mm = plane.pixel_width_mm * static_cast<double>(plane.width);
  const double height_mm = plane.pixel_height_mm * static_cast<double>(plane.height);
  const double scale = kPanel / std::max(width_mm, height_mm);
  const Pixels grey = paint_image(*tile.image, plane, window_of(*tile.image));
  double left = x;
  for (const LabelMap* const classes : {tile.prediction, tile.truth}) {
    if (classes == nullptr) { continue; }
    const double at_x = left + (kPanel - width_mm * scale) / 2;
    const double at_y = y + kWords + (kPanel - height_mm * scale) / 2;
    const auto draw = [&](Pixels pixels, Between between) {
      page_.pixels(std::move(pixels), at_x, at_y, plane.pixel_width_mm * scale, plane.pixel_height_mm * scale, between);
    };
    draw(grey, Between::smooth);
    draw(paint_classes(*classes, plane), Between::nearest);
    left += kPanel + kGap / 2;
  }
}

void Montage::write(const std::filesystem::path& png) const { page_.write(png); }

}  // namespace vox
