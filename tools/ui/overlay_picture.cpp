#include "tools/ui/overlay_picture.h"

#include <cairo.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "data/cases/label_convention.h"
#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"

namespace vox {
namespace {

struct Colour {
  std::uint8_t red;
  std::uint8_t green;
  std::uint8_t blue;
  const char* meaning;
};
// Okabe and Ito's colours: told apart by the colour-blind, and none of them grey.
constexpr std::array<Colour, kClasses> kColours{{{0, 0, 0, "background"},
                                                 {213, 94, 0, "necrotic and non-enhancing (1)"},
                                                 {86, 180, 233, "oedema (2)"},
                                                 {240, 228, 66, "enhancing (4)"}}};
constexpr double kOpacity = 0.55;
constexpr double kColumnPixels = 380;  // width of the widest plane on the page
constexpr double kGap = 12;
constexpr double kTitleHeight = 64;
constexpr double kLegendHeight = 44;
constexpr std::array<const char*, 3> kViewNames{"axial", "coronal", "sagittal"};

struct DestroySurface {
  void operator()(cairo_surface_t* s) const { cairo_surface_destroy(s); }
};
using Surface = std::unique_ptr<cairo_surface_t, DestroySurface>;
struct DestroyContext {
  void operator()(cairo_t* c) const { cairo_destroy(c); }
};
using Context = std::unique_ptr<cairo_t, DestroyContext>;

/// A plane as an ARGB picture (premultiplied, as Cairo has it): pixel(i) is the colour of voxel i.
template <class Pixel> Surface paint(const Geometry& g, const Plane& p, const Pixel& pixel) {
  Surface surface(
      cairo_image_surface_create(CAIRO_FORMAT_ARGB32, static_cast<int>(p.width), static_cast<int>(p.height)));
  VOX_CHECK(cairo_surface_status(surface.get()) == CAIRO_STATUS_SUCCESS, "overlay: cannot make a picture of {}x{}",
            p.width, p.height);
  const std::int64_t stride = cairo_image_surface_get_stride(surface.get()) / 4;
  auto* const pixels = reinterpret_cast<std::uint32_t*>(cairo_image_surface_get_data(surface.get()));
  for (std::int64_t y = 0; y < p.height; ++y) {
    for (std::int64_t x = 0; x < p.width; ++x) {
      std::array<std::int64_t, 3> at{};
      for (std::size_t k = 0; k < 3; ++k) { at[k] = p.origin[k] + x * p.right[k] + y * p.down[k]; }
      pixels[y * stride + x] = pixel(static_cast<std::size_t>((at[0] * g.size[1] + at[1]) * g.size[2] + at[2]));
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

std::uint32_t argb(double opacity, double red, double green, double blue) {
  const auto byte = [](double v) { return static_cast<std::uint32_t>(std::lround(v)); };
  return byte(255 * opacity) << 24U | byte(red * opacity) << 16U | byte(green * opacity) << 8U | byte(blue * opacity);
}

/// Is there a configuration that says where fonts are? Without one fontconfig complains by itself.
bool fonts_are_configured() {
  const auto set = [](const char* name) { return std::getenv(name) != nullptr; };
  return set("FONTCONFIG_FILE") || set("FONTCONFIG_PATH") || set("FONTCONFIG_SYSROOT") ||
         std::filesystem::exists(VOX_FONTS_CONF);
}

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
    const double width = kGap + (kColumnPixels + kGap) * static_cast<double>(columns());
    surface_.reset(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width)),
                                              static_cast<int>(std::ceil(height))));
    context_.reset(cairo_create(surface_.get()));
    VOX_CHECK(cairo_status(context_.get()) == CAIRO_STATUS_SUCCESS, "overlay: cannot make a page of {:.0f}x{:.0f}",
              width, height);
    cairo_paint(context_.get());  // black
    cairo_select_font_face(context_.get(), fonts_are_configured() ? "DejaVu Sans" : "@cairo:", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
  }

  /// Is text drawn with the plain letters that Cairo itself brings, which are ASCII? So it is where no font was found.
  [[nodiscard]] bool plain_letters() const {
    return cairo_scaled_font_get_type(cairo_get_scaled_font(context_.get())) == CAIRO_FONT_TYPE_USER;
  }

  void draw() {
    text(kGap, 24, 17, overlay_.title);
    const std::array<std::string, 3> heads{overlay_.modality, "prediction", "truth"};
    const std::array<const LabelMap*, 3> maps{nullptr, overlay_.prediction, overlay_.truth};
    double y = kTitleHeight;
    for (std::size_t v = 0; v < 3; ++v) {
      for (std::size_t c = 0; c < columns(); ++c) {
        const double x = kGap + (kColumnPixels + kGap) * static_cast<double>(c);
        if (v == 0) { text(x, kTitleHeight - 12, 14, heads[c]); }
        plane(x + (kColumnPixels - width_mm(planes_[v]) * scale_) / 2, y, v, maps[c]);
      }
      y += height_mm(planes_[v]) * scale_ + kGap;
    }
    legend(y);
  }

