#include "benchmarks/verbs/bench.h"

#include <sstream>

#include "benchmarks/verbs/serve.h"
#include "engine/context.h"

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

void add_common_options(CLI::App& verb, Common& c, const char* rivals) {
  verb.add_option("--device", c.device, "cpu, cuda, cuda:N, or simt to see that everything runs");
  verb.add_option("--threads", c.threads, "CPU threads, ours and the rivals'; 0: every core")
      ->check(CLI::NonNegativeNumber);
  verb.add_option_function<std::string>(
      "--conv", set_conv_choice, "3x3x3 convolutions on the CPU, ours: auto (the fastest), direct, winograd or amx");
  verb.add_option("--rounds", c.rounds, "measurements of each, in turns")->check(CLI::PositiveNumber);
  verb.add_option("--against", c.against, rivals)->delimiter(',');
  verb.add_option("--python", c.programs.python, "a Python that has PyTorch")->group("Rivals");
  verb.add_option("--torch", c.torch_variants, "PyTorch's ways to try: contiguous or channels_last, eager or compile")
      ->delimiter(',')
      ->check(is_torch_variant)
      ->group("Rivals");
  verb.add_option("--torch-script", c.programs.torch_script, "the script that runs PyTorch, instead of ours")
      ->group("Rivals");
  verb.add_option("--onednn", c.programs.onednn, "the program that runs oneDNN, instead of vox_onednn beside this one")
      ->group("Rivals");
  verb.add_option("--json", c.json, "a file for all figures, samples included");
  verb.add_option("--csv", c.csv, "a file for the rows of the table");
  c.programs.serve = serve_command(own_path());
}

void add_serve_verb(CLI::App& bench) {
  CLI::App* const verb = bench.add_subcommand("serve", "Answer the questions of another bench on stdin");
  verb->group("");
  verb->callback([] { serve(); });
}

void add_bench_verbs(CLI::App& bench) {
  bench.require_subcommand(1);
  add_kernel_verb(bench);
  add_step_verb(bench);
#ifdef VOX_DATA
  add_loader_verb(bench);
#endif
  add_startup_verb(bench);
  add_serve_verb(bench);
}

}  // namespace vox::bench
