#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

namespace vox {

/// CLI::NonNegativeNumber writes out the largest double where it refuses, takes NaN, and without either an unsigned
/// option takes -1 for its largest value.
inline const CLI::Validator kNotNegative(
    [](std::string& text) {
      double value = 0;
      const bool fits = CLI::detail::lexical_cast(text, value) && value >= 0 && std::isfinite(value);
      return fits ? std::string() : fmt::format("is {}, wants 0 or more", text);
    },
    "NONNEGATIVE");

}  // namespace vox
