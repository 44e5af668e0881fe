#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "data/image.h"

namespace vox {

/// Copies volumes [size] out of `in`, as many as there are, cut to a box that may go beyond them: what lies outside is
/// 0. Reads nothing outside the box. out: as many volumes of box.size; each value goes through `convert`.
template <class In, class Out, class Convert>
void read_box(std::span<const In> in, const Extent3& size, const Box& box, std::span<Out> out, const Convert& convert) {
  Extent3 first{};  // of the box inside the volume, counted from the box's start
  Extent3 last{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = std::clamp<std::int64_t>(-box.start[a], 0, box.size[a]);
    last[a] = std::clamp<std::int64_t>(size[a] - box.start[a], first[a], box.size[a]);
  }
  const std::int64_t volumes = std::ssize(in) / (size[0] * size[1] * size[2]);
  Out* to = out.data();
  for (std::int64_t d = 0; d < volumes * box.size[0]; ++d) {
    const std::int64_t slice = d % box.size[0];
    const bool in_slice = slice >= first[0] && slice < last[0];
    for (std::int64_t h = 0; h < box.size[1]; ++h, to += box.size[2]) {
      if (!in_slice || h < first[1] || h >= last[1] || first[2] == last[2]) {
        std::fill_n(to, box.size[2], Out{});
        continue;
      }
      const std::int64_t row =
          ((d / box.size[0] * size[0] + slice + box.start[0]) * size[1] + h + box.start[1]) * size[2];
      const In* const from = in.data() + row + box.start[2] + first[2];
      std::fill_n(to, first[2], Out{});
      std::transform(from, from + (last[2] - first[2]), to + first[2], convert);
      std::fill(to + last[2], to + box.size[2], Out{});
    }
  }
}

}  // namespace vox
