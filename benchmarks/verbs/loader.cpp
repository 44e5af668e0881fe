#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "benchmarks/measure/clocks.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/verbs/bench.h"
#include "data/loading/loader.h"
#include "data/prepare/prepared_case.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox::bench {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string cache;
  std::vector<std::int64_t> sizes{128};
  std::int64_t batch = 1;
  std::int64_t cases = 8;
  std::vector<int> threads{1, 2};
  std::vector<std::string> augment{"none", "all"};
  std::vector<std::int64_t> patch;
  double foreground = 0.33;
  int rounds = 5;
  std::string json;
  std::string csv;
};

/// The sets of a list that was cut at every ',': settings, which have a '=' or '@', belong to the set before them.
std::vector<std::string> sets_of(const std::vector<std::string>& parts) {
  std::vector<std::string> sets;
  for (const std::string& part : parts) {
    if (part.find_first_of("=@") != std::string::npos && !sets.empty()) {
      sets.back() += "," + part;
    } else {
      sets.push_back(part);
    }
  }
  return sets;
}

/// Of a name that nobody can have taken before.
fs::path made_folder() {
  std::string name = (fs::temp_directory_path() / "voxgrad-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    VOX_FAIL_OUTPUT("{}: cannot be made: {}", name, std::generic_category().message(errno));
  }
  return name;
}

/// Prepared cases of noise in a folder that goes with the object.
class MadeUpCases {
 public:
  MadeUpCases(std::int64_t size, std::int64_t count) : folder_(made_folder()) {
    PreparedCase c;
    c.info.recipe = recipe_named("seed", size);
    c.info.mapping.size = {size, size, size};
    c.info.mapping.source = {
        .size = {size, size, size}, .spacing_mm = {1, 1, 1}, .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}};
    c.info.mapping.box = {.start = {0, 0, 0}, .size = {size, size, size}};
    c.info.labelled = true;
    const auto voxels = static_cast<std::size_t>(size * size * size);
    c.image.resize(voxels * c.info.recipe.modalities.size());
    c.label.resize(voxels);
    for (std::int64_t n = 0; n < count; ++n) {
      c.info.id = fmt::format("noise-{:03}", n);
      const RandomKey key{.seed = static_cast<std::uint64_t>(n)};
      for (std::size_t i = 0; i < c.image.size(); ++i) { c.image[i] = static_cast<float>(unit(random4(key, i).v[0])); }
      for (std::size_t i = 0; i < voxels; ++i) { c.label[i] = static_cast<std::uint8_t>(random4(key, i).v[1] % 4U); }
      write_prepared_case(folder_ / (c.info.id + ".safetensors"), c);
    }
  }
  ~MadeUpCases() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  MadeUpCases(const MadeUpCases&) = delete;
  MadeUpCases& operator=(const MadeUpCases&) = delete;
  MadeUpCases(MadeUpCases&&) = delete;
  MadeUpCases& operator=(MadeUpCases&&) = delete;
  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

/// Seconds to read every byte of the files, which is the least a loader can take.
double read_all(const std::vector<fs::path>& files) {
  std::vector<char> part(std::size_t{4} << 20U);
  return measured([&] {
           for (const fs::path& f : files) {
             const int file = open(f.c_str(), O_RDONLY | O_CLOEXEC);
             VOX_CHECK_DATA(file >= 0, "{}: cannot be read", f.string());
             while (read(file, part.data(), part.size()) > 0) {}
             close(file);
           }
         })
      .wall_s;
}

