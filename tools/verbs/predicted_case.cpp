#include "tools/verbs/predicted_case.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <set>
#include <span>

#include "data/cases/regions.h"
#include "data/nifti/nifti.h"
#include "data/prepare/restore.h"
#include "kernels/base/check.h"
#include "tools/ui/process_clock.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, kClasses> kClassFiles{"background", "necrotic", "oedema", "enhancing"};
constexpr std::array<const char*, kClassOfRegion.size()> kRegionFiles{"whole", "core", "enhancing"};

void save_network_output(const fs::path& path, const PreparedCase& prepared, std::span<const float> logits) {
  const std::int64_t channels = std::ssize(prepared.info.recipe.modalities);
  const Extent3& s = prepared.info.mapping.size;
  const auto entry = [&](const char* tensor, std::int64_t leading, std::span<const float> values) {
    return TensorToWrite{
        .name = tensor, .dtype = FileDType::f32, .shape = {leading, s[0], s[1], s[2]}, .bytes = std::as_bytes(values)};
  };
  write_safetensors(
      path,
      {entry("image", channels, prepared.image), entry("logits", std::ssize(logits) / (s[0] * s[1] * s[2]), logits)},
      {{"id", prepared.info.id}});
}

}  // namespace

LabelConvention PredictArgs::written(const CaseFiles& c) const {
  if (const auto asked = labels_option(labels)) { return *asked; }
  if (c.stated && c.stated->convention) { return *c.stated->convention; }
  return convention_for_output(family_of(c.id, c.hyphenated));
}

Times predict_case(const CaseFiles& files, const PreparedCase& prepared, const Ensemble& ensemble,
                   const PredictArgs& args, int threads) {
  Times times;
  auto start = std::chrono::steady_clock::now();
  const auto lap = [&] {
    const double seconds = seconds_since(start);
    start = std::chrono::steady_clock::now();
    return seconds;
  };
  const auto mirror = args.mirror ? Ensemble::Mirror::all_axes : Ensemble::Mirror::off;
  const Segmenter::Output out = ensemble.run(prepared.image, prepared.info.mapping.size, mirror);
  times.forward = lap();
  const GridMapping& mapping = prepared.info.mapping;
  const bool regions = ensemble.config().targets == Targets::regions;
  const Decision decision = regions ? Decision::regions : Decision::largest;
  LabelMap labels = restore_labels(out.probabilities, mapping, threads, decision);
  postprocess(labels, args.rules);
  to_labels(labels.values, args.written(files));
  times.restore = lap();
  if (args.save_probabilities) {
    for (std::int64_t c = 0; c < ensemble.config().classes; ++c) {
      const auto i = static_cast<std::size_t>(c);
      write_nifti(args.output / fmt::format("{}_p_{}.nii.gz", files.id, regions ? kRegionFiles[i] : kClassFiles[i]),
                  restore_probability(out.probabilities, c, mapping, threads, decision), *prepared.header);
    }
  }
  if (args.save_logits) { save_network_output(args.output / (files.id + "_logits.safetensors"), prepared, out.logits); }
  write_nifti(args.output / (files.id + ".nii.gz"), labels, *prepared.header);
  times.write = lap();
  return times;
}

std::string times_text(const CaseFiles& files, const PreparedCase& prepared, const Times& t) {
  constexpr double kMs = 1e3;
  return fmt::format(
      "{}: read {:.0f} ms, prepare {:.0f} ms (waited {:.0f} ms), forward {:.0f} ms, restore {:.0f} ms, write "
      "{:.0f} ms\n",
      files.id, kMs * prepared.read_seconds, kMs * prepared.prepare_seconds, kMs * t.waited, kMs * t.forward,
      kMs * t.restore, kMs * t.write);
}

ReadCase read_case(CaseFiles files, const Recipe& recipe, const CheckRules& rules, int threads) {
  files.labels.clear();  // never read for a prediction
  files.note.clear();
  ReadCase c;
  c.prepared = prepare_case(files, recipe, threads, &c.notes, rules);
  return c;
}

void Notes::add(const std::string& id, const std::vector<std::string>& notes) {
  std::set<std::string> seen;
  for (const std::string& note : notes) {
    const std::string kind = note.substr(0, note.find(':'));
    if (!seen.insert(kind).second) { continue; }
    auto& entry = kinds_.try_emplace(kind, fmt::format("{}: {}", id, note), 0).first->second;
    ++entry.second;
  }
}

void Notes::print() const {
  for (const auto& [kind, entry] : kinds_) {
    fmt::print("note: {}{}\n", entry.first,
               entry.second > 1 ? fmt::format(" (and {} more such)", entry.second - 1) : "");
  }
}

}  // namespace vox
