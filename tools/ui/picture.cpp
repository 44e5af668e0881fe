#include "tools/ui/picture.h"

#include <cairo.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "engine/own_process.h"
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

void draw_text(cairo_t* c, double x, double y, double size, const std::string& words, bool centred) {
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

void draw_pixels(cairo_t* c, const Pixels& p, Between between) {
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
  cairo_set_source_surface(c, picture.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(c),
                           between == Between::smooth ? CAIRO_FILTER_BILINEAR : CAIRO_FILTER_NEAREST);
  cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
  cairo_rectangle(c, 0, 0, static_cast<double>(p.width), static_cast<double>(p.height));
  cairo_fill(c);
}

void draw_legend(cairo_t* c, double x, double y) {
  for (std::size_t k = 1; k < kClassColours.size(); ++k) {
    const Colour& colour = kClassColours[k];
    cairo_set_source_rgb(c, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
    cairo_rectangle(c, x, y + 8, 16, 16);
    cairo_fill(c);
    draw_text(c, x + 22, y + 21, 13, colour.meaning, false);
    cairo_text_extents_t box;
    cairo_text_extents(c, colour.meaning, &box);
    x += box.width + 46;
  }
}

// What a drawn page begins with.
constexpr char kFont = 'f';
constexpr char kNoFont = 'n';

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

Picture::Picture(double width, double height) : width_(std::ceil(width)), height_(std::ceil(height)) {}

void Picture::text(double x, double y, double size, const std::string& bytes, bool centred) {
  parts_.emplace_back([=, words = utf8_text(bytes)](cairo_t* c) {  // Cairo draws nothing more after other text
    draw_text(c, x, y, size, words, centred);
  });
}

void Picture::pixels(Pixels p, double x, double y, double pixel_width, double pixel_height, Between between) {
  parts_.emplace_back([=, p = std::move(p)](cairo_t* c) {
    cairo_save(c);
    cairo_translate(c, x, y);
    cairo_scale(c, pixel_width, pixel_height);
    draw_pixels(c, p, between);
    cairo_restore(c);
  });
}

void Picture::legend(double x, double y) {
  parts_.emplace_back([=](cairo_t* c) { draw_legend(c, x, y); });
}

/// kFont or kNoFont, and the file.
std::string Picture::draw() const {
  const Surface surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width_), static_cast<int>(height_)));
  const Context context(cairo_create(surface.get()));
  cairo_t* const c = context.get();
  if (cairo_status(c) == CAIRO_STATUS_NO_MEMORY) { throw std::bad_alloc(); }
  VOX_CHECK(cairo_status(c) == CAIRO_STATUS_SUCCESS, "picture: cannot make a page of {}x{}", width_, height_);
  cairo_paint(c);  // black
  cairo_select_font_face(c, fonts_are_configured() ? "DejaVu Sans" : "@cairo:", CAIRO_FONT_SLANT_NORMAL,
                         CAIRO_FONT_WEIGHT_NORMAL);
  for (const auto& part : parts_) { part(c); }
  check_drawn(cairo_status(c));
  const bool plain = cairo_scaled_font_get_type(cairo_get_scaled_font(c)) == CAIRO_FONT_TYPE_USER;
  return (plain ? kNoFont : kFont) + png_of(surface.get());
}

void Picture::write(const std::filesystem::path& png) const {
  // Fontconfig that is refused all memory was seen to go on for minutes. A page of 0.9 million pixels takes 0.1 s.
  const auto most_seconds = static_cast<unsigned>(60 + width_ * height_ / 1e6);
  const ProcessEnd end = in_own_process(png.string(), most_seconds, [this](int) { return draw(); });
  if (!end.failed.empty()) {
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("{}: drawing it {}: there is no memory", png.string(), end.failed));
  }
  write_file(png, std::string_view(end.answer).substr(1));
  if (end.answer.front() == kNoFont) {
    write_stderr(
        fmt::format("{}: no font is installed, so words are in plain letters, ASCII alone (Debian, Ubuntu: apt install "
                    "fontconfig-config)\n",
                    png.string()));
  }
}

}  // namespace vox
