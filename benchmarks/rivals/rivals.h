#pragma once

#include <string>
#include <vector>

namespace vox::bench {

/// Where the programs are that run others' work, and our own as a program of its own.
struct Programs {
  std::vector<std::string> serve;  ///< this program's `serve`
  std::string python = "python3";
  std::string torch_script;  ///< empty: benchmarks/rivals/torch_step.py of the source tree, or where it is installed
  std::string onednn;        ///< empty: vox_onednn beside this program
  int cudnn_plans = 4;       ///< of those its heuristics name first, tried before the fastest is measured
};

/// A program to be compared with, one way to run it.
struct Rival {
  std::string family;   ///< "torch", "onednn", or the path of another build of voxgrad
  std::string variant;  ///< "channels_last compile"; empty where there is one way alone
  std::vector<std::string> command;
  std::vector<std::string> environment;
  double hello_s = 30;  ///< how long it may take to say its name; a program that starts at once has done so long before

  [[nodiscard]] std::string name() const { return variant.empty() ? family : family + " " + variant; }
};

/// The ways of one word of --against; throws Error saying what is missing and how to get it. A word with a slash is
/// another build of this program.
[[nodiscard]] std::vector<Rival> rivals_named(const std::string& word, const std::vector<std::string>& torch_variants,
                                              const Programs&);

/// Starts it and asks its name: "PyTorch 2.15.0". Throws Error saying what is missing and how to get it.
[[nodiscard]] std::string greeting(const Rival&);

class Child;
/// The name of a program that was just started: what does not answer as a rival does is found here, and soon.
[[nodiscard]] std::string name_of(Child&, const Rival&);

/// This program as a child that serves, by how it was called.
[[nodiscard]] std::vector<std::string> serve_command(const std::string& program);
[[nodiscard]] std::string own_path();  ///< empty where /proc is not mounted

}  // namespace vox::bench
