#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash's own name
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "data/check/case_reader.h"
#include "data/check/check.h"
#include "data/check/labels.h"

namespace vox {
namespace {

constexpr double kLeastCoverage = 0.8;   // of the brain that the images of a case show together
constexpr double kFlippedMargin = 0.03;  // intersection over union; healthy images differ from their mirror by 0.05 up

class CaseChecker {
 public:
  CaseChecker(const CaseFiles& files, const CheckRules& rules, std::vector<ImageHash>* hashes)
      : files_(files), rules_(rules), hashes_(hashes) {
    out_.id = files.id;
    out_.folder = files.folder;
  }

  CaseCheck run() {
    case_ = load_case(files_, kModalities, 1);
    out_.findings = std::move(case_.findings);
    const std::optional<NiftiImage> labels = load_labels();
    for (const LoadedImage& image : case_.images) { take_usable(image); }
    compare_images();
    if (labels) {
      const auto brain = brain_on(labels->image.geometry);
      for (auto& f : check_labels(labels->image, brain, files_, rules_.labels, out_.labels)) {
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

  std::optional<NiftiImage> load_labels() {
    if (files_.labels.empty()) {
      add(Check::no_labels, files_.folder, "no label file");
      return {};
    }
    try {
      NiftiImage labels = read_nifti(files_.labels);
      add_header_findings(labels, files_.labels, out_.findings);
      if (auto f = place_finding(case_, labels.image.geometry, files_.labels)) {
        out_.findings.push_back(std::move(*f));
      }
      return labels;
    } catch (const NiftiError& e) { out_.findings.push_back(finding_of(e, files_.labels)); }
    return {};
  }

  /// Takes an image that is finite and not constant for what follows.
  void take_usable(const LoadedImage& image) {
    if (!usable(out_.findings, image.file)) { return; }
    const auto& [geometry, values] = image.nifti.image;
    if (const float least = std::ranges::min(values); least < 0) {
      const auto n = std::ranges::count_if(values, [](float v) { return v < 0; });
      add(Check::negative_values, image.file, fmt::format("{} voxels below 0, the least {}", n, least));
    }
    if (hashes_ != nullptr) {
      const XXH64_hash_t seed = XXH3_64bits(geometry.size.data(), sizeof geometry.size);
      hashes_->push_back({XXH3_64bits_withSeed(values.data(), values.size() * sizeof(float), seed), image.file});
    }
    usable_.push_back(&image);
  }

  void compare_images() {
    find_brains();
    if (!case_.mask) {
      if (auto f = brain_finding(brains_, files_.folder)) { out_.findings.push_back(std::move(*f)); }
    }
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
        add(Check::flipped_image, usable_[m]->file,
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
      add(Check::partial_coverage, usable_[m]->file,
          fmt::format("not zero in {:.0f} % of the brain that the images show together", 100 * part));
    }
  }

  /// The brain, where it is on the labels' grid; empty elsewhere.
  [[nodiscard]] std::span<const std::uint8_t> brain_on(const Geometry& g) const {
    if (usable_.empty() || usable_.front()->nifti.image.geometry.size != g.size) { return {}; }
    return brains_;
  }

  const CaseFiles& files_;
  const CheckRules& rules_;
  std::vector<ImageHash>* hashes_;
  CaseCheck out_;
  LoadedCase case_;
  std::vector<const LoadedImage*> usable_;  ///< finite, not constant, on the usual grid
  std::vector<std::uint8_t> brains_;
};

}  // namespace

CaseCheck check_case(const CaseFiles& files, const CheckRules& rules, std::vector<ImageHash>* hashes) {
  return CaseChecker(files, rules, hashes).run();
}

}  // namespace vox
