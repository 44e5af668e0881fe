#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash's own name
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "data/check.h"
#include "data/check_labels.h"
#include "data/nifti.h"

namespace vox {
namespace {

constexpr double kMostShiftMm = 0.1;     // between the grids of two images of a case: float32 headers round below this
constexpr double kLeastCoverage = 0.8;   // of the brain that the images of a case show together
constexpr double kFlippedMargin = 0.03;  // intersection over union; healthy images differ from their mirror by 0.05 up

struct Loaded {
  Modality modality;
  const std::filesystem::path* file;
  NiftiImage nifti;
};

Check check_of(NiftiFault fault) {
  switch (fault) {
    case NiftiFault::unreadable:
      return Check::unreadable;
    case NiftiFault::not_nifti:
      return Check::not_nifti;
    case NiftiFault::damaged:
      return Check::damaged;
    case NiftiFault::not_one_volume:
      return Check::not_one_volume;
    case NiftiFault::unsupported_type:
      return Check::unsupported_type;
    case NiftiFault::bad_geometry:
      return Check::bad_geometry;
    case NiftiFault::not_labels:
      return Check::labels_not_integers;
  }
  VOX_FAIL("check_of: unknown fault");
}

/// Largest distance between the two places of one corner of the volume, in mm: within it every voxel moves less.
double shift_mm(const Geometry& a, const Geometry& b) {
  double most = 0;
  for (int corner = 0; corner < 8; ++corner) {
    std::array<double, 3> ijk{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      ijk[axis] = ((corner >> axis) & 1) != 0 ? static_cast<double>(a.size[2 - axis] - 1) : 0.0;
    }
    double squared = 0;
    for (std::size_t row = 0; row < 3; ++row) {
      const auto difference = [&](std::size_t column) {
        return a.affine[row * 4 + column] - b.affine[row * 4 + column];
      };
      const double d = difference(0) * ijk[0] + difference(1) * ijk[1] + difference(2) * ijk[2] + difference(3);
      squared += d * d;
    }
    most = std::max(most, std::sqrt(squared));
  }
  return most;
}

class CaseChecker {
 public:
  CaseChecker(const CaseFiles& files, std::vector<ImageHash>* hashes) : files_(files), hashes_(hashes) {
    out_.id = files.id;
    out_.folder = files.folder;
  }

  CaseCheck run() {
    if (!files_.note.empty()) { add(Check::misnamed_file, files_.labels, files_.note); }
    load_images();
    std::optional<NiftiImage> labels = load_labels();
    compare_grids(labels);
    for (const auto& image : images_) { check_values(image); }
    compare_images();
    if (labels) {
      const auto brain = brain_on(labels->image.geometry);
      for (auto& f : check_labels(labels->image, brain, files_.labels, out_.labels)) {
        out_.findings.push_back(std::move(f));
      }
    }
    std::stable_sort(out_.findings.begin(), out_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.check < b.check; });
    return std::move(out_);
  }

 private:
  void add(Check check, const std::filesystem::path& file, std::string message) {
    out_.findings.push_back({check, file, std::move(message)});
  }

  std::optional<NiftiImage> load(const std::filesystem::path& file) {
    try {
      NiftiImage image = read_nifti(file);
      if (image.affine_source == "pixdim") {
        add(Check::no_orientation, file, "neither sform nor qform: taken as R, A, S");
      }
      return image;
    } catch (const NiftiError& e) { add(check_of(e.fault()), file, e.what()); }
    return {};
  }

  void load_images() {
    for (const Modality m : kModalities) {
      const auto& file = files_.image(m);
      if (file.empty()) {
        add(Check::missing_modality, files_.folder, fmt::format("no {} image", name(m)));
      } else if (auto image = load(file)) {
        images_.push_back({m, &file, std::move(*image)});
      }
    }
  }

