#include "data/loading/composed_transform.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "data/loading/elastic_field.h"
#include "data/loading/point_row.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// How far a patch reaches from its centre along an axis: half its extents, turned, and the field.
double reach(const Matrix3& m, std::size_t axis, const Extent3& size, double elastic_voxels) {
  double r = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    r += std::abs(m[3 * axis + i]) * (0.5 * static_cast<double>(size[i] - 1) + elastic_voxels);
  }
  return r;
}

/// The points of row (d, h) of the patch before any field, counted from the box's start.
SampleLine line_of(const ComposedTransform& t, const Box& box, std::int64_t d, std::int64_t h) {
  const std::array<std::int64_t, 3> out{d, h, 0};
  const Matrix3& m = t.change.matrix;
  SampleLine line{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    double p = t.centre[axis] - static_cast<double>(box.start[axis]);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t moved = t.change.mirror[i] ? t.size[i] - 1 - out[i] : out[i];
      p += m[3 * axis + i] * (static_cast<double>(moved) - 0.5 * static_cast<double>(t.size[i] - 1));
    }
    line.origin[axis] = static_cast<float>(p);
    line.step[axis] = static_cast<float>(t.change.mirror[2] ? -m[3 * axis + 2] : m[3 * axis + 2]);
  }
  return line;
}

/// Adds R S u to the points of a line.
void place_bent(PointRow& row, const SampleLine& line, const ComposedTransform& t,
                const std::array<std::vector<float>, 3>& u, const Extent3& size) {
  const std::int64_t last = row.width() - 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::array<float, 3> m{};
    for (std::size_t i = 0; i < 3; ++i) { m[i] = static_cast<float>(t.change.matrix[3 * axis + i]); }
    for (std::int64_t w = 0; w <= last; ++w) {
      const std::size_t from = at(t.change.mirror[2] ? last - w : w);
      row.point[axis][at(w)] =
          line.at(axis, static_cast<std::int32_t>(w)) + (m[0] * u[0][from] + m[1] * u[1][from] + m[2] * u[2][from]);
    }
  }
  place_points(row, size);
}

}  // namespace

Box box_needed(const ComposedTransform& t, const Extent3& case_size) {
  Box box;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    constexpr double kRounding = 0.01;  // of points, which are floats
    const double r = reach(t.change.matrix, axis, t.size, t.change.elastic_voxels) + kRounding;
    const auto low = static_cast<std::int64_t>(std::floor(t.centre[axis] - r));
    const auto high = static_cast<std::int64_t>(std::floor(t.centre[axis] + r)) + 1;  // the upper neighbour
    box.start[axis] = std::clamp<std::int64_t>(low, 0, case_size[axis] - 1);
    box.size[axis] = std::clamp<std::int64_t>(high, box.start[axis], case_size[axis] - 1) + 1 - box.start[axis];
  }
  return box;
}

void sample_box(std::span<const float> image, std::span<const std::uint8_t> marks, const Box& box,
                const ComposedTransform& t, std::span<float> out_image, std::span<std::uint8_t> out_marks) {
  const Extent3& size = t.size;
  VOX_CHECK(std::ssize(marks) == box.size[0] * box.size[1] * box.size[2] && !marks.empty() &&
                std::ssize(out_marks) == size[0] * size[1] * size[2] && image.size() % marks.size() == 0 &&
                out_image.size() == image.size() / marks.size() * out_marks.size(),
            "sample_box: image of {} values, marks of {}, outputs of {} and {}, box {}x{}x{}, patch {}x{}x{}",
            image.size(), marks.size(), out_image.size(), out_marks.size(), box.size[0], box.size[1], box.size[2],
            size[0], size[1], size[2]);
  std::optional<ElasticField> field;
  if (t.change.elastic_voxels > 0) {
    field.emplace(size, t.change.elastic_voxels, t.change.elastic, t.change.elastic_group);
  }
  PointRow row(size[2]);
  std::array<std::vector<float>, 3> displacement;
  for (auto& along : displacement) { along.resize(at(size[2])); }
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const SampleLine line = line_of(t, box, d, h);
      if (field) {
        field->row(t.change.mirror[0] ? size[0] - 1 - d : d, t.change.mirror[1] ? size[1] - 1 - h : h, displacement);
        place_bent(row, line, t, displacement, box.size);
      } else {
        place_on_line(row, line, box.size);
      }
      const std::size_t o = at((d * size[1] + h) * size[2]);
      for (std::size_t c = 0; c * marks.size() < image.size(); ++c) {
        interpolate_row(image.data() + c * marks.size(), box.size, row, out_image.data() + c * out_marks.size() + o);
      }
      heaviest_row(marks.data(), box.size, row, out_marks.data() + o);
    }
  }
}

}  // namespace vox
