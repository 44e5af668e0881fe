#include "data/synth/synth.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/nifti/nifti.h"
#include "data/synth/phantom.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

constexpr std::array<std::int64_t, 3> kSmall{32, 48, 48};

double mean_where(const Phantom& p, Modality m, std::uint8_t label) {
  const auto& values = p.images[static_cast<std::size_t>(m)].values;
  double sum = 0;
  double n = 0;
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (values[v] > 0 && p.labels.values[v] == label) {
      sum += values[v];
      n += 1;
    }
  }
  REQUIRE(n > 20);
  return sum / n;
}

std::array<std::int64_t, 5> count_labels(const Phantom& p) {
  std::array<std::int64_t, 5> n{};
  for (const auto label : p.labels.values) { ++n.at(label); }
  return n;
}

}  // namespace

TEST_CASE("A phantom has the contrasts of a glioma in every modality", "[synth]") {
  const Phantom p = make_phantom({.size = {77, 120, 120}, .seed = 3, .enhancing = true});
  const auto contrast = [&](Modality m, std::uint8_t a, std::uint8_t b) {
    return mean_where(p, m, a) / mean_where(p, m, b);
  };
  CHECK(contrast(Modality::t1ce, 4, 0) > 1.3);   // the rim takes up contrast agent
  CHECK(contrast(Modality::t1, 1, 0) < 0.8);     // necrosis is dark
  CHECK(contrast(Modality::flair, 2, 0) > 1.5);  // oedema is bright
  CHECK(contrast(Modality::t2, 2, 0) > 1.3);
  CHECK(contrast(Modality::t1ce, 4, 1) > 2);
  const Phantom none = make_phantom({.size = {77, 120, 120}, .seed = 3, .enhancing = false});
  CHECK(count_labels(none)[4] == 0);
  CHECK(count_labels(none)[1] > 0);
}

TEST_CASE("A phantom is zero outside the brain, whole numbers above zero inside, labelled inside only", "[synth]") {
  for (std::uint32_t c = 0; c < 6; ++c) {
    const Phantom p = make_phantom({.size = kSmall, .seed = 9, .case_index = c});
    std::int64_t brain = 0;
    for (std::size_t v = 0; v < p.labels.values.size(); ++v) {
      const bool inside = p.images[0].values[v] != 0;
      brain += inside ? 1 : 0;
      for (const auto& image : p.images) {
        const float value = image.values[v];
        if (inside != (value >= 1) || value != std::floor(value) || value > 32767) { FAIL("voxel " << v); }
      }
      if (!inside && p.labels.values[v] != 0) { FAIL("label outside at " << v); }
    }
    const double fraction = static_cast<double>(brain) / static_cast<double>(p.labels.values.size());
    CHECK(fraction > 0.1);  // BraTS: 0.14 to 0.2
    CHECK(fraction < 0.25);
    const auto n = count_labels(p);
    CHECK(n[3] == 0);
    CHECK(n[1] > 0);
    CHECK(n[2] > n[1]);
  }
}

TEST_CASE("A phantom depends on seed and index, not on threads", "[synth]") {
  const PhantomOptions options{.size = {20, 33, 31}, .seed = 5, .case_index = 2};
  const Phantom a = make_phantom(options, 1);
  const Phantom b = make_phantom(options, 3);
  for (std::size_t m = 0; m < 4; ++m) { CHECK((a.images[m].values == b.images[m].values)); }
  CHECK((a.labels.values == b.labels.values));
  PhantomOptions other = options;
  other.case_index = 3;
  CHECK_FALSE((make_phantom(other).images[0].values == a.images[0].values));
  other = options;
  other.seed = 6;
  CHECK_FALSE((make_phantom(other).images[0].values == a.images[0].values));
  other.size = {8, 48, 48};
  CHECK_THROWS_AS(make_phantom(other), Error);
}

TEST_CASE("Phantoms lie where BraTS' cases lie", "[synth]") {
  const Phantom p = make_phantom({.size = {155, 240, 240}});
  const Geometry& g = p.images[2].geometry;
  CHECK(g.spacing_mm == std::array<double, 3>{1, 1, 1});
  CHECK(g.affine == std::array<double, 12>{-1, 0, 0, 0, 0, -1, 0, 239, 0, 0, 1, 0});
  CHECK(std::signbit(g.affine[3]));
  CHECK(p.labels.geometry == g);
}

TEST_CASE("Synthetic cases are BraTS files, the same for any number of threads", "[synth]") {
  const TempFolder one;
  const TempFolder three;
  SynthOptions options{.output = one / "data", .cases = 3, .seed = 1, .size = kSmall};
  const auto codes = write_synthetic_cases(options);
  CHECK(codes.size() == 3);
  CHECK(codes.at("Synth_002").empty());
  options.output = three / "data";
  options.threads = 3;
  static_cast<void>(write_synthetic_cases(options));
  const auto cases = find_cases(one / "data");
  REQUIRE(cases.size() == 3);
  for (const auto& c : cases) {
    std::vector<std::filesystem::path> files(c.images.begin(), c.images.end());
    files.push_back(c.labels);
    for (const auto& file : files) {
      CAPTURE(file.string());
      CHECK((read_bytes(file) == read_bytes(three / "data" / c.id / file.filename().string())));
    }
    CHECK(read_nifti(c.image(Modality::t2)).datatype == "int16");
    CHECK(read_nifti(c.labels).datatype == "uint8");
  }
  CHECK_FALSE(std::filesystem::exists(one / "data" / "faults.json"));
}

TEST_CASE("check finds the faults that synth plants, and nothing else", "[synth][check]") {
  const TempFolder folder;
  const auto planted = write_synthetic_cases(
      {.output = folder.path(), .cases = 4, .seed = 11, .size = {40, 64, 64}, .plant_faults = true, .threads = 2});
  CHECK(planted.size() == 4 + static_cast<std::size_t>(Check::count_));
  CHECK(nlohmann::json::parse(read_bytes(folder / "faults.json")) == nlohmann::json(planted));
  const CheckReport report = check_cases({.input = folder.path(), .labels = {}, .mask_suffix = {}, .threads = 2});
  REQUIRE(report.cases.size() == planted.size());
  for (const auto& c : report.cases) {
    std::vector<std::string> found;
    std::string messages;
    for (const auto& f : c.findings) {
      found.emplace_back(code_of(f.check).code);
      messages += fmt::format("{} {}: {}\n", found.back(), f.file.string(), f.message);
    }
    found.erase(std::unique(found.begin(), found.end()), found.end());
    CAPTURE(c.id, messages);
    CHECK(found == planted.at(c.id));
  }
}

}  // namespace vox::test