  std::optional<NiftiImage> load_labels() {
    if (files_.labels.empty()) {
      add(Check::no_labels, files_.folder, "no label file");
      return {};
    }
    return load(files_.labels);
  }

  /// The grid that most images share; the first of them where there is a tie.
  [[nodiscard]] const Loaded& most_usual() const {
    const Loaded* best = nullptr;
    std::ptrdiff_t most = 0;
    for (const auto& a : images_) {
      const auto n = std::count_if(images_.begin(), images_.end(), [&](const Loaded& b) { return same_place(a, b); });
      if (n > most) {
        most = n;
        best = &a;
      }
    }
    return *best;
  }

  static bool same_place(const Loaded& a, const Loaded& b) {
    const Geometry& g = a.nifti.image.geometry;
    const Geometry& h = b.nifti.image.geometry;
    return g.size == h.size && shift_mm(g, h) <= kMostShiftMm;
  }

  void compare_grids(const std::optional<NiftiImage>& labels) {
    if (images_.empty()) { return; }
    const Loaded& usual = most_usual();
    const auto compare = [&](const Geometry& g, const std::filesystem::path& file) {
      const Geometry& want = usual.nifti.image.geometry;
      const auto shape = [](const Geometry& x) { return fmt::format("{}x{}x{}", x.size[2], x.size[1], x.size[0]); };
      if (g.size != want.size) {
        add(Check::shape_mismatch, file,
            fmt::format("{} voxels (L, P, S); {} has {}", shape(g), name(usual.modality), shape(want)));
      } else if (const double shift = shift_mm(g, want); !(shift <= kMostShiftMm)) {
        add(Check::affine_mismatch, file,
            fmt::format("voxels lie up to {:.2f} mm from those of {}; wants {} mm or less", shift, name(usual.modality),
                        kMostShiftMm));
      }
    };
    for (const auto& image : images_) { compare(image.nifti.image.geometry, *image.file); }
    if (labels) { compare(labels->image.geometry, files_.labels); }
    std::erase_if(images_, [size = usual.nifti.image.geometry.size](const Loaded& x) {
      return x.nifti.image.geometry.size != size;  // what follows compares voxel by voxel
    });
  }

  void check_values(const Loaded& image) {
    const auto& values = image.nifti.image.values;
    if (!image.nifti.values_finite) {
      const auto n = std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
      add(Check::non_finite, *image.file, fmt::format("{} voxels are NaN or infinite", n));
      return;
    }
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    if (*least == *most) {
      add(Check::constant_image, *image.file, fmt::format("every voxel is {}", *least));
      return;
    }
    if (*least < 0) {
      const auto n = std::count_if(values.begin(), values.end(), [](float v) { return v < 0; });
      add(Check::negative_values, *image.file, fmt::format("{} voxels below 0, the least {}", n, *least));
    }
    usable_.push_back(&image);
  }

  void compare_images() {
    std::map<std::uint64_t, const Loaded*> by_hash;
    for (const Loaded* image : usable_) {
      const auto& [geometry, values] = image->nifti.image;
      const XXH64_hash_t seed = XXH3_64bits(geometry.size.data(), sizeof geometry.size);
      const std::uint64_t hash = XXH3_64bits_withSeed(values.data(), values.size() * sizeof(float), seed);
      if (hashes_ != nullptr) { hashes_->push_back({hash, *image->file}); }
      const auto [other, fresh] = by_hash.try_emplace(hash, image);
      if (!fresh) {
        add(Check::same_image_twice, *image->file,
            fmt::format("the voxels are those of {}", name(other->second->modality)));
      }
    }
    find_brains();
    if (usable_.size() < 3) { return; }  // nobody to side with
    for (std::size_t m = 0; m < usable_.size(); ++m) {
      if (!report_flip(m)) { report_coverage(m); }
    }
  }

