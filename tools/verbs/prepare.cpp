#include "data/prepare/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>

#include "engine/context.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/ranks/world.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::string recipe = "seed";
  std::int64_t size = 128;
  std::string spacing_mm = "1,1,1";
  std::string cache_type = "f32";
  std::string labels = "auto";
  std::vector<std::string> allow;
  std::string layout = "auto";
  std::string mask_suffix;
  bool prune = false;
  int threads = 0;
  bool json = false;
};

std::size_t count(const std::vector<CaseReport>& reports, Outcome outcome) {
  return static_cast<std::size_t>(
      std::ranges::count_if(reports, [&](const CaseReport& r) { return r.outcome == outcome; }));
}

void print_json(const Options& o, const Recipe& recipe, const PrepareReport& report) {
  const std::vector<CaseReport>& reports = report.cases;
  Json document{{"recipe", o.recipe},
                {"modalities", modality_list(recipe.modalities)},
                {"size", recipe.size},
                {"cache_type", o.cache_type},
                {"layout", name(report.layout)},
                {"output", o.output}};
  if (!is_cube(recipe)) { document["spacing_mm"] = spacing_text(recipe.spacing_mm); }
  for (const Outcome outcome : {Outcome::prepared, Outcome::up_to_date, Outcome::left_out, Outcome::failed}) {
    document["counts"][std::string(name(outcome))] = count(reports, outcome);
  }
  document["cases"] = Json::array();
  for (const CaseReport& r : reports) {
    document["cases"].push_back(
        {{"id", r.id}, {"outcome", name(r.outcome)}, {"message", r.message}, {"seconds", r.seconds}});
  }
  document["not_in_input"] = report.strays;
  document["pruned"] = o.prune;
  fmt::print("{}\n", json_text(document, 2));
}

PrepareReport prepare_with_progress(const Options& o, const Recipe& recipe) {
  std::optional<ProgressBar> bar;
  return prepare_cases({.input = o.input,
                        .output = o.output,
                        .recipe = recipe,
                        .image_type = o.cache_type == "bf16" ? FileDType::bf16 : FileDType::f32,
                        .threads = threads_or_all(o.threads),
                        .labels = labels_option(o.labels),
                        .allowed = allowed_findings(o.allow),
                        .mask_suffix = o.mask_suffix,
                        .layout = layout_option(o.layout),
                        .prune = o.prune,
                        .ranks = &world(),
                        .on_report = [&](const CaseReport& r, std::size_t done, std::size_t total) {
                          if (!bar) { bar.emplace("prepare", static_cast<std::int64_t>(total), "cases"); }
                          bar->update(static_cast<std::int64_t>(done), fmt::format("{} {}", r.id, name(r.outcome)));
                        }});
}

void print_unlocked(const PrepareReport& report) {
  if (!report.unlocked.empty()) { fmt::print("{}\n", report.unlocked); }
}

void print_strays(const Options& o, const std::vector<std::string>& strays) {
  if (strays.empty()) { return; }
  constexpr std::size_t kNamed = 5;
  const std::span first(strays.data(), std::min(strays.size(), kNamed));
  fmt::print("{} prepared {} in {} {} not below {}{}: {}{}\n", strays.size(), strays.size() == 1 ? "case" : "cases",
             o.output, strays.size() == 1 ? "is" : "are", o.input,
             o.prune ? " and was removed" : ", and training takes what is there; --prune removes such",
             fmt::join(first, ", "), first.size() < strays.size() ? ", ..." : "");
}

void print_text(const Options& o, const Recipe& recipe, const PrepareReport& report) {
  const std::vector<CaseReport>& reports = report.cases;
  fmt::print("{}\n", report.found);
  for (const CaseReport& r : reports) {
    fmt::print("{}: {}{}{}\n", r.id, name(r.outcome), r.message.empty() ? "" : ": ", r.message);
  }
  std::string grid = fmt::format("{} voxels", recipe.size);
  if (!is_cube(recipe)) {
    const std::string spacing = spacing_text(recipe.spacing_mm);
    grid = spacing == "keep" ? "their own spacing" : spacing + " mm";
  }
  fmt::print("recipe {} ({} at {}): {} prepared, {} up to date, {} left out, {} failed, in {}\n", o.recipe,
             modality_list(recipe.modalities), grid, count(reports, Outcome::prepared),
             count(reports, Outcome::up_to_date), count(reports, Outcome::left_out), count(reports, Outcome::failed),
             o.output);
  print_unlocked(report);
  print_strays(o, report.strays);
}