void measure(Report& report, const Options& o, const std::vector<fs::path>& files, int threads,
             const std::string& augment) {
  LoaderOptions options{
      .files = files, .batch = o.batch, .seed = 1, .threads = threads, .augment = augment_named(augment)};
  if (!o.patch.empty()) {
    options.patch = PatchOptions{.size = {o.patch.front(), o.patch[o.patch.size() / 2], o.patch.back()},
                                 .foreground = o.foreground};
  }
  Loader loader(std::move(options));
  std::vector<double> read_s;
  std::vector<double> case_s;
  std::vector<double> processor_s;
  double bytes = 0;
  for (int round = -1; round < o.rounds; ++round) {
    const double plain = read_all(files);
    std::int64_t cases = 0;
    const Times t = measured([&] {
      loader.start_epoch(static_cast<std::uint32_t>(round + 1));
      while (const auto batch = loader.next()) { cases += batch->shape[0]; }
    });
    if (round < 0) { continue; }
    const auto n = static_cast<double>(cases);
    read_s.push_back(plain / n);
    case_s.push_back(t.wall_s / n);
    processor_s.push_back(t.processor_s / n);
    bytes = static_cast<double>(loader.batch_bytes()) / static_cast<double>(o.batch);
  }
  const Spread s = spread_of(case_s);
  const auto shape = loader.sample_shape();
  const bool cube = shape[1] == shape[2] && shape[2] == shape[3];
  const std::string label = cube ? fmt::format("{}@{}^3", shape[0], shape[1])
                                 : fmt::format("{}@{}x{}x{}", shape[0], shape[1], shape[2], shape[3]);
  const double processor = spread_of(processor_s).median;
  const double plain = spread_of(read_s).median;
  report.row(
      {{"shape", label},
       {"batch", o.batch},
       {"threads", threads},
       {"augment", augment},
       {"ms_per_case", 1e3 * s.median},
       {"spread", s.relative()},
       {"processor_ms_per_case", 1e3 * processor},
       {"gb_per_s", bytes / s.median / 1e9},
       {"read_ms_per_case", 1e3 * plain},
       {"samples_s", case_s},
       {"processor_samples_s", processor_s}},
      {label, std::to_string(o.batch), std::to_string(threads), augment, digits(1e3 * s.median), percent(s.relative()),
       digits(1e3 * processor), digits(1 / s.median), digits(bytes / s.median / 1e9), digits(1e3 * plain)});
}

void run(const Options& o) {
  VOX_CHECK(o.patch.empty() || o.patch.size() == 1 || o.patch.size() == 3,
            "--patch has {} numbers, wants one or three (D,H,W)", o.patch.size());
  Report report({.json = o.json, .csv = o.csv});
  report.head(machine_facts(Device::cpu));
  report.head({{"cases", o.cache.empty() ? fmt::format("{} of noise in {}", o.cases, fs::temp_directory_path().string())
                                         : o.cache},
               {"rounds", fmt::format("{} epochs after one that brings the files into memory", o.rounds)}});
  report.table({{.heading = "case", .width = 13, .text = true},
                {.heading = "n"},
                {.heading = "threads"},
                {.heading = "augment", .width = 7, .text = true},
                {.heading = "ms a case", .width = 9},
                {.heading = "spread %"},
                {.heading = "cpu ms", .width = 7},
                {.heading = "cases/s", .width = 7},
                {.heading = "GB/s", .width = 6},
                {.heading = "plain read ms"}});
  for (const std::int64_t size : o.cache.empty() ? o.sizes : std::vector<std::int64_t>{0}) {
    std::unique_ptr<MadeUpCases> made;
    if (o.cache.empty()) { made = std::make_unique<MadeUpCases>(size, o.cases); }
    const std::vector<fs::path> files = find_prepared_cases(made ? made->folder() : fs::path(o.cache));
    for (const std::string& augment : sets_of(o.augment)) {
      for (const int threads : o.threads) { measure(report, o, files, threads, augment); }
    }
  }
  report.finish();
}

}  // namespace

void add_loader_verb(Command bench) {
  const Command verb = bench.command("loader", "Reading and augmenting prepared cases, without a network");
  const auto o = std::make_shared<Options>();
  verb.option("--cache", o->cache, "prepared cases; without it some are made up in a temporary folder");
  verb.option("--size", o->sizes, "voxels along each axis of made-up cases").delimiter(',').positive();
  verb.option("--cases", o->cases, "made up").positive();
  verb.option("--batch", o->batch).positive();
  verb.option("--threads", o->threads, "that read and augment").delimiter(',').positive();
  verb.option("--augment", o->augment,
              "none, all, nnunet with settings, or rot, flip, shift, intensity, noise; each a line")
      .delimiter(',');
  verb.option("--patch", o->patch, "voxels along D,H,W, or one for all: a patch of each case instead of the whole")
      .delimiter(',')
      .positive()
      .default_text("whole cases");
  verb.option("--foreground", o->foreground, "share of patches that is made to hold a label above 0");
  verb.option("--rounds", o->rounds).positive();
  verb.option("--json", o->json, "a file for all figures, samples included");
  verb.option("--csv", o->csv, "a file for the rows of the table");
  verb.run([o] { run(*o); });
}

}  // namespace vox::bench
