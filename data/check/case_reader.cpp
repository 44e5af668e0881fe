#include "data/check/case_reader.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "data/check/same_place.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr double kShortestEdgeMm = 0.05;
constexpr double kLongestEdgeMm = 20;
constexpr double kMostBrain = 0.75;  // of the volume

Check check_of(NiftiFault fault) {
  switch (fault) {
    case NiftiFault::unreadable:
    case NiftiFault::too_large:
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
    case NiftiFault::not_integers:
      return Check::labels_not_integers;
    case NiftiFault::unknown_label:
      return Check::unknown_label;
  }
  VOX_FAIL("check_of: unknown fault");
}

std::string shape_text(const Geometry& g) { return fmt::format("{}x{}x{}", g.size[2], g.size[1], g.size[0]); }

/// A file that is wanted: read, refused, or not there.
struct Wanted {
  std::string role;
  std::filesystem::path file;
  std::variant<std::monostate, NiftiImage, Finding> read;
  bool refused = false;  ///< with the file of another one, which has the finding
};

/// The images of a 4-D file, at once: it is decompressed from its start on for any of them.
void read_volumes(const CaseFiles& files, std::span<const Modality> modalities, std::span<Wanted> wanted) {
  std::vector<std::size_t> there;
  std::vector<std::int64_t> volumes;
  std::filesystem::path file;
  for (std::size_t i = 0; i < modalities.size(); ++i) {
    if (files.image(modalities[i]).empty()) { continue; }
    there.push_back(i);
    volumes.push_back(files.volume[static_cast<std::size_t>(modalities[i])]);
    file = files.image(modalities[i]);
  }
  if (there.empty()) { return; }
  try {
    std::vector<NiftiImage> images = read_nifti_volumes(file, volumes, files.volumes);
    for (std::size_t i = 0; i < there.size(); ++i) { wanted[there[i]].read = std::move(images[i]); }
  } catch (const NiftiError& e) {
    wanted[there.front()].read = finding_of(e, file);  // said once
    for (std::size_t i = 1; i < there.size(); ++i) { wanted[there[i]].refused = true; }
  }
}

std::vector<Wanted> read_files(const CaseFiles& files, std::span<const Modality> modalities, int threads) {
  std::vector<Wanted> wanted;
  for (const Modality m : modalities) { wanted.push_back({std::string(name(m)), files.image_name(m), {}}); }
  if (files.volumes > 0) { read_volumes(files, modalities, wanted); }
  if (!files.mask_suffix.empty()) { wanted.push_back({"mask", files.mask, {}}); }
  parallel_for(threads, std::ssize(wanted), [&](std::int64_t i) {
    Wanted& w = wanted[static_cast<std::size_t>(i)];
    if (w.file.empty() || w.refused || w.read.index() != 0) { return; }
    try {
      w.read = read_nifti(w.file);
    } catch (const NiftiError& e) { w.read = finding_of(e, w.file); }
  });
  return wanted;
}

/// The grid that most images share; that of the first of them where there is a tie.
void find_usual(LoadedCase& c) {
  std::ptrdiff_t most = 0;
  for (const LoadedImage& a : c.images) {
    const Geometry& g = a.nifti.image.geometry;
    const auto n =
        std::ranges::count_if(c.images, [&](const LoadedImage& b) { return same_place(g, b.nifti.image.geometry); });
    if (n > most) {
      most = n;
      c.usual = g;
      c.usual_role = a.role;
    }
  }
}

void check_values(const LoadedImage& image, std::vector<Finding>& findings) {
  const LargeVector<float>& values = image.nifti.image.values;
  if (!image.nifti.values_finite) {
    const auto n = std::ranges::count_if(values, [](float v) { return !std::isfinite(v); });
    findings.push_back({Check::non_finite, image.file, fmt::format("{} voxels are NaN or infinite", n)});
  } else if (std::ranges::all_of(values, [first = values.front()](float v) { return v == first; })) {
    findings.push_back({Check::constant_image, image.file, fmt::format("every voxel is {}", values.front())});
  }
}

/// Two modalities with the same voxels; constant ones have a finding of their own.
void check_twins(const LoadedCase& c, std::vector<Finding>& findings) {
  for (std::size_t a = 1; a < c.images.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      const auto& [role, file, nifti] = c.images[b];
      if (!usable(findings, c.images[a].file) || nifti.image.values != c.images[a].nifti.image.values) { continue; }
      findings.push_back({Check::same_image_twice, c.images[a].file, fmt::format("the voxels are those of {}", role)});
      break;
    }
  }
}

void add_clashes(const CaseFiles& files, std::vector<Finding>& findings) {
  if (!files.note.empty()) { findings.push_back({Check::misnamed_file, files.labels, files.note}); }
  for (const Clash& k : files.clashes) {
    findings.push_back({k.two_folders ? Check::two_folders : Check::two_files, k.file,
                        fmt::format("case {} has '{}' already", files.id, k.other.string())});
  }
}

}  // namespace

