#include "benchmarks/rivals/rivals.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "benchmarks/rivals/child.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

namespace fs = std::filesystem;

constexpr double kImportTorchSeconds = 300;  // some seconds from a warm cache, a minute and more from a slow disk

std::string torch_script(const Programs& p) {
  std::vector<fs::path> places{fs::path(VOX_RIVALS_FOLDER) / "torch_step.py",
                               fs::path(own_path()).parent_path().parent_path() / "share/voxgrad/torch_step.py"};
  if (!p.torch_script.empty()) { places = {p.torch_script}; }
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place)) { return place.string(); }
  }
  VOX_FAIL("torch: there is no {}: name the script by --torch-script", places.front().string());
}

std::string onednn_program(const Programs& p) {
  const fs::path place = p.onednn.empty() ? fs::path(own_path()).parent_path() / "vox_onednn" : fs::path(p.onednn);
  VOX_CHECK(
      access(place.c_str(), X_OK) == 0,
      "onednn: there is no program {}: configure with -DVOX_ONEDNN=PREFIX (tools/rivals.sh makes one), or name it "
      "by --onednn",
      place.string());
  return place.string();
}

/// cuDNN's or cuBLAS' program, which lies beside this one: "cudnn", "cudnn_tf32", "cublas", "cublas_tf32".
std::vector<std::string> nvidia_command(const std::string& word, const Programs& p) {
  const std::string library = word.substr(0, word.find('_'));
  const fs::path place = fs::path(own_path()).parent_path() / ("vox_" + library);
  VOX_CHECK(access(place.c_str(), X_OK) == 0, "{}: there is no program {}: it is built where CUDA and {} are found",
            word, place.string(), library);
  std::vector<std::string> command{place.string(), std::to_string(p.cudnn_plans)};
  if (word != library) { command.emplace_back("tf32"); }
  return command;
}

}  // namespace

std::string own_path() {
  std::error_code none;
  return fs::read_symlink("/proc/self/exe", none).string();
}

std::vector<std::string> serve_command(const std::string& program) {
  if (fs::path(program).filename().string().starts_with("vox_bench")) { return {program, "serve"}; }
  return {program, "bench", "serve"};
}

std::vector<Rival> rivals_named(const std::string& word, const std::vector<std::string>& torch_variants,
                                const Programs& p) {
  std::vector<Rival> rivals;
  if (word.find('/') != std::string::npos) {
    VOX_CHECK(access(word.c_str(), X_OK) == 0, "{}: is no program", word);
    rivals.push_back({.family = word, .variant = "", .command = serve_command(word), .environment = {}});
  } else if (word == "torch") {
    for (const std::string& variant : torch_variants) {
      rivals.push_back({.family = word,
                        .variant = variant,
                        .command = {p.python, torch_script(p)},
                        .environment = {"PYTHONUNBUFFERED=1"},
                        .hello_s = kImportTorchSeconds});
    }
  } else if (word == "cudnn" || word == "cudnn_tf32" || word == "cublas" || word == "cublas_tf32") {
    rivals.push_back({.family = word, .variant = "", .command = nvidia_command(word, p), .environment = {}});
  } else {
    VOX_CHECK(word == "onednn",
              "--against {}: wants torch, onednn, cudnn, cublas or the path of another build of voxgrad", word);
    rivals.push_back({.family = word,
                      .variant = "",
                      .command = {onednn_program(p)},
                      .environment = {fmt::format("DPCPP_CPU_NUM_CUS={}", cpu_queue().threads)}});
  }
  return rivals;
}

std::string name_of(Child& program, const Rival& rival) {
  return program.ask({{"do", "hello"}}, rival.hello_s).at("name").get<std::string>();
}

std::string greeting(const Rival& rival) {
  try {
    Child program(rival.command, rival.environment);
    return name_of(program, rival);
  } catch (const Error& e) {
    VOX_FAIL("{}{}", e.what(),
             rival.family == "torch" ? ": name a Python that has PyTorch by --python (tools/rivals.sh makes one)" : "");
  }
}

}  // namespace vox::bench
