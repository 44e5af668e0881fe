#include "data/synth/synth.h"

#include <mutex>

#include "data/synth/faults.h"
#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

struct Job {
  std::string id;
  std::optional<Check> fault;
  PhantomOptions phantom;
};

std::vector<Job> jobs_of(const SynthOptions& options) {
  std::vector<Job> jobs;
  PhantomOptions sound{.size = options.size, .seed = options.seed};
  if (options.plant_faults) {
    sound.enhancing = true;
    sound.tumour_radius_mm = 36;  // more than 1 % of the tutorial's crop and of the whole volume
    sound.tumour_centre_mm = {22, 4, 14};
  }
  for (std::int64_t i = 0; i < options.cases; ++i) {
    sound.case_index = static_cast<std::uint32_t>(i);
    jobs.push_back({fmt::format("Synth_{:03}", i + 1), {}, sound});
  }
  if (!options.plant_faults) { return jobs; }
  for (std::uint32_t f = 0; f < static_cast<std::uint32_t>(Check::count_); ++f) {
    const auto check = static_cast<Check>(f);
    sound.case_index = static_cast<std::uint32_t>(options.cases) + f;
    jobs.push_back({fmt::format("Synth_{}", code_of(check).code), check, options_for(check, sound)});
  }
  return jobs;
}

void run(const Job& job, const std::filesystem::path& output) {
  const CasePlace place{output / job.id, job.id};
  Phantom phantom = make_phantom(job.phantom);
  if (job.fault) {
    write_faulty(*job.fault, place, std::move(phantom));
  } else {
    write_phantom(place, phantom);
  }
}

}  // namespace

std::map<std::string, std::vector<std::string>> write_synthetic_cases(const SynthOptions& options) {
  constexpr std::int64_t kMostCases = 100'000;
  VOX_CHECK(options.cases >= 1 && options.cases <= kMostCases, "synth: {} cases, wants 1 to {}", options.cases,
            kMostCases);
  const std::vector<Job> jobs = jobs_of(options);
  make_folders(options.output);
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(options.threads, std::ssize(jobs), [&](std::int64_t i) {
    run(jobs[static_cast<std::size_t>(i)], options.output);
    const std::lock_guard lock(mutex);
    ++done;
    if (options.on_case) { options.on_case(done, std::ssize(jobs)); }
  });

  std::map<std::string, std::vector<std::string>> codes;
  for (const Job& job : jobs) {
    auto& of_case = codes[job.id];
    if (job.fault) { of_case.emplace_back(code_of(*job.fault).code); }
  }
  if (options.plant_faults) {
    Json json = Json::object();
    for (const auto& [id, of_case] : codes) { json[id] = of_case; }
    write_file(options.output / "faults.json", json_text(json, 2) + "\n");
  }
  return codes;
}

}  // namespace vox