bool usable(const std::vector<Finding>& findings, const std::filesystem::path& file) {
  return std::ranges::none_of(findings, [&](const Finding& f) {
    return f.file == file && (f.check == Check::non_finite || f.check == Check::constant_image);
  });
}

Finding finding_of(const NiftiError& e, const std::filesystem::path& file) {
  return {check_of(e.fault()), file, e.what()};
}

void add_header_findings(const NiftiImage& image, const std::filesystem::path& file, std::vector<Finding>& findings) {
  if (image.affine_source == "pixdim") {
    findings.push_back({Check::no_orientation, file, "neither sform nor qform: taken as R, A, S"});
  }
  const bool said = std::ranges::find(findings, Check::unit_unknown, &Finding::check) != findings.end();
  if (image.unit == LengthUnit::unknown && !said) {  // one note for a case
    findings.push_back({Check::unit_unknown, file, "its header names no unit of length: mm is assumed"});
  }
  const auto& edges = image.image.geometry.spacing_mm;
  if (std::ranges::min(edges) < kShortestEdgeMm || std::ranges::max(edges) > kLongestEdgeMm) {
    findings.push_back({Check::odd_voxel_size, file,
                        fmt::format("voxels of {:.4g}x{:.4g}x{:.4g} mm{}", edges[2], edges[1], edges[0],
                                    image.unit == LengthUnit::metre    ? " (the header says metre)"
                                    : image.unit == LengthUnit::micron ? " (the header says micron)"
                                                                       : "")});
  }
}

std::optional<Finding> place_finding(const LoadedCase& c, const Geometry& g, const std::filesystem::path& file) {
  if (c.usual.voxels() == 0) { return {}; }
  if (g.size != c.usual.size) {
    return Finding{Check::shape_mismatch, file,
                   fmt::format("{} voxels (L, P, S); {} has {}", shape_text(g), c.usual_role, shape_text(c.usual))};
  }
  if (same_place(c.usual, g)) { return {}; }
  return Finding{Check::affine_mismatch, file,
                 fmt::format("voxels lie up to {:.2f} mm from those of {}; wants {:.3g} mm or less",
                             grid_distance_mm(c.usual, g), c.usual_role, place_tolerance_mm(c.usual))};
}

double brain_fraction(std::span<const std::uint8_t> brain) {
  const auto inside = std::ranges::count_if(brain, [](std::uint8_t v) { return v != 0; });
  return brain.empty() ? 0 : static_cast<double>(inside) / static_cast<double>(brain.size());
}

std::optional<Finding> brain_finding(std::span<const std::uint8_t> brain, const std::filesystem::path& folder) {
  const double part = brain_fraction(brain);
  if (part <= kMostBrain) { return {}; }
  return Finding{Check::brain_fills_volume, folder,
                 fmt::format("{:.1f} % of the volume counts as brain: some image is not 0 there", 100 * part)};
}

LoadedCase load_case(const CaseFiles& files, std::span<const Modality> modalities, int threads) {
  LoadedCase c;
  add_clashes(files, c.findings);
  for (Wanted& w : read_files(files, modalities, threads)) {
    if (w.refused) { continue; }
    if (w.file.empty()) {
      const std::string what =
          w.role == "mask" ? fmt::format("mask (ID_{0} or ID-{0})", files.mask_suffix) : w.role + " image";
      c.findings.push_back({Check::missing_modality, files.folder, "no " + what});
    } else if (auto* const refused = std::get_if<Finding>(&w.read)) {
      c.findings.push_back(std::move(*refused));
    } else {
      LoadedImage image{w.role, w.file, std::get<NiftiImage>(std::move(w.read))};
      add_header_findings(image.nifti, image.file, c.findings);
      if (w.role == "mask") {
        c.mask = std::move(image);
      } else {
        c.images.push_back(std::move(image));
      }
    }
  }
  find_usual(c);
  const auto examine = [&](const LoadedImage& image) {
    if (auto f = place_finding(c, image.nifti.image.geometry, image.file)) { c.findings.push_back(std::move(*f)); }
  };
  std::ranges::for_each(c.images, examine);
  if (c.mask) { examine(*c.mask); }
  const auto misshapen = [&](const LoadedImage& image) { return image.nifti.image.geometry.size != c.usual.size; };
  std::erase_if(c.images, misshapen);  // what follows compares voxel by voxel
  if (c.mask && misshapen(*c.mask)) { c.mask.reset(); }
  for (const LoadedImage& image : c.images) { check_values(image, c.findings); }
  if (c.mask) { check_values(*c.mask, c.findings); }
  check_twins(c, c.findings);
  return c;
}

void throw_errors(const std::vector<Finding>& findings, const CheckRules& rules) {
  std::string all;
  for (const Finding& f : findings) {
    if (rules.stops(f.check)) { all += (all.empty() ? "" : "\n    ") + describe(f); }
  }
  VOX_CHECK_DATA(all.empty(), "{}", all);
}

}  // namespace vox
