#include <dlfcn.h>

#include <filesystem>
#include <memory>
#include <unordered_map>

#include "kernels/simt/options.h"
#include "tests/simt/ptx_block.h"

namespace vox::ptx {
namespace {

struct Kernel {
  const Module* module;
  const Function* function;
};

struct Library {
  std::vector<std::unique_ptr<Module>> modules;
  std::unordered_map<std::string, Kernel> kernels;
};

Library& library() {
  static Library l;
  return l;
}

/// The name that g++ and nvcc both give it: the program is linked with -rdynamic, so that it is there to be found.
const Kernel& find(const simt::Launch& l) {
  Dl_info info{};
  VOX_CHECK(dladdr(l.kernel, &info) != 0 && info.dli_sname != nullptr, "PTX: {} has no symbol", l.name);
  const auto found = library().kernels.find(info.dli_sname);
  VOX_CHECK(found != library().kernels.end(), "PTX: {} ({}) is in none of the files", l.name, info.dli_sname);
  return found->second;
}

void launch(const simt::Launch& l) {
  const Kernel& k = find(l);
  Block block(*k.module, *k.function, l);
  for (unsigned z = 0; z < l.grid.z; ++z) {
    for (unsigned y = 0; y < l.grid.y; ++y) {
      for (unsigned x = 0; x < l.grid.x; ++x) { block.run({x, y, z}); }
    }
  }
}

}  // namespace

void interpret(const std::string& folder) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".ptx") { continue; }
    auto module = std::make_unique<Module>(parse(file.path()));
    for (const auto& [name, function] : module->functions) {
      if (function.is_kernel) { library().kernels[name] = {module.get(), &function}; }
    }
    library().modules.push_back(std::move(module));
  }
  VOX_CHECK(!library().kernels.empty(), "PTX: no kernel in {}", folder);
  simt::set_interpreter(&launch);
}

}  // namespace vox::ptx
