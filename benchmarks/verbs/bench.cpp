#include "benchmarks/verbs/bench.h"

#include <sstream>

#include "benchmarks/verbs/serve.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {

namespace {

std::string is_torch_variant(const std::string& text) {
  std::istringstream words(text);
  std::string layout;
  std::string mode;
  std::string tf32;
  std::string more;
  words >> layout >> mode >> tf32 >> more;
  const bool known = (layout == "contiguous" || layout == "channels_last") && (mode == "eager" || mode == "compile") &&
                     (tf32.empty() || tf32 == "tf32") && more.empty();
  return known ? "" : "'" + text + "': wants contiguous or channels_last, then eager or compile, then tf32 or nothing";
}

}  // namespace

void add_common_options(Command verb, Common& c, const char* rivals) {
  verb.option("--device", c.device, "cpu, cuda, cuda:N, or simt to see that everything runs");
  verb.option("--threads", c.threads, "CPU threads, ours and the rivals'; 0: every core").not_negative();
  verb.option("--conv", c.conv,
              "our convolutions: auto (the fastest), direct, winograd, amx, definition (loop by loop); kernel: several "
              "in turns, or all")
      .delimiter(',');
  verb.option("--isa", c.isa,
              "instruction set of our CPU kernels: baseline, avx2, avx512 or amx, without it the best; kernel: several "
              "in turns, or all")
      .delimiter(',');
  verb.option("--rounds", c.rounds, "measurements of each, in turns").positive();
  verb.option("--against", c.against, rivals).delimiter(',');
  verb.option("--python", c.programs.python, "a Python that has PyTorch").group("Rivals");
  verb.option("--torch", c.torch_variants, "PyTorch's ways to try: contiguous or channels_last, eager or compile")
      .delimiter(',')
      .check(is_torch_variant)
      .group("Rivals");
  verb.option("--torch-script", c.programs.torch_script, "the script that runs PyTorch, instead of ours")
      .group("Rivals");
  verb.option("--onednn", c.programs.onednn, "the program that runs oneDNN, instead of vox_onednn beside this one")
      .group("Rivals");
  verb.option("--plans", c.programs.cudnn_plans, "cuDNN's plans to try before its fastest is measured")
      .positive()
      .group("Rivals");
  verb.option("--seconds", c.seconds, "begin no line after so long; 0: no limit").not_negative();
  verb.option("--json", c.json, "a file for all figures, samples included");
  verb.option("--csv", c.csv, "a file for the rows of the table");
  verb.option("--report", c.page, "a page with the table, and of kernels the roofline").type_name("FILE.html");
  c.programs.serve = serve_command(own_path());
}

void apply(const Common& c) {
  if (c.threads > 0) { cpu_queue().threads = c.threads; }
  VOX_CHECK(c.conv.size() == 1 && c.isa.size() <= 1, "--conv and --isa: this verb takes one of each");
  set_conv_choice(c.conv.front());
  if (!c.isa.empty()) { cpu_queue().isa = isa_named(c.isa.front()); }
}

void add_serve_verb(Command bench) {
  const Command verb = bench.command("serve", "Answer the questions of another bench on stdin");
  verb.hide();
  verb.run([] { serve(); });
}

void add_bench_verbs(Command bench) {
  add_kernel_verb(bench);
  add_step_verb(bench);
#ifdef VOX_DATA
  add_loader_verb(bench);
  add_scores_verb(bench);
#endif
  add_startup_verb(bench);
  add_serve_verb(bench);
}

}  // namespace vox::bench