bool is_given(Command verb, const std::string& option) {
  return std::ranges::any_of(
      verb.options(), [&](const Option& o) { return o.is_given() && std::ranges::count(o.long_names(), option) > 0; });
}

Recipe recipe_of(Command verb, const Options& o) {
  Recipe recipe = recipe_named(o.recipe, o.size);
  VOX_CHECK(is_cube(recipe) || !is_given(verb, "size"), "--size: recipe {} keeps every case's own extent", o.recipe);
  VOX_CHECK(!is_cube(recipe) || !is_given(verb, "spacing-mm"),
            "--spacing-mm: recipe {} resizes to a cube, whatever the "
            "spacing; recipe native has one",
            o.recipe);
  if (!is_cube(recipe)) { recipe.spacing_mm = spacing_named(o.spacing_mm); }
  return recipe;
}

void run(Command verb, const Options& o) {
  outlive_readers();
  const Recipe recipe = recipe_of(verb, o);
  const PrepareReport report = prepare_with_progress(o, recipe);
  if (o.json) {
    print_json(o, recipe, report);
  } else {
    print_text(o, recipe, report);
  }
  if (report.strays_fault) { std::rethrow_exception(report.strays_fault); }
  if (count(report.cases, Outcome::failed) > 0) { throw ExitCode{3}; }
}

}  // namespace

void add_prepare(Command app) {
  const auto o = std::make_shared<Options>();
  const Command verb = app.command("prepare", "Turn cases into a cache that train and predict read");
  verb.footer(
      "Recipes:\n"
      "  tutorial  flair,t1ce,t2; each axial slice scaled to [0,1]; crop of 128^3; only cases over 1 % tumour\n"
      "  seed      t1,t1ce,t2,flair; each volume scaled to [0,1]; resized\n"
      "  zscore    t1,t1ce,t2,flair; mean 0, deviation 1 inside the brain; cropped to the brain; resized\n"
      "  native    as zscore, but of one spacing and not of one size, for train --patch: other spacings are "
      "resampled,\n"
      "            images by a cubic spline, labels class by class\n"
      "A case whose source files and recipe have not changed is not prepared again. A case in which check finds an "
      "error\n"
      "is not prepared (exit 3), the others are; docs/check-codes.md lists the codes.");
  verb.option("-i,--input", o->input, "folder of cases, one case, or a list of paths").required();
  verb.option("-o,--output", o->output, "folder for ID.safetensors, made when absent").required();
  verb.option("--recipe", o->recipe, "tutorial, seed, zscore or native")
      .one_of({"tutorial", "seed", "zscore", "native"});
  verb.option("--size", o->size, "edge of the prepared cube in voxels; not of native");
  verb.option("--spacing-mm", o->spacing_mm, "native: voxel edge along D,H,W, or one for all; keep: each case's own");
  verb.option("--cache-type", o->cache_type,
              "type of prepared images: f32, or bf16, which takes half the room and rounds each value to 8 bits (half "
              "to even)")
      .one_of({"f32", "bf16"});
  add_layout_option(verb, o->layout);
  add_labels_option(verb, o->labels);
  add_allow_option(verb, o->allow);
  add_mask_option(verb, o->mask_suffix);
  verb.flag("--prune", o->prune, "remove prepared cases from the output that are not below the input any more");
  verb.option("--threads", o->threads, "cases at a time, about 0.25 GiB each; 0: one per core").not_negative();
  verb.flag("--json", o->json, "print the outcome of every case as JSON");
  verb.run([verb, o] { run(verb, *o); });
}

}  // namespace vox
