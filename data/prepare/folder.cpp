#include <fmt/format.h>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash's own name
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <thread>

#include "data/prepare/prepare.h"
#include "engine/atomic_file.h"
#include "engine/folder_lock.h"
#include "engine/json_text.h"
#include "engine/ranks/deal.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "kernels/base/large_vector.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

class Hash {
 public:
  Hash() : state_(XXH3_createState(), &XXH3_freeState) {
    if (!state_) { throw std::bad_alloc(); }
    XXH3_128bits_reset(state_.get());
  }

  void add(std::string_view bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }

  void add_file(std::string_view role, const fs::path& path) {
    const std::size_t length = read_pieces(path, [this](std::string_view piece) { add(piece); });
    add(fmt::format("\n{} {}\n", role, length));  // after the bytes, when their number is known
  }

  [[nodiscard]] std::string hex() const {
    const XXH128_hash_t h = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", h.high64, h.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

/// Prepared cases whose source is gone, by file name: training would go on with them.
std::vector<std::string> strays_in(const fs::path& folder, const std::vector<CaseFiles>& cases, bool prune) {
  std::set<std::string> ours;
  for (const CaseFiles& c : cases) { ours.insert(c.id + ".safetensors"); }
  std::vector<std::string> strays;
  for (const fs::directory_entry& e : list_folder(folder)) {
    const std::string name = e.path().filename().string();
    if (name.starts_with('.') || !name.ends_with(".safetensors") || ours.contains(name)) { continue; }
    try {
      const PreparedFile prepared(e.path());
      strays.push_back(name);
    } catch (const DataError&) {}  // somebody else's file
  }
  std::ranges::sort(strays);
  for (const std::string& name : strays) {
    if (prune) { fs::remove(folder / name); }
  }
  return strays;
}

/// What goes wrong there waits until the cases have been told.
void look_for_strays(const PrepareOptions& options, const std::vector<CaseFiles>& cases, PrepareReport& report) {
  try {
    report.strays = strays_in(options.output, cases, options.prune);
  } catch (...) { report.strays_fault = std::current_exception(); }
}

bool is_up_to_date(const fs::path& path, const CaseFiles& files, const PrepareOptions& options,
                   const CheckRules& rules) {
  if (!fs::exists(path)) { return false; }
  try {
    const PreparedFile file(path);
    const PreparedInfo& info = file.info();
    const bool as_asked = !info.labelled || !rules.labels.asked || info.convention == *rules.labels.asked;
    return info.recipe == options.recipe && info.image_type == options.image_type && info.has_positions &&
           info.id == utf8_text(files.id) && as_asked && info.source_hash == hash_sources(files, options.recipe);
  } catch (const DataError&) { return false; }  // damaged or of another version: made anew
}

Outcome prepare_one(const CaseFiles& files, const fs::path& path, const PrepareOptions& options,
                    const CheckRules& rules, int threads, std::string& message) {
  if (files.clashes.empty() && is_up_to_date(path, files, options, rules)) { return Outcome::up_to_date; }
  const Recipe& recipe = options.recipe;
  std::vector<std::string> notes;
  PreparedCase c = prepare_case(files, recipe, threads, &notes, rules);
  const double tumour = tumour_fraction(c);
  if (c.info.labelled && tumour <= recipe.min_tumour_fraction && recipe.min_tumour_fraction > 0) {
    message = fmt::format("{:.2f} % of the crop is tumour, recipe {} wants more than {:.2f} %", 100 * tumour,
                          name(recipe.kind), 100 * recipe.min_tumour_fraction);
    return Outcome::left_out;
  }
  c.info.source_hash = hash_sources(files, recipe);
  c.info.image_type = options.image_type;
  write_prepared_case(path, c);
  message = fmt::format("{}", fmt::join(notes, "; "));
  return Outcome::prepared;
}

CaseReport report_one(const CaseFiles& files, const PrepareOptions& options, const CheckRules& rules, int threads) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path path = options.output / (files.id + ".safetensors");
  CaseReport report{files.id, Outcome::failed, {}, 0};
  try {
    report.outcome = prepare_one(files, path, options, rules, threads, report.message);
  } catch (const OutputError&) {
    throw;  // of no other case could it be written
  } catch (const std::bad_alloc&) { report.message = "does not fit in memory"; } catch (const std::exception& e) {
    report.message = e.what();
  }
  const bool valid = report.outcome == Outcome::prepared || report.outcome == Outcome::up_to_date;
  std::error_code ignored;
  if (!valid && fs::remove(path, ignored)) { report.message += " (its earlier prepared file was removed)"; }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

std::string_view name(Outcome o) {
  switch (o) {
    case Outcome::prepared:
      return "prepared";
    case Outcome::up_to_date:
      return "up to date";
    case Outcome::left_out:
      return "left out";
    case Outcome::failed:
      return "failed";
  }
  VOX_FAIL("unknown outcome");
}

std::string hash_sources(const CaseFiles& files, const Recipe& recipe) {
  Hash hash;
  for (const Modality m : recipe.modalities) {
    if (files.image(m).empty()) { continue; }
    if (files.volumes == 0) {
      hash.add_file(name(m), files.image(m));
    } else {  // all images are in one file
      if (m == recipe.modalities.front()) { hash.add_file("4-D", files.image(m)); }
      hash.add(fmt::format("{} {}\n", name(m), files.volume[static_cast<std::size_t>(m)]));
    }
  }
  if (files.stated && files.stated->convention) { hash.add(name(*files.stated->convention)); }
  if (!files.labels.empty()) { hash.add_file("labels", files.labels); }
  if (!files.mask.empty()) { hash.add_file("mask", files.mask); }
  return hash.hex();
}

PrepareReport prepare_cases(const PrepareOptions& options) {
  VOX_CHECK(options.threads >= 1, "prepare: {} threads, wants at least 1", options.threads);
  VOX_CHECK(options.image_type == FileDType::f32 || options.image_type == FileDType::bf16,
            "prepare: images are held in f32 or bf16");
  const Dataset dataset = find_dataset(options.input, options.layout, options.mask_suffix);
  const std::vector<CaseFiles>& cases = dataset.cases;
  make_folders(options.output);
  Communicator& ranks = ranks_or_alone(options.ranks);
  check_same_cases(ranks, dataset, options.input);
  std::optional<FolderLock> lock;
  if (ranks.rank() == 0) {
    lock.emplace(options.output, "voxgrad prepare");  // two would remove each other's temporary files
    remove_temporaries(options.output, ".safetensors");
  }
  ranks.barrier();  // nobody writes before that

  const CheckRules rules{.labels = label_rules(options.labels, cases, options.threads, &ranks),
                         .allowed = options.allowed};
  Deal deal(ranks, cases.size());
  const std::size_t mine = deal.mine().size();
  const int workers = std::clamp(static_cast<int>(mine), 1, options.threads);
  constexpr std::size_t kOfCase = std::size_t{256} << 20U;  // about what a case of 240x240x155 wants at a time
  const KeptBlocks reuse(static_cast<std::size_t>(workers) * kOfCase);
  const int threads_of_each = std::max(options.threads / workers, 1);
  PrepareReport report;
  report.layout = dataset.layout;
  report.found = describe(dataset);
  report.cases.resize(cases.size());
  std::atomic<std::size_t> next{0};
  std::mutex reporting;
  std::size_t done = 0;
  std::exception_ptr stopped;  // no case can be written: the first such error ends the work
  const auto work = [&] {
    for (std::size_t k = next++; k < mine && !deal.stopped(); k = next++) {
      const std::size_t i = deal.mine()[k];
      try {
        report.cases[i] = report_one(cases[i], options, rules, threads_of_each);
      } catch (...) {
        const std::lock_guard one_at_a_time(reporting);
        if (!stopped) { stopped = std::current_exception(); }
        next = mine;
        return;
      }
      const std::lock_guard one_at_a_time(reporting);
      if (options.on_report) { options.on_report(report.cases[i], ++done, mine); }
    }
  };
  std::vector<std::jthread> others;
  for (int w = 1; w < workers; ++w) { others.emplace_back(work); }
  work();
  others.clear();
  if (stopped) { std::rethrow_exception(stopped); }
  deal.gather_results(report.cases,
                      [](auto& message, auto& c) { fields(message, c.id, c.outcome, c.message, c.seconds); });
  if (lock) {
    report.unlocked = lock->missing();
    look_for_strays(options, cases, report);
  }
  return report;
}

}  // namespace vox