  /// brains_[v] has bit m set where usable image m is not zero.
  void find_brains() {
    if (usable_.empty()) { return; }
    brains_.assign(usable_.front()->nifti.image.values.size(), 0);
    for (std::size_t m = 0; m < usable_.size(); ++m) {
      const auto& values = usable_[m]->nifti.image.values;
      const auto bit = static_cast<std::uint8_t>(1U << m);
      for (std::size_t v = 0; v < values.size(); ++v) {
        brains_[v] = static_cast<std::uint8_t>(brains_[v] | (values[v] != 0 ? bit : 0));
      }
    }
  }

  /// Intersection over union of image m's brain, mirrored along the axis (3: not at all), with what more than half of
  /// the other images show.
  [[nodiscard]] double agreement(std::size_t m, std::size_t mirrored_axis) const {
    std::array<bool, 256> others{};
    for (unsigned bits = 0; bits < others.size(); ++bits) {
      const int n = __builtin_popcount(bits & ~(1U << m));
      others[bits] = 2 * n > static_cast<int>(usable_.size()) - 1;
    }
    const auto& size = usable_[m]->nifti.image.geometry.size;
    std::int64_t both = 0;
    std::int64_t either = 0;
    for (std::int64_t d = 0, v = 0; d < size[0]; ++d) {
      for (std::int64_t h = 0; h < size[1]; ++h) {
        for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
          const std::int64_t d2 = mirrored_axis == 0 ? size[0] - 1 - d : d;
          const std::int64_t h2 = mirrored_axis == 1 ? size[1] - 1 - h : h;
          const std::int64_t w2 = mirrored_axis == 2 ? size[2] - 1 - w : w;
          const auto from = static_cast<std::size_t>((d2 * size[1] + h2) * size[2] + w2);
          const bool mine = ((brains_[from] >> m) & 1U) != 0;
          const bool theirs = others[brains_[static_cast<std::size_t>(v)]];
          both += mine && theirs ? 1 : 0;
          either += mine || theirs ? 1 : 0;
        }
      }
    }
    return either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 1.0;
  }

  bool report_flip(std::size_t m) {
    const double as_it_is = agreement(m, 3);
    if (as_it_is + kFlippedMargin > 1) { return false; }
    constexpr std::array<std::string_view, 3> kAxes{"upside down", "front to back", "left to right"};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double mirrored = agreement(m, axis);
      if (mirrored >= as_it_is + kFlippedMargin) {
        add(Check::flipped_image, *usable_[m]->file,
            fmt::format("its brain matches the other images {} ({:.3f} of the union) better than as it is ({:.3f})",
                        kAxes[axis], mirrored, as_it_is));
        return true;
      }
    }
    return false;
  }

  void report_coverage(std::size_t m) {
    std::int64_t mine = 0;
    std::int64_t all = 0;
    for (const std::uint8_t bits : brains_) {
      mine += (bits >> m) & 1;
      all += bits != 0 ? 1 : 0;
    }
    const double part = static_cast<double>(mine) / static_cast<double>(all);
    if (part < kLeastCoverage) {
      add(Check::partial_coverage, *usable_[m]->file,
          fmt::format("not zero in {:.0f} % of the brain that the images show together", 100 * part));
    }
  }

  /// The brain, where it is on the labels' grid; empty elsewhere.
  [[nodiscard]] std::span<const std::uint8_t> brain_on(const Geometry& g) const {
    if (usable_.empty() || usable_.front()->nifti.image.geometry.size != g.size) { return {}; }
    return brains_;
  }

  const CaseFiles& files_;
  std::vector<ImageHash>* hashes_;
  CaseCheck out_;
  std::vector<Loaded> images_;
  std::vector<const Loaded*> usable_;  ///< finite, not constant, on the usual grid
  std::vector<std::uint8_t> brains_;
};

}  // namespace

CaseCheck check_case(const CaseFiles& files, std::vector<ImageHash>* hashes) {
  return CaseChecker(files, hashes).run();
}

}  // namespace vox
