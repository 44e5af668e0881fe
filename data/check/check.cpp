#include "data/check/check.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

/// Marks the later of two cases (by id) that share an image.
void find_same_cases(std::vector<CaseCheck>& cases, const std::vector<std::vector<ImageHash>>& hashes) {
  struct Owner {
    std::size_t at;
    std::filesystem::path file;
  };
  std::map<std::uint64_t, Owner> owners;
  for (std::size_t c = 0; c < cases.size(); ++c) {
    bool reported = false;
    for (const auto& [hash, file] : hashes[c]) {
      const auto [owner, fresh] = owners.try_emplace(hash, Owner{c, file});
      if (fresh || owner->second.at == c || reported) { continue; }
      cases[c].findings.push_back({Check::same_case_twice, file,
                                   fmt::format("the voxels are those of '{}' of case {}", owner->second.file.string(),
                                               cases[owner->second.at].id)});
      reported = true;
    }
  }
}

}  // namespace

std::int64_t CheckReport::count(Severity severity) const {
  std::int64_t n = 0;
  for (const auto& c : cases) {
    n += std::count_if(c.findings.begin(), c.findings.end(),
                       [&](const Finding& f) { return code_of(f.check).severity == severity; });
  }
  return n;
}

CheckReport check_cases(const CheckOptions& options) {
  const Dataset dataset = find_dataset(options.input, options.layout, options.mask_suffix);
  const std::vector<CaseFiles>& files = dataset.cases;
  const CheckRules rules{.labels = label_rules(options.labels, files, options.threads), .allowed = {}};
  CheckReport report;
  report.layout = dataset.layout;
  report.found = describe(dataset);
  report.cases.resize(files.size());
  std::vector<std::vector<ImageHash>> hashes(files.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(options.threads, std::ssize(files), [&](std::int64_t i) {
    const auto c = static_cast<std::size_t>(i);
    report.cases[c] = check_case(files[c], rules, &hashes[c]);
    const std::lock_guard lock(mutex);
    ++done;
    if (options.on_case) { options.on_case(done, std::ssize(files)); }
  });
  find_same_cases(report.cases, hashes);
  return report;
}

}  // namespace vox
