#include "tools/ui/overlay_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tools/ui/overlay_paint.h"
#include "tools/ui/picture.h"

namespace vox {
namespace {

constexpr double kColumnPixels = 380;  // width of the widest plane on the page
constexpr double kGap = 12;
constexpr double kTitleHeight = 64;
constexpr double kLegendHeight = 44;
constexpr std::array<const char*, 3> kViewNames{"axial", "coronal", "sagittal"};

class Page {
 public:
  explicit Page(const Overlay& o) : overlay_(o), window_(window_of(*o.image)) {
    const Extent shown = extent_of(*o.image, *o.prediction, o.truth, o.slices);
    double widest_mm = 0;
    for (std::size_t v = 0; v < 3; ++v) {
      planes_[v] = plane_of(o.image->geometry, static_cast<View>(v), o.slices, shown);
      widest_mm = std::max(widest_mm, width_mm(planes_[v]));
    }
    scale_ = kColumnPixels / widest_mm;
    double height = kTitleHeight + kLegendHeight;
    for (const Plane& p : planes_) { height += p.pixel_height_mm * static_cast<double>(p.height) * scale_ + kGap; }
    picture_.emplace(kGap + (kColumnPixels + kGap) * static_cast<double>(columns()), height);
  }

  void draw(const std::filesystem::path& png) {
    picture_->text(kGap, 24, 17, overlay_.title);
    const std::array<std::string, 3> heads{overlay_.modality, "prediction", "truth"};
    const std::array<const LabelMap*, 3> maps{nullptr, overlay_.prediction, overlay_.truth};
    double y = kTitleHeight;
    for (std::size_t v = 0; v < 3; ++v) {
      for (std::size_t c = 0; c < columns(); ++c) {
        const double x = kGap + (kColumnPixels + kGap) * static_cast<double>(c);
        if (v == 0) { picture_->text(x, kTitleHeight - 12, 14, heads[c]); }
        plane(x + (kColumnPixels - width_mm(planes_[v]) * scale_) / 2, y, v, maps[c]);
      }
      y += height_mm(planes_[v]) * scale_ + kGap;
    }
    picture_->legend(kGap, y);
    picture_->write(png);
  }

 private:
  static double width_mm(const Plane& p) { return p.pixel_width_mm * static_cast<double>(p.width); }
  static double height_mm(const Plane& p) { return p.pixel_height_mm * static_cast<double>(p.height); }
  [[nodiscard]] std::size_t columns() const { return overlay_.truth != nullptr ? 3 : 2; }

  void stretch(Pixels pixels, double x, double y, const Plane& p, Between between) {
    picture_->pixels(std::move(pixels), x, y, p.pixel_width_mm * scale_, p.pixel_height_mm * scale_, between);
  }

  void plane(double x, double y, std::size_t view, const LabelMap* classes) {
    const Plane& p = planes_[view];
    stretch(paint_image(*overlay_.image, p, window_), x, y, p, Between::smooth);
    if (classes != nullptr) {
      stretch(paint_classes(*classes, p), x, y, p, Between::nearest);
    } else {
      picture_->text(x + 6, y + height_mm(p) * scale_ - 8, 12,
                     fmt::format("{} {}", kViewNames[view], overlay_.slices[view]));
    }
    const double right = x + width_mm(p) * scale_;
    const double middle = y + height_mm(p) * scale_ / 2 + 5;
    picture_->text(x + 10, middle, 13, p.marks[0], true);
    picture_->text(right - 10, middle, 13, p.marks[1], true);
    picture_->text((x + right) / 2, y + 15, 13, p.marks[2], true);
    picture_->text((x + right) / 2, y + height_mm(p) * scale_ - 6, 13, p.marks[3], true);
  }

  const Overlay& overlay_;
  Window window_;
  std::array<Plane, 3> planes_;
  double scale_ = 1;  ///< page pixels per mm
  std::optional<Picture> picture_;
};

}  // namespace

void draw_overlay(const std::filesystem::path& png, const Overlay& overlay) { Page(overlay).draw(png); }

}  // namespace vox
