#include "tools/ui/picture.h"

#include <cairo.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>

#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"
#include "tools/ui/png.h"

namespace vox {
namespace {

struct DestroySurface {
  void operator()(cairo_surface_t* s) const { cairo_surface_destroy(s); }
};
using Surface = std::unique_ptr<cairo_surface_t, DestroySurface>;
struct DestroyContext {
  void operator()(cairo_t* c) const { cairo_destroy(c); }
};
using Context = std::unique_ptr<cairo_t, DestroyContext>;

/// Is there a configuration that says where fonts are? Without one fontconfig complains by itself.
bool fonts_are_configured() {
  const auto set = [](const char* name) { return std::getenv(name) != nullptr; };
  return set("FONTCONFIG_FILE") || set("FONTCONFIG_PATH") || set("FONTCONFIG_SYSROOT") ||
         std::filesystem::exists(VOX_FONTS_CONF);
}

void check_drawn(cairo_status_t status) {
  if (status == CAIRO_STATUS_NO_MEMORY) { throw std::bad_alloc(); }
  VOX_CHECK(status == CAIRO_STATUS_SUCCESS, "picture: {}", cairo_status_to_string(status));
}

/// Not by Cairo's own writer: where memory runs out within it, libpng jumps to where nothing waits for it.
std::string png_of(cairo_surface_t* surface) {
  cairo_surface_flush(surface);
  const auto width = static_cast<std::size_t>(cairo_image_surface_get_width(surface));
  const auto height = static_cast<std::size_t>(cairo_image_surface_get_height(surface));
  const auto stride = static_cast<std::size_t>(cairo_image_surface_get_stride(surface));
  const unsigned char* const data = cairo_image_surface_get_data(surface);
  std::vector<std::uint8_t> rows;
  rows.reserve(width * height * 3);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      std::uint32_t pixel = 0;  // 0xXXRRGGBB in the machine's own order
      std::memcpy(&pixel, data + y * stride + x * sizeof pixel, sizeof pixel);
      for (const unsigned shift : {16U, 8U, 0U}) { rows.push_back(static_cast<std::uint8_t>(pixel >> shift & 0xFFU)); }
    }
  }
  return png_file(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), 3, rows);
}

}  // namespace

std::uint32_t argb(double opacity, double red, double green, double blue) {
  const auto byte = [](double v) { return static_cast<std::uint32_t>(std::lround(v)); };
  return byte(255 * opacity) << 24U | byte(red * opacity) << 16U | byte(green * opacity) << 8U | byte(blue * opacity);
}

std::uint32_t grey(double value, double black, double white) {
  const double range = white > black ? white - black : 1;
  const double v = 255 * std::clamp((value - black) / range, 0.0, 1.0);
  return argb(1, v, v, v);
}

struct Picture::Page {
  Surface surface;
  Context context;
};

Picture::Picture(double width, double height) : page_(std::make_unique<Page>()) {
  page_->surface.reset(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width)),
                                                  static_cast<int>(std::ceil(height))));
  page_->context.reset(cairo_create(page_->surface.get()));
  cairo_t* const c = page_->context.get();
  if (cairo_status(c) == CAIRO_STATUS_NO_MEMORY) { throw std::bad_alloc(); }
  VOX_CHECK(cairo_status(c) == CAIRO_STATUS_SUCCESS, "picture: cannot make a page of {:.0f}x{:.0f}", width, height);
  cairo_paint(c);  // black
  cairo_select_font_face(c, fonts_are_configured() ? "DejaVu Sans" : "@cairo:", CAIRO_FONT_SLANT_NORMAL,
                         CAIRO_FONT_WEIGHT_NORMAL);
}

Picture::~Picture() = default;

void Picture::text(double x, double y, double size, const std::string& bytes, bool centred) {
  cairo_t* const c = page_->context.get();
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

void Picture::pixels(const Pixels& p, double x, double y, double pixel_width, double pixel_height, Between between) {
  const Surface picture(
      cairo_image_surface_create(CAIRO_FORMAT_ARGB32, static_cast<int>(p.width), static_cast<int>(p.height)));
  if (cairo_surface_status(picture.get()) == CAIRO_STATUS_NO_MEMORY) { throw std::bad_alloc(); }
  VOX_CHECK(cairo_surface_status(picture.get()) == CAIRO_STATUS_SUCCESS, "picture: cannot make one of {}x{}", p.width,
            p.height);
  const std::int64_t stride = cairo_image_surface_get_stride(picture.get()) / 4;
  auto* const rows = reinterpret_cast<std::uint32_t*>(cairo_image_surface_get_data(picture.get()));
  for (std::int64_t row = 0; row < p.height; ++row) {
    std::copy_n(p.argb.begin() + row * p.width, p.width, rows + row * stride);
  }
  cairo_surface_mark_dirty(picture.get());
  cairo_t* const c = page_->context.get();
  cairo_save(c);
  cairo_translate(c, x, y);
  cairo_scale(c, pixel_width, pixel_height);
  cairo_set_source_surface(c, picture.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(c),
                           between == Between::smooth ? CAIRO_FILTER_BILINEAR : CAIRO_FILTER_NEAREST);
  cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
  cairo_rectangle(c, 0, 0, static_cast<double>(p.width), static_cast<double>(p.height));
  cairo_fill(c);
  cairo_restore(c);
}

void Picture::legend(double x, double y) {
  cairo_t* const c = page_->context.get();
  for (std::size_t k = 1; k < kClassColours.size(); ++k) {
    const Colour& colour = kClassColours[k];
    cairo_set_source_rgb(c, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
    cairo_rectangle(c, x, y + 8, 16, 16);
    cairo_fill(c);
    text(x + 22, y + 21, 13, colour.meaning);
    cairo_text_extents_t box;
    cairo_text_extents(c, colour.meaning, &box);
    x += box.width + 46;
  }
}

void Picture::write(const std::filesystem::path& png) const {
  check_drawn(cairo_status(page_->context.get()));
  write_file(png, png_of(page_->surface.get()));
  if (cairo_scaled_font_get_type(cairo_get_scaled_font(page_->context.get())) == CAIRO_FONT_TYPE_USER) {
    write_stderr(
        fmt::format("{}: no font is installed, so words are in plain letters, ASCII alone (Debian, Ubuntu: apt install "
                    "fontconfig-config)\n",
                    png.string()));
  }
}

}  // namespace vox
