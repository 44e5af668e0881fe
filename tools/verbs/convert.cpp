#include "data/convert/convert.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "data/cases/edition.h"
#include "engine/context.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::string to;
  std::string layout = "auto";
  std::string labels = "auto";
  int threads = 0;
};

void run(const Options& o) {
  outlive_readers();
  std::optional<ProgressBar> bar;
  const ConvertReport report = convert_dataset({.input = o.input,
                                                .output = o.output,
                                                .to = *layout_option(o.to),
                                                .layout = layout_option(o.layout),
                                                .labels = labels_option(o.labels),
                                                .threads = threads_or_all(o.threads),
                                                .on_case = [&](std::int64_t done, std::int64_t total) {
                                                  if (!bar) { bar.emplace("convert", total, "cases"); }
                                                  bar->update(done);
                                                }});
  bar.reset();
  fmt::print("{}\n", describe(report.input));
  fmt::print("{} cases, {} of them with labels, as {} has them in {}\n", report.input.cases.size(), report.labelled,
             o.to, o.output);
  for (const LabelConvention c : report.written) { fmt::print("labels as in {} ({})\n", name(c), meaning(c)); }
  fmt::print("{} label files are the input's, byte for byte\n", report.labels_kept);
  if (report.cavity_voxels > 0) {
    fmt::print("{} voxels of resection cavity became background\n", report.cavity_voxels);
  }
}

}  // namespace

void add_convert(Command app) {
  const Command verb =
      app.command("convert", "Write cases in another tool's layout: nnU-Net's, BraTS' or the Decathlon's");
  const auto o = std::make_shared<Options>();
  verb.option("-i,--input", o->input, "folder of cases, one case, or a list of paths").required();
  verb.option("-o,--output", o->output, "folder to write, which is not there or empty; appears whole or not at all")
      .required();
  verb.option("--to", o->to, "layout to write").one_of({"nnunet", "brats", "msd"}).required();
  add_layout_option(verb, o->layout);
  add_labels_option(verb, o->labels);
  verb.option("--threads", o->threads, "cases at a time; 0: one per core").not_negative();
  verb.footer(
      "Voxels of images are kept, and the bytes of gzipped files. Labels get the numbers of the layout:\n"
      "  nnunet, msd  1 oedema, 2 necrotic and non-enhancing, 3 enhancing\n"
      "  brats        those that a file of the case's name is read as: 1, 2, 4, or 1, 2, 3 for names since 2023\n"
      "Cases without labels go to imagesTs. docs/layouts.md shows each layout.");
  verb.run([o] { run(*o); });
}

}  // namespace vox