  [[nodiscard]] std::vector<std::byte> png() const {
    const cairo_status_t drawn = cairo_status(context_.get());
    VOX_CHECK(drawn == CAIRO_STATUS_SUCCESS, "overlay: {}", cairo_status_to_string(drawn));
    std::vector<std::byte> bytes;
    const cairo_status_t status = cairo_surface_write_to_png_stream(
        surface_.get(),
        [](void* out, const unsigned char* data, unsigned length) {
          const auto part = std::as_bytes(std::span(data, length));
          static_cast<std::vector<std::byte>*>(out)->insert(static_cast<std::vector<std::byte>*>(out)->end(),
                                                            part.begin(), part.end());
          return CAIRO_STATUS_SUCCESS;
        },
        &bytes);
    VOX_CHECK(status == CAIRO_STATUS_SUCCESS, "overlay: {}", cairo_status_to_string(status));
    return bytes;
  }

 private:
  static double width_mm(const Plane& p) { return p.pixel_width_mm * static_cast<double>(p.width); }
  static double height_mm(const Plane& p) { return p.pixel_height_mm * static_cast<double>(p.height); }
  [[nodiscard]] std::size_t columns() const { return overlay_.truth != nullptr ? 3 : 2; }

  /// With a dark rim, so that it is read on any grey. x is the left end, or the middle.
  void text(double x, double y, double size, const std::string& bytes, bool centred = false) {
    cairo_t* const c = context_.get();
    const std::string words = utf8_text(bytes);  // Cairo draws nothing more after other text
    cairo_set_font_size(c, size);
    cairo_text_extents_t box;
    cairo_text_extents(c, words.c_str(), &box);
    cairo_move_to(c, centred ? x - box.width / 2 - box.x_bearing : x, y);
    cairo_text_path(c, words.c_str());
    cairo_set_source_rgb(c, 0, 0, 0);
    cairo_set_line_width(c, 3);
    cairo_stroke_preserve(c);
    cairo_set_source_rgb(c, 1, 1, 1);
    cairo_fill(c);
  }

  void stretch(cairo_surface_t* picture, double x, double y, const Plane& p, cairo_filter_t filter) {
    cairo_t* const c = context_.get();
    cairo_save(c);
    cairo_translate(c, x, y);
    cairo_scale(c, p.pixel_width_mm * scale_, p.pixel_height_mm * scale_);
    cairo_set_source_surface(c, picture, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c), filter);
    cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
    cairo_rectangle(c, 0, 0, static_cast<double>(p.width), static_cast<double>(p.height));
    cairo_fill(c);
    cairo_restore(c);
  }

  void plane(double x, double y, std::size_t view, const LabelMap* classes) {
    const Plane& p = planes_[view];
    const Geometry& g = overlay_.image->geometry;
    const double range = window_.white > window_.black ? window_.white - window_.black : 1;
    const Surface grey = paint(g, p, [&](std::size_t i) {
      const double v =
          255 * std::clamp((static_cast<double>(overlay_.image->values[i]) - window_.black) / range, 0.0, 1.0);
      return argb(1, v, v, v);
    });
    stretch(grey.get(), x, y, p, CAIRO_FILTER_BILINEAR);
    if (classes != nullptr) {
      const Surface labels = paint(g, p, [&](std::size_t i) {
        const std::uint8_t cls = classes->values[i];
        const Colour& colour = kColours[cls];
        return cls == 0 ? 0U : argb(kOpacity, colour.red, colour.green, colour.blue);
      });
      stretch(labels.get(), x, y, p, CAIRO_FILTER_NEAREST);
    } else {
      text(x + 6, y + height_mm(p) * scale_ - 8, 12, fmt::format("{} {}", kViewNames[view], overlay_.slices[view]));
    }
    const double right = x + width_mm(p) * scale_;
    const double middle = y + height_mm(p) * scale_ / 2 + 5;
    text(x + 10, middle, 13, p.marks[0], true);
    text(right - 10, middle, 13, p.marks[1], true);
    text((x + right) / 2, y + 15, 13, p.marks[2], true);
    text((x + right) / 2, y + height_mm(p) * scale_ - 6, 13, p.marks[3], true);
  }

  void legend(double y) {
    double x = kGap;
    for (std::size_t k = 1; k < kColours.size(); ++k) {
      cairo_t* const c = context_.get();
      cairo_set_source_rgb(c, kColours[k].red / 255.0, kColours[k].green / 255.0, kColours[k].blue / 255.0);
      cairo_rectangle(c, x, y + 8, 16, 16);
      cairo_fill(c);
      text(x + 22, y + 21, 13, kColours[k].meaning);
      cairo_text_extents_t box;
      cairo_text_extents(c, kColours[k].meaning, &box);
      x += box.width + 46;
    }
  }

  const Overlay& overlay_;
  Window window_;
  std::array<Plane, 3> planes_;
  double scale_ = 1;  ///< page pixels per mm
  Surface surface_;
  Context context_;
};

}  // namespace

void draw_overlay(const std::filesystem::path& png, const Overlay& overlay) {
  Page page(overlay);
  page.draw();
  write_file(png, page.png());
  if (page.plain_letters()) {
    write_stderr(
        fmt::format("{}: no font is installed, so words are in plain letters, ASCII alone (Debian, Ubuntu: apt install "
                    "fontconfig-config)\n",
                    png.string()));
  }
}

}  // namespace vox
