#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/cases/label_convention.h"

using cairo_t = struct _cairo;  // NOLINT(bugprone-reserved-identifier): as Cairo's own header has it

namespace vox {

struct Colour {
  std::uint8_t red;
  std::uint8_t green;
  std::uint8_t blue;
  const char* meaning;
};
/// Of the classes: Okabe and Ito's colours, told apart by the colour-blind, and none of them grey.
inline constexpr std::array<Colour, kClasses> kClassColours{{{0, 0, 0, "background"},
                                                             {213, 94, 0, "necrotic and non-enhancing (1)"},
                                                             {86, 180, 233, "oedema (2)"},
                                                             {240, 228, 66, "enhancing (4)"}}};

/// Premultiplied, as Cairo has it. Colours 0 to 255, opacity 0 to 1.
[[nodiscard]] std::uint32_t argb(double opacity, double red, double green, double blue);
/// Grey of a value: black at or below `black`, white at or above `white`.
[[nodiscard]] std::uint32_t grey(double value, double black, double white);

/// Rows of argb() from the top.
struct Pixels {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint32_t> argb{};
};

enum class Between : std::uint8_t { smooth, nearest };

/// A black page in pixels. What is put on it is kept, and drawn by Cairo when it is written, in a process of its own:
/// where memory runs out, Cairo and what it calls (fontconfig, FreeType) end theirs by a signal.
class Picture {
 public:
  Picture(double width, double height);  ///< rounded up

  /// White with a dark rim, so that it is read on any grey. x is the left end, or the middle.
  void text(double x, double y, double size, const std::string& bytes, bool centred = false);
  /// Each pixel so wide and high on the page.
  void pixels(Pixels, double x, double y, double pixel_width, double pixel_height, Between);
  /// The colours of the classes and what they mean, in a line.
  void legend(double x, double y);
  /// Whole or not at all. A MemoryError where Cairo did not come to its end. Where there is no font, words are in the
  /// plain letters that Cairo itself brings, which are ASCII, and stderr says so.
  void write(const std::filesystem::path& png) const;

 private:
  [[nodiscard]] std::string draw() const;

  double width_;
  double height_;
  std::vector<std::function<void(cairo_t*)>> parts_;
};

}  // namespace vox
