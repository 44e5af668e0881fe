#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
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

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                          &std::free);
  return status == 0 ? plain.get() : name;
}

void launch(const simt::Launch& l) {
  const Kernel& k = find(l);
  const Watch& w = watch();
  const std::uint64_t all = l.grid.count();
  const std::uint64_t run = w.most_blocks == 0 ? all : std::min(all, w.most_blocks);
  Counts counts;
  Block block(*k.module, *k.function, l, w.launches == nullptr ? nullptr : &counts);
  for (std::uint64_t i = 0; i < run; ++i) {
    const std::uint64_t b = (2 * i + 1) * all / (2 * run);  // with all of them: i
    block.run({static_cast<unsigned>(b % l.grid.x), static_cast<unsigned>(b / l.grid.x % l.grid.y),
               static_cast<unsigned>(b / l.grid.x / l.grid.y)});
  }
  if (w.launches != nullptr) {
    w.launches->push_back({short_name(demangled(k.function->name)), l.grid, l.block, l.shared_bytes, run, counts});
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
